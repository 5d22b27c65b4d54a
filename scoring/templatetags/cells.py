"""``{% load cells %}``: the rows of the lists of contacts, one function a column, and of companies.

A page shows fifty contacts in some hundreds of cells, so they are written here rather than in a template: nodes that
ask cell by cell which column they stand in, and look up the same word fifty times, took two thirds of the page's time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from html import escape
from typing import Final, Protocol
from urllib.parse import quote

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from config.web.formats import format_number
from config.web.icons import icon_svg
from config.web.templatetags.texts import reltime, score, sentence
from config.web.templatetags.ui import answer_badge, avatar, score_bar, stage_label_pill, stage_pill
from contacts.enums import Motion
from contacts.selectors.browse import ListedContact
from contacts.selectors.companies import CompanyRow

register = template.Library()

# SafeString says of what is escaped here that it is; mark_safe, which promises pass through, takes three times as long.
_NOTHING: Final = "\N{EN DASH}"
# Stands for a contact's id in the address that is asked for once a page.
_ANY: Final = 999_999_999_999_999_999

_CHOICE: Final = (
    '<td class="is-tight"><label class="bulk-box"><input type="checkbox" name="contact" value="{key}" form="bulk"'
    ' data-bulk-one><span class="visually-hidden">{choose}</span></label></td>\n'
)
_TAG: Final = '<a class="tag-chip" href="{url}?tag={quoted}">{name}</a>'
_ROW: Final = """<tr data-row>
{choice}<td><div class="cell-person">{avatar}<div>
<a class="row-link truncate" href="{url}" data-row-link>{name}</a>
<span class="muted">{job}</span>
<span class="only-narrow">{pill}</span>
{tags}</div></div></td>
{cells}
</tr>
"""

_COMPANY: Final = """
            <tr data-row>
              <td><div class="cell-person">{icon}<div><a class="row-link truncate" href="{url}" data-row-link>\
{name}</a><span class="muted">{domain}</span></div></div></td>
              <td class="is-number">{people}</td>
              <td class="only-wide"><span class="row row-tight">{stages}</span></td>
              <td class="only-wide muted">{industry}</td>
              <td class="is-number only-wide">{employees}</td>
              <td class="only-wide muted">{country}</td>
            </tr>
          """
_STAGE: Final = '<span class="row row-tight nowrap">{}<span class="num muted">{}</span></span>'


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
    """A contact of the list and its tags."""

    @property
    def contact(self) -> ListedContact:
        """What is known of it."""

    @property
    def tags(self) -> Sequence[str]:
        """What it is tagged with."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What is the same for all rows of a page: words and addresses, looked up once."""

    labels: Mapping[str, str]
    now: datetime
    nobody: SafeString
    list_url: str


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
    page = _Page(labels, timezone.now(), _muted(gettext("Marketing")), reverse("contacts"))
    pills = {key: stage_label_pill(key, labels) for key in {item.contact.stage for item in rows}}
    parts = []
    for item in rows:
        contact = item.contact
        key, name, pill = str(contact.pk), contact.name, pills[contact.stage]
        shown = escape(name)
        tags = _tags(item.tags, page)
        cells = [
            f"{begin}{pill if column == 'stage' else _cell(column, contact, tags, page)}</td>"
            for begin, column in opened
        ]
        parts.append(
            _ROW.format(
                choice=_CHOICE.format(key=key, choose=choose % {"name": shown}) if may_act else "",
                avatar=avatar(name),
                url=address.replace(str(_ANY), key),
                name=shown,
                job=escape(", ".join(filter(None, (contact.job_title, contact.company)))),
                pill=pill,
                tags=tags,
                cells="".join(cells),
            )
        )
    return SafeString("".join(parts))


def _class_of(column: ListColumn) -> str:
    return f"{'is-number ' if column.is_number else ''}{'only-wide' if column.only_wide else ''}"


