"""Proving merges: nothing is left with whom is no more, nothing was lost or made (API.md, invariant 6). Reads only."""

# ruff: noqa: S608  put together of constants

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import connection

from contacts.models import Merge
from contacts.selectors.merges import members_of
from contacts.services.uniting import REPOINTED
from contacts.services.verification import EVERYBODY, Among, Violation

_EVENTS: Final = "contacts_event"

# Rows of whoever was merged away, or belongs to another origin; {rows} gives contact and origin.
_STRAYED: Final = """
SELECT contact.id, contact.merged_into_id, count(*)
FROM contacts_contact AS contact JOIN ({rows}) AS own ON own.contact_id = contact.id
WHERE contact.merged_into_id IS NOT NULL GROUP BY contact.id ORDER BY contact.id
"""
_FOREIGN: Final = """
SELECT contact_id, origin_contact_id, count(*) FROM ({rows}) AS own
WHERE origin_contact_id <> contact_id GROUP BY contact_id, origin_contact_id
"""
# From each contact to whom it is now; a circle would never arrive.
_WAYS: Final = """
WITH RECURSIVE way AS (
    SELECT id AS origin_id, id, merged_into_id, 0 AS steps FROM contacts_contact WHERE id = ANY(%s)
    UNION ALL
    SELECT way.origin_id, contact.id, contact.merged_into_id, way.steps + 1
    FROM way JOIN contacts_contact AS contact ON contact.id = way.merged_into_id
    WHERE way.steps < 1000
)
SELECT DISTINCT ON (origin_id) origin_id, id FROM way ORDER BY origin_id, steps DESC
"""
# A row of somebody that still names that somebody as its origin would go with whoever parts from them.
_OWN: Final = """
SELECT contact_id, count(*) FROM ({rows}) AS own
WHERE origin_contact_id = contact_id GROUP BY contact_id ORDER BY contact_id
"""
_MISCOUNTED: Final = """
SELECT id, winner_id, winner_events, loser_events, events_after FROM contacts_merge
WHERE winner_events + loser_events <> events_after AND {among} ORDER BY id
"""
# Events only ever come: each contact has as many as right after its last merge, or more, unless somebody parted since.
_LOST: Final = """
WITH latest AS (
    SELECT DISTINCT ON (winner_id) winner_id, id, events_after, undone_at IS NULL AS in_force, merged_at
    FROM contacts_merge WHERE {among} ORDER BY winner_id, id DESC
), counted AS (
    SELECT latest.*, (
        SELECT count(*) FROM contacts_event AS event
        WHERE event.contact_id = latest.winner_id AND retracted_at IS NULL AND suspect_reason = ''
    ) + (
        SELECT count(*) FROM contacts_event AS event
        WHERE event.contact_id = latest.winner_id AND NOT (retracted_at IS NULL AND suspect_reason = '')
    ) AS events
    FROM latest JOIN contacts_contact AS contact ON contact.id = latest.winner_id AND contact.present
    WHERE latest.in_force
)
SELECT winner_id, id, merged_at, events_after, events FROM counted WHERE events < events_after ORDER BY winner_id
"""
_UNDECIDED: Final = """
SELECT contact.id, contact.merged_into_id FROM contacts_contact AS contact
LEFT JOIN contacts_merge AS merge ON merge.loser_id = contact.id AND merge.undone_at IS NULL
WHERE merge.winner_id IS DISTINCT FROM contact.merged_into_id AND contact.erased_at IS NULL AND {among}
ORDER BY contact.id
"""


def verify_merges(among: Among = EVERYBODY, *, others: Sequence[str] = ()) -> Iterator[Violation]:
    """Invariant 6: no row of a person is with a contact that is no more, and each is where its origin's merges lead.

    No merge lost an event or made one, then or since. ``among``: these contacts and whoever became part of them.
    ``others``: tables of other apps with such rows.
    """
    if among.ids is not None:
        among = Among(ids=tuple(members_of(among.ids)))
    for table in (_EVENTS, *REPOINTED, *others):
        rows = _rows_of(table, among)
        for contact_id, into, number in _select(_STRAYED.format(rows=rows), among):
            yield Violation(6, f"was merged into {into} and still has {number} rows of {table}", contact_id)
        yield from _misplaced(table, _select(_FOREIGN.format(rows=rows), among))
        if table != _EVENTS:
            for contact_id, number in _select(_OWN.format(rows=rows), among):
                yield Violation(6, f"has {number} rows of {table} that name itself as their origin", contact_id)
    of_winners = among.where("winner_id")
    for merge_id, winner_id, before, others_before, after in _select(_MISCOUNTED.format(among=of_winners), among):
        yield Violation(6, f"merge {merge_id} made {after} events of {before} and {others_before}", winner_id)
    for winner_id, merge_id, merged_at, after, now in _select(_LOST.format(among=of_winners), among):
        if not Merge.objects.filter(winner__in=members_of([winner_id]), undone_at__gt=merged_at).exists():
            yield Violation(6, f"has {now} events, and had {after} right after merge {merge_id}", winner_id)
    for contact_id, into in _select(_UNDECIDED.format(among=among.where("contact.id")), among):
        yield Violation(6, f"is part of {into or 'nobody'}, which its merges do not say", contact_id)


def _rows_of(table: str, among: Among) -> str:
    if table == _EVENTS:
        return among.events("contact_id, origin_contact_id")
    return f"SELECT contact_id, origin_contact_id FROM {table} WHERE {among.where('contact_id')}"


def _misplaced(table: str, foreign: Sequence[tuple[int, int, int]]) -> Iterator[Violation]:
    """Rows that came from another contact, and are not with whom that one is now."""
    with connection.cursor() as cursor:
        cursor.execute(_WAYS, [list({origin_id for _, origin_id, _ in foreign})])
        now = dict(cursor.fetchall())
    for contact_id, origin_id, number in sorted(foreign):
        if now.get(origin_id) != contact_id:
            message = f"has {number} rows of {table} that belong to contact {origin_id}, which is no part of it"
            yield Violation(6, message, contact_id)


def _select(statement: str, among: Among) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, among.given)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
