"""Merges as people look at them: who became part of whom, and which two contacts may be one person."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.models import Prefetch, Q, QuerySet

from contacts.enums import MergeDecision
from contacts.models import Contact, Identity, Merge, MergeSuggestion

PAGE_SIZE: Final = 50

# Whom each of these contacts is now, with more columns of that one; takes the ids twice. Nearly all are themselves, so
# the way is followed only from those that were merged away: else the planner expects ten times as many contacts as were
# asked for, and reads the whole table.
ROOTS: Final = """
SELECT c.id AS asked, c.id{more} FROM contacts_contact c WHERE c.id = ANY(%s) AND c.present
UNION ALL (
    WITH RECURSIVE way AS (
        SELECT id AS asked, merged_into_id FROM contacts_contact WHERE id = ANY(%s) AND merged_into_id IS NOT NULL
        UNION ALL
        SELECT way.asked, c.merged_into_id
        FROM way JOIN contacts_contact c ON c.id = way.merged_into_id AND c.merged_into_id IS NOT NULL
    )
    SELECT way.asked, c.id{more} FROM way JOIN contacts_contact c ON c.id = way.merged_into_id AND c.present
)
"""
_MEMBERS: Final = """
WITH RECURSIVE part AS (
    SELECT id FROM contacts_contact WHERE id = ANY(%s)
    UNION ALL
    SELECT c.id FROM part JOIN contacts_contact c ON c.merged_into_id = part.id
)
SELECT id FROM part ORDER BY id
"""


def roots_of(contact_ids: Iterable[int]) -> dict[int, int]:
    """Return whom each of these contacts is now: itself, or whom it became part of, however many merges on.

    Erased contacts, and ids that were never given, are missing from the answer. One query.
    """
    ids = list(contact_ids)
    with connection.cursor() as cursor:
        cursor.execute(ROOTS.format(more=""), [ids, ids])
        return dict(cursor.fetchall())


def members_of(contact_ids: Iterable[int]) -> list[int]:
    """Return these contacts and all that became part of them, directly or by others, ascending. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERS, [list(contact_ids)])
        return [contact_id for (contact_id,) in cursor.fetchall()]


def merges_in_full() -> "QuerySet[Merge]":
    """Merges with both contacts and who decided: one query."""
    return Merge.objects.select_related("winner", "loser", "by", "source", "undone_by")


def merges_of_contact(contact_id: int) -> list[Merge]:
    """Return the merges that made a contact what it is, and those of it that were undone, latest first.

    Also those of contacts that became part of it. Two queries.
    """
    members = members_of([contact_id])
    return list(merges_in_full().filter(Q(winner__in=members) | Q(loser__in=members)).order_by("-id"))


@dataclass(frozen=True, slots=True)
class SuggestedPair:
    """An open suggestion with the two contacts that it is about now.

    ``contact`` and ``other`` are whom the suggested ones have become meanwhile; they come with company, standing, owner
    and identities loaded.
    """

    suggestion: MergeSuggestion
    contact: Contact
    other: Contact


@dataclass(frozen=True, slots=True)
class SuggestionPage:
    """A page of suggestions; ``next`` is the ``after`` of the following page, ``""`` on the last one."""

    pairs: tuple[SuggestedPair, ...]
    next: str


def open_suggestions(*, after: str = "", limit: int = PAGE_SIZE) -> SuggestionPage:
    """Return suggestions that wait for a person: what messages said first, then the most alike.

    One whose contacts are one already, or of whom one was erased, is left out, so a page may be shorter than ``limit``.
    Of several about the same two contacts only the first on a page is shown. An unreadable ``after`` gives the first
    page. Four queries.
    """
    waiting = MergeSuggestion.objects.filter(decision=MergeDecision.OPEN).select_related("source")
    # Descending, PostgreSQL puts those without a score (a message's) first.
    rows = list(waiting.filter(_beyond(after)).order_by("-score", "id")[: limit + 1])
    return SuggestionPage(
        pairs=tuple(_pairs(rows[:limit])),
        next=place_of(rows[limit - 1]) if len(rows) > limit else "",
    )


def suggested_pair(suggestion_id: int) -> SuggestedPair | None:
    """Return one open suggestion, None where it is decided or about nobody any more. Four queries."""
    waiting = MergeSuggestion.objects.filter(decision=MergeDecision.OPEN).select_related("source")
    found = _pairs(list(waiting.filter(pk=suggestion_id)))
    return found[0] if found else None


def _pairs(rows: list[MergeSuggestion]) -> list[SuggestedPair]:
    roots = roots_of({contact_id for row in rows for contact_id in (row.contact_id, row.other_id)})
    contacts = _contacts(roots.values())
    pairs: list[SuggestedPair] = []
    shown: set[frozenset[int]] = set()
    for row in rows:
        one, other = roots.get(row.contact_id), roots.get(row.other_id)
        if one is None or other is None or one == other or frozenset((one, other)) in shown:
            continue
        shown.add(frozenset((one, other)))
        pairs.append(SuggestedPair(row, contacts[one], contacts[other]))
    return pairs


def _contacts(contact_ids: Iterable[int]) -> Mapping[int, Contact]:
    names = Prefetch("identities", Identity.objects.order_by("kind", "id"))
    people = Contact.objects.select_related("company", "standing__owner").prefetch_related(names)
    return people.in_bulk(set(contact_ids))


def place_of(row: MergeSuggestion) -> str:
    """Return the ``after`` of those that come after this suggestion in the list."""
    return f"{'' if row.score is None else row.score}_{row.pk}"


def _beyond(after: str) -> Q:
    score, _, key = after.partition("_")
    if not key.isdecimal() or not (score.isdecimal() or score == "") or len(score) > 5 or len(key) > 18:
        return Q()
    if not score:
        return Q(score__isnull=False) | Q(score=None, pk__gt=int(key))
    return Q(score__lt=int(score)) | Q(score=int(score), pk__gt=int(key))