def _tags(names: Sequence[str], page: _Page) -> SafeString:
    """Chips that lead to everybody who bears the tag."""
    chips = "".join(_TAG.format(url=page.list_url, quoted=quote(name), name=escape(name)) for name in names)
    return SafeString(f'\n<span class="tag-chips">{chips}</span>\n' if chips else "")


def _cell(key: str, contact: ListedContact, tags: SafeString, page: _Page) -> SafeString:
    """Return what the column ``key`` of the list shows of a contact, the stage aside."""
    if key == "furthest":
        return stage_label_pill(contact.furthest_stage, page.labels)
    if key == "tags":
        return tags or _muted("")
    if key == "owner":
        return _owner(contact.owner) if contact.owner_id is not None else page.nobody
    if key in _MOMENTS:
        return _moment(_MOMENTS[key](contact), page.now)
    return _CELLS[key](contact)


@lru_cache(maxsize=1024)
def _owner(name: str) -> SafeString:
    return SafeString(f'<span class="row nowrap">{avatar(name, "small")}{escape(name)}</span>')


def _motion(contact: ListedContact) -> str:
    return str(Motion(contact.source_motion).label) if contact.source_motion else ""


def _plain(text: str) -> SafeString:
    return SafeString(escape(text))


def _muted(text: str) -> SafeString:
    return SafeString(f'<span class="muted">{escape(text or _NOTHING)}</span>')


def _short(text: str, more: str = "") -> SafeString:
    """Text of any length, cut off at the width of its column; ``more``: classes."""
    return SafeString(f'<span class="truncate cell-short{more}">{escape(text or _NOTHING)}</span>')


def _unbroken(text: str) -> SafeString:
    return SafeString(f'<span class="nowrap">{escape(text or _NOTHING)}</span>')


def _moment(moment: datetime, now: datetime) -> SafeString:
    return SafeString(f'<span class="nowrap muted">{reltime(moment, now=now)}</span>')


_CELLS: Final[dict[str, Callable[[ListedContact], SafeString]]] = {
    "engagement": lambda contact: score_bar(contact.engagement_mp),
    "fit": lambda contact: _plain(score(contact.fit_mp)),
    "company": lambda contact: _short(contact.company),
    "job_title": lambda contact: _short(contact.job_title),
    "phone": lambda contact: _unbroken(contact.phone),
    "country": lambda contact: _plain(contact.country or _NOTHING),
    "source": lambda contact: _muted(contact.source_channel),
    "motion": lambda contact: _muted(_motion(contact)),
    "campaign": lambda contact: _short(contact.source_campaign, " muted"),
    "means": lambda contact: answer_badge(contact.means),
    "authority": lambda contact: answer_badge(contact.authority),
}
_MOMENTS: Final[dict[str, Callable[[ListedContact], datetime]]] = {
    "since": lambda contact: contact.stage_since,
    "created": lambda contact: contact.created_at,
    "activity": lambda contact: contact.last_activity_at,
}


@register.simple_tag
def company_rows(rows: Sequence[tuple[CompanyRow, Sequence[tuple[str, str, int]]]]) -> SafeString:
    """``{% company_rows rows %}``: the body of the list of companies, each with its stages (key, label, people)."""
    address, icon = reverse("company", args=[_ANY]), icon_svg("building-2")
    parts = []
    for row, counts in rows:
        company = row.company
        parts.append(
            _COMPANY.format(
                icon=icon,
                url=address.replace(str(_ANY), str(company.pk)),
                name=escape(str(company)),
                domain=escape(company.domain or ""),
                people=f"{format_number(row.people)}{'+' if row.more else ''}" if row.people else _muted("0"),
                stages="".join(_STAGE.format(stage_pill(key, label), format_number(one)) for key, label, one in counts),
                industry=escape(sentence(company.industry or _NOTHING)),
                employees=_muted("") if company.employees is None else format_number(company.employees),
                country=escape(company.country or _NOTHING),
            )
        )
    return SafeString("".join(parts))
