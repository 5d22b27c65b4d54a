"""``{% load cells %}``: the rows of the contacts list, one function a column.

A page shows fifty contacts in some hundreds of cells, so they are written here rather than in a template: nodes that
ask cell by cell which column they stand in, and look up the same word fifty times, took two thirds of the page's time.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final, Protocol

from django import template
from django.contrib.auth.models import User
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from config.web.templatetags.texts import reltime, score
from config.web.templatetags.ui import answer_badge, avatar, score_bar, stage_label_pill
from contacts.models import Standing

register = template.Library()

_NOTHING: Final = "\N{EN DASH}"
# Stands for a contact's id in the address that is asked for once a page.
_ANY: Final = 999_999_999_999_999_999

_CHOICE: Final = (
    '<td class="is-tight"><label class="bulk-box"><input type="checkbox" name="contact" value="{key}" form="bulk"'
    ' data-bulk-one><span class="visually-hidden">{choose}</span></label></td>\n'
)
_ROW: Final = """<tr data-row>
{choice}<td><div class="cell-person">{avatar}<div>
<a class="row-link truncate" href="{url}" data-row-link>{name}</a>
<span class="muted">{job}</span>
<span class="only-narrow">{pill}</span>
{tags}</div></div></td>
{cells}
</tr>
"""


class ListColumn(Protocol):
    """A column of the list: which it is, and how its cells look."""

    @property
    def key(self) -> str:
        """A column of ``contacts.selectors.views``."""

    @property
    def is_number(self) -> bool:
        """Whether its cells are aligned as numbers."""

    @property
    def only_wide(self) -> bool:
        """Whether a narrow screen leaves it out."""


class ListRow(Protocol):
    """A contact of the list: its standing, with contact, company and owner loaded, and its tags."""

    @property
    def standing(self) -> Standing:
        """Where it stands."""

    @property
    def tags(self) -> Sequence[str]:
        """What it is tagged with."""


@register.simple_tag
def contact_rows(
    rows: Sequence[ListRow], columns: Sequence[ListColumn], labels: Mapping[str, str], may_act: bool
) -> SafeString:
    """``{% contact_rows rows columns labels may_act %}``: the body of the list.

    ``labels`` name the stages; ``may_act``: each row begins with a box to choose it by.
    """
    address = reverse("contact", args=[_ANY])
    choose = escape(gettext("Choose %(name)s")) if may_act else ""
    opened = [(f'<td class="{_class_of(column)}">', column.key) for column in columns]
    now = timezone.now()
    pills = {key: stage_label_pill(key, labels) for key in {row.standing.stage for row in rows}}
    parts = []
    for item in rows:
        row, contact = item.standing, item.standing.contact
        key, name = str(row.contact_id), contact.display_name
        shown = escape(name)
        tags = _tags(item.tags)
        choice = _CHOICE.format(key=key, choose=choose % {"name": shown}) if may_act else ""
        cells = [
            f"{begin}{pills[row.stage] if column == 'stage' else _cell(column, row, labels, tags, now)}</td>"
            for begin, column in opened
        ]
        parts.append(
            _ROW.format(
                choice=choice,
                avatar=avatar(name),
                url=address.replace(str(_ANY), key),
                name=shown,
                job=escape(", ".join(filter(None, (contact.job_title, str(contact.company or ""))))),
                pill=pills[row.stage],
                tags=tags,
                cells="".join(cells),
            )
        )
    return mark_safe("".join(parts))  # noqa: S308  escaped or safe, piece by piece


def _class_of(column: ListColumn) -> str:
    return f"{'is-number ' if column.is_number else ''}{'only-wide' if column.only_wide else ''}"


def _tags(names: Sequence[str]) -> SafeString:
    return mark_safe(get_template("contacts/tags.html").render({"tags": names}) if names else "")  # noqa: S308  escapes


def _cell(key: str, row: Standing, labels: Mapping[str, str], tags: SafeString, now: datetime) -> SafeString:
    """Return what the column ``key`` of the list shows of a contact, the stage aside."""
    if key == "furthest":
        return stage_label_pill(row.furthest_stage, labels)
    if key == "tags":
        return tags or _muted("")
    if key in _MOMENTS:
        return _quiet(reltime(_MOMENTS[key](row), now=now))
    return conditional_escape(_CELLS[key](row))


def _owner(row: Standing) -> SafeString:
    if row.owner is None:
        return _muted(gettext("Marketing"))
    name = _name_of(row.owner)
    return mark_safe(f'<span class="row nowrap">{avatar(name, "small")}{escape(name)}</span>')  # noqa: S308  escaped


def _name_of(person: User) -> str:
    return person.get_full_name() or person.email


def _motion(row: Standing) -> str:
    return str(row.contact.get_source_motion_display()) if row.contact.source_motion else ""


def _muted(text: str) -> SafeString:
    return mark_safe(f'<span class="muted">{escape(text or _NOTHING)}</span>')  # noqa: S308  escaped


def _short(text: str, more: str = "") -> SafeString:
    """Text of any length, cut off at the width of its column; ``more``: classes."""
    return mark_safe(f'<span class="truncate cell-short{more}">{escape(text or _NOTHING)}</span>')  # noqa: S308  escaped


def _unbroken(text: str) -> SafeString:
    return mark_safe(f'<span class="nowrap">{escape(text or _NOTHING)}</span>')  # noqa: S308  escaped


def _quiet(time: SafeString | str) -> SafeString:
    return mark_safe(f'<span class="nowrap muted">{conditional_escape(time)}</span>')  # noqa: S308  escaped


_CELLS: Final[dict[str, Callable[[Standing], SafeString | str]]] = {
    "engagement": lambda row: score_bar(row.engagement_mp),
    "fit": lambda row: score(row.fit_mp),
    "owner": _owner,
    "company": lambda row: _short(str(row.contact.company or "")),
    "job_title": lambda row: _short(row.contact.job_title or ""),
    "phone": lambda row: _unbroken(row.contact.phone),
    "country": lambda row: row.contact.country or _NOTHING,
    "source": lambda row: _muted(row.contact.source_channel),
    "motion": lambda row: _muted(_motion(row)),
    "campaign": lambda row: _short(row.contact.source_campaign, " muted"),
    "means": lambda row: answer_badge(row.contact.means),
    "authority": lambda row: answer_badge(row.contact.authority),
}
_MOMENTS: Final[dict[str, Callable[[Standing], datetime | None]]] = {
    "since": lambda row: row.stage_since,
    "created": lambda row: row.contact.created_at,
    "activity": lambda row: row.last_activity_at,
}
