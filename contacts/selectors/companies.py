"""Companies and the people who are with them: the list, and one company with its history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import F
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

from contacts.models import Company, CompanyChange, Event, Standing

PAGE_SIZE: Final = 50
# Of each company at most so many people are counted; a thousand take a millisecond.
COUNT_CAP: Final = 1_000
HISTORY_SHOWN: Final = 100
EVENTS_SHOWN: Final = 20
NAMES_LOOKED_AT: Final = 200
# The latest events are looked for among so many people, those who did something last.
_PEOPLE_LOOKED_AT: Final = 200

_STAGES: Final = """
SELECT asked.id, people.stage, count(*) FROM unnest(%s::bigint[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT standing.stage FROM contacts_contact AS contact
    JOIN contacts_standing AS standing ON standing.contact_id = contact.id
    WHERE contact.company_id = asked.id AND contact.present LIMIT %s
) AS people
GROUP BY asked.id, people.stage
"""
_LATEST_EVENTS: Final = """
SELECT latest.id FROM (
    SELECT standing.contact_id FROM contacts_standing AS standing
    JOIN contacts_contact AS contact ON contact.id = standing.contact_id AND contact.present
    WHERE contact.company_id = %s ORDER BY standing.last_activity_at DESC LIMIT %s
) AS person
CROSS JOIN LATERAL (
    SELECT event.id, event.occurred_at FROM contacts_event AS event
    WHERE event.contact_id = person.contact_id AND event.retracted_at IS NULL AND event.suspect_reason = ''
    ORDER BY event.occurred_at DESC LIMIT %s
) AS latest
ORDER BY latest.occurred_at DESC, latest.id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """A company of the list with its people by stage, the number of all, and whether counting stopped at the cap."""

    company: Company
    stages: Mapping[str, int]
    people: int
    more: bool


@dataclass(frozen=True, slots=True)
class CompanyPage:
    """One page of the list; ``next`` is the ``after`` of the following one, ``""`` on the last."""

    rows: tuple[CompanyRow, ...]
    next: str


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """One page of a company's people, the most engaged first, with company and owner loaded; ``next`` as above."""

    rows: tuple[Standing, ...]
    next: str


def browse_companies(*, text: str = "", after: str = "", limit: int = PAGE_SIZE) -> CompanyPage:
    """Return a page of companies by name (without one, by domain); ``text``: words of the name or domain. Two queries.

    An unreadable ``after`` gives the first page.
    """
    companies = _bearing(_words_of(text)).order_by("label", "id")
    mark, _, last = after.rpartition("\x1f")
    if last.isascii() and last.isdigit() and len(last) < 19:
        companies = companies.filter(TupleGreaterThan(Tuple(F("label"), F("id")), (mark.replace("\0", ""), int(last))))
    found = list(companies[: limit + 1])
    counts = stages_of([company.pk for company in found[:limit]])
    rows = tuple(_row(company, counts.get(company.pk, {})) for company in found[:limit])
    following = f"{rows[-1].company.label}\x1f{rows[-1].company.pk}" if len(found) > limit else ""
    return CompanyPage(rows=rows, next=following)


def stages_of(company_ids: Sequence[int], *, cap: int = COUNT_CAP) -> dict[int, dict[str, int]]:
    """Count the people of each company by stage, up to ``cap`` people of each; one query."""
    counts: dict[int, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_STAGES, [list(company_ids), cap + 1])
        for company_id, stage, number in cursor.fetchall():
            counts.setdefault(company_id, {})[stage] = number
    return counts


def company_row(company: Company) -> CompanyRow:
    """Return one company as the list shows it; one query."""
    return _row(company, stages_of([company.pk]).get(company.pk, {}))


def _row(company: Company, stages: Mapping[str, int]) -> CompanyRow:
    people = sum(stages.values())
    return CompanyRow(company, stages, min(people, COUNT_CAP), people > COUNT_CAP)


def people_of(company_id: int, *, stage: str = "", after: str = "", limit: int = PAGE_SIZE) -> PeoplePage:
    """Return a page of the people who are with a company now, the most engaged first; one query."""
    rows = Standing.objects.filter(contact__company=company_id, contact__present=True)
    rows = rows.select_related("contact__company", "owner").order_by("-engagement_mp", "-contact_id")
    if stage:
        rows = rows.filter(stage=stage)
    score, _, last = after.partition("_")
    if last.isascii() and last.isdigit() and len(last) < 19 and score.lstrip("-").isdigit() and len(score) < 19:
        rows = rows.filter(TupleLessThan(Tuple(F("engagement_mp"), F("contact_id")), (int(score), int(last))))
    found = list(rows[: limit + 1])
    shown = tuple(found[:limit])
    following = f"{shown[-1].engagement_mp}_{shown[-1].contact_id}" if len(found) > limit else ""
    return PeoplePage(rows=shown, next=following)


def history_of(company_id: int, *, limit: int = HISTORY_SHOWN) -> list[CompanyChange]:
    """Return what was said about a company, what holds since latest first; with the source loaded, one query."""
    changes = CompanyChange.objects.filter(company=company_id).select_related("source", "by")
    return list(changes.order_by("-effective_at", "-message", "name")[:limit])


def latest_events_of(company_id: int, *, limit: int = EVENTS_SHOWN) -> list[Event]:
    """Return the latest events of a company's people, with kind and contact loaded; two queries."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST_EVENTS, [company_id, _PEOPLE_LOOKED_AT, limit, limit])
        ids = [event_id for (event_id,) in cursor.fetchall()]
    events: dict[Any, Event] = Event.objects.select_related("kind__maps_to", "contact").in_bulk(ids)
    return [events[event_id] for event_id in ids if event_id in events]


def find_companies(text: str, *, limit: int) -> list[Company]:
    """Return up to ``limit`` companies for the words of ``text``, those whose name begins with it first; one query.

    Of many that have the words so many are looked at as NAMES_LOOKED_AT says, whichever they are.
    """
    words = _words_of(text)
    if not words:
        return []
    phrase = " ".join(words)
    found = list(_bearing(words)[:NAMES_LOOKED_AT])
    return sorted(found, key=lambda company: (not company.label.startswith(phrase), company.label, company.pk))[:limit]


def _words_of(text: str) -> list[str]:
    return text.replace("\0", "").casefold().split()


def _bearing(words: Sequence[str]) -> QuerySet[Company]:
    """The companies with all of the words in their name or domain, in no order."""
    companies = Company.objects.order_by()
    for word in words:
        companies = companies.filter(Q(label__contains=word) | Q(domain__contains=word))
    return companies
