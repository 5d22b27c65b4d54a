"""What somebody may mean by what they type: contacts, companies, places, definitions, acts, pages of the documentation.

Everything a person is shown here they may open: contacts and companies are everybody's, the rest is asked one by one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop

from config.web.docs import find_docs
from config.web.templatetags.navigation import places_of
from contacts.permissions import (
    can_edit_definitions,
    can_import,
    can_manage_hooks,
    can_manage_sources,
    can_manage_team,
    can_merge,
)
from contacts.selectors.companies import find_companies
from contacts.selectors.search import find_best
from funnel.permissions import can_edit_sequences, can_plan_sales
from scoring.models import Definition

# Of contacts a page shows more than the palette; of everything else nobody looks beyond a few.
CONTACTS_IN_PALETTE: Final = 8
CONTACTS_ON_PAGE: Final = 50
_OTHERS: Final = 5


@dataclass(frozen=True, slots=True)
class Option:
    """One thing found.

    ``stage`` is a key and has no icon beside it; ``similar`` marks what is spelt otherwise than was typed. ``kept``: a
    browser may remember that it was chosen, for it says nothing about anybody.
    """

    label: str
    url: str
    detail: str = ""
    icon: str = ""
    stage: str = ""
    similar: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Things of a kind; ``url`` leads to all of them, "" where these are all."""

    key: str
    title: str
    options: tuple[Option, ...]
    url: str = ""


@dataclass(frozen=True, slots=True)
class _Act:
    label: str
    route: str
    icon: str
    can: Callable[[Any], bool]
    words: str = ""


_ACTS: Final = (
    _Act(gettext_noop("Import a file"), "import-new", "upload", can_import, gettext_noop("New import CSV upload")),
    _Act(
        gettext_noop("Create a source"), "sources", "plug", can_manage_sources, gettext_noop("New integration API key")
    ),
    _Act(
        gettext_noop("Invite a teammate"), "team", "user-round-plus", can_manage_team, gettext_noop("New person user")
    ),
    _Act(
        gettext_noop("Write a sequence"), "sequence-new", "list-ordered", can_edit_sequences, gettext_noop("New mails")
    ),
    _Act(gettext_noop("Add a routing rule"), "routing-rule-new", "signpost", can_plan_sales, gettext_noop("New")),
    _Act(gettext_noop("Import a definition"), "definition-import", "file-up", can_edit_definitions, "YAML"),
    _Act(gettext_noop("Add a webhook"), "hooks", "webhook", can_manage_hooks, gettext_noop("New endpoint")),
    _Act(gettext_noop("Merge duplicates"), "duplicates", "copy", can_merge),
)


def search_everything(text: str, *, user: User, labels: Mapping[str, str], contacts: int) -> tuple[list[Group], bool]:
    """Return what is found for ``text``, and whether more contacts match than the ``contacts`` that are shown.

    ``labels`` are the stages in use, weakest first. Without a text: places and acts. A fixed number of queries for
    each way of finding contacts.
    """
    words = text.casefold().split()
    people, more = _people(text, list(labels), contacts) if words else ((), False)
    groups = [
        Group("contacts", gettext("Contacts"), people, f"{reverse('contacts')}?q="),
        Group("companies", gettext("Companies"), _companies(text) if words else (), f"{reverse('companies')}?q="),
        Group("places", gettext("Go to"), _places(words, user)),
        Group("definitions", gettext("Definitions"), _definitions(words)),
        Group("acts", gettext("Do"), _acts(words, user)),
        Group("docs", gettext("Documentation"), _docs(text)),
    ]
    return [group for group in groups if group.options], more


def _people(text: str, stages: Sequence[str], limit: int) -> tuple[tuple[Option, ...], bool]:
    hits = find_best(text, limit=limit, stages=stages)
    options = tuple(
        Option(
            label=hit.contact.display_name,
            url=reverse("contact", args=[hit.contact.pk]),
            detail=" · ".join(filter(None, (str(hit.contact.company or ""), _address(hit.contact)))),
            stage=hit.standing.stage if hit.standing is not None else "",
            icon="user-round",
            similar=hit.similar,
        )
        for hit in hits.rows
    )
    return options, hits.more


def _address(contact: Any) -> str:
    return contact.email if contact.display_name != contact.email else ""


def _companies(text: str) -> tuple[Option, ...]:
    return tuple(
        Option(str(company), reverse("company", args=[company.pk]), company.domain or "", "building-2")
        for company in find_companies(text, limit=_OTHERS)
    )


def _places(words: Sequence[str], user: User) -> tuple[Option, ...]:
    return tuple(
        Option(place.label, place.url, icon=place.icon, kept=True)
        for place in places_of(user)
        if _says(place.label, words)
    )


def _definitions(words: Sequence[str]) -> tuple[Option, ...]:
    if not words:
        return ()
    rows = Definition.objects.order_by("name", "-version").only("id", "key", "name", "version")
    found = [row for row in rows if _says(f"{row.name} {row.key} v{row.version}", words)]
    return tuple(
        Option(f"{row.name} v{row.version}", reverse("definition", args=[row.pk]), icon="book-open-check")
        for row in found[:_OTHERS]
    )


def _acts(words: Sequence[str], user: User) -> tuple[Option, ...]:
    return tuple(
        Option(gettext(act.label), reverse(act.route), icon=act.icon, kept=True)
        for act in _ACTS
        if act.can(user) and _says(f"{gettext(act.label)} {gettext(act.words) if act.words else ''}", words)
    )


def _docs(text: str) -> tuple[Option, ...]:
    return tuple(
        Option(one.heading or one.title, one.url, one.title if one.heading else "", "book-open")
        for one in find_docs(text, limit=_OTHERS)
    )


def _says(text: str, words: Iterable[str]) -> bool:
    """Whether every typed word begins a word of the text."""
    there = text.casefold().split()
    return all(any(one.startswith(word) for one in there) for word in words)
