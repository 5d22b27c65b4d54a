"""``{% load cells %}``: the cells of the contacts list, one function a column.

A page shows hundreds of them, so they are functions looked up by name: a template that asks cell by cell which column
it stands in took a third of the page's time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from django import template
from django.contrib.auth.models import User
from django.template.loader import get_template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from config.web.templatetags.texts import reltime, score
from config.web.templatetags.ui import answer_badge, avatar, score_bar, stage_label_pill
from contacts.models import Standing

register = template.Library()

_NOTHING: Final = "\N{EN DASH}"


@register.simple_tag
def contact_cell(key: str, row: Standing, labels: Mapping[str, str], tags: Sequence[str] = ()) -> SafeString | str:
    """``{% contact_cell column.key row labels tags %}``: what a column of the list shows of a contact.

    ``key``: a column of ``contacts.selectors.browse``; ``row`` brings its contact, company and owner along; ``labels``
    name the stages; ``tags``: the contact's.
    """
    if key == "stage":
        return stage_label_pill(row.stage, labels)
    if key == "furthest":
        return stage_label_pill(row.furthest_stage, labels)
    if key == "tags":
        return mark_safe(get_template("contacts/tags.html").render({"tags": tags})) if tags else _muted("")  # noqa: S308
    return conditional_escape(_CELLS[key](row))


def _owner(row: Standing) -> SafeString:
    if row.owner is None:
        return _muted(gettext("Marketing"))
    name = _name_of(row.owner)
    return format_html('<span class="row nowrap">{}{}</span>', avatar(name, "small"), name)


def _name_of(person: User) -> str:
    return person.get_full_name() or person.email


def _motion(row: Standing) -> str:
    return str(row.contact.get_source_motion_display()) if row.contact.source_motion else ""


def _muted(text: str) -> SafeString:
    return format_html('<span class="muted">{}</span>', text or _NOTHING)


def _short(text: str, more: str = "") -> SafeString:
    """Text of any length, cut off at the width of its column."""
    return format_html('<span class="truncate cell-short{}">{}</span>', more, text or _NOTHING)


def _quiet(time: SafeString | str) -> SafeString:
    return format_html('<span class="nowrap muted">{}</span>', time)


_CELLS: Final[dict[str, Callable[[Standing], SafeString | str]]] = {
    "engagement": lambda row: score_bar(row.engagement_mp),
    "fit": lambda row: score(row.fit_mp),
    "owner": _owner,
    "company": lambda row: _short(str(row.contact.company or "")),
    "job_title": lambda row: _short(row.contact.job_title or ""),
    "phone": lambda row: format_html('<span class="nowrap">{}</span>', row.contact.phone or _NOTHING),
    "country": lambda row: row.contact.country or _NOTHING,
    "source": lambda row: _muted(row.contact.source_channel),
    "motion": lambda row: _muted(_motion(row)),
    "campaign": lambda row: _short(row.contact.source_campaign, " muted"),
    "means": lambda row: answer_badge(row.contact.means),
    "authority": lambda row: answer_badge(row.contact.authority),
    "since": lambda row: _quiet(reltime(row.stage_since)),
    "created": lambda row: _quiet(reltime(row.contact.created_at)),
    "activity": lambda row: _quiet(reltime(row.last_activity_at)),
}
