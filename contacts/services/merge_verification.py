"""Proving merges: nothing is left with whom is no more, nothing was lost or made (API.md, invariant 6). Reads only."""

from collections.abc import Iterator, Sequence
from typing import Final

from django.db import connection

from contacts.services.uniting import REPOINTED
from contacts.services.verification import Violation

_EVENTS: Final = "contacts_event"
# Rows of persons that a merge gives to the winner; other apps add theirs.
_PERSONAL: Final = (_EVENTS, *REPOINTED)

_STRAYED: Final = """
SELECT contact.id, contact.merged_into_id, count(*)
FROM contacts_contact AS contact JOIN {0} AS own ON own.contact_id = contact.id
WHERE contact.merged_into_id IS NOT NULL GROUP BY contact.id ORDER BY contact.id
"""
# From each contact that was merged away to whom it is now; a circle would never arrive.
_MISPLACED: Final = """
WITH RECURSIVE way AS (
    SELECT id AS origin_id, merged_into_id AS id, 1 AS steps FROM contacts_contact WHERE merged_into_id IS NOT NULL
    UNION ALL
    SELECT way.origin_id, contact.merged_into_id, way.steps + 1
    FROM way JOIN contacts_contact AS contact ON contact.id = way.id
    WHERE contact.merged_into_id IS NOT NULL AND way.steps < 1000
), root AS (
    SELECT DISTINCT ON (origin_id) origin_id, id FROM way ORDER BY origin_id, steps DESC
)
SELECT own.contact_id, own.origin_contact_id, count(*)
FROM {0} AS own LEFT JOIN root ON root.origin_id = own.origin_contact_id
WHERE own.origin_contact_id <> own.contact_id AND root.id IS DISTINCT FROM own.contact_id
GROUP BY own.contact_id, own.origin_contact_id ORDER BY 1, 2
"""
# A row of somebody that still names that somebody as its origin would go with whoever parts from them.
_OWN: Final = "SELECT contact_id, count(*) FROM {0} WHERE origin_contact_id = contact_id GROUP BY contact_id ORDER BY 1"
_MISCOUNTED: Final = """
SELECT id, winner_id, winner_events, loser_events, events_after FROM contacts_merge
WHERE winner_events + loser_events <> events_after ORDER BY id
"""
_UNDECIDED: Final = """
SELECT contact.id, contact.merged_into_id FROM contacts_contact AS contact
LEFT JOIN contacts_merge AS merge ON merge.loser_id = contact.id AND merge.undone_at IS NULL
WHERE merge.winner_id IS DISTINCT FROM contact.merged_into_id AND contact.erased_at IS NULL
ORDER BY contact.id
"""


def verify_merges(*, others: Sequence[str] = ()) -> Iterator[Violation]:
    """Invariant 6: no row of a person is with a contact that is no more, and each is where its origin's merges lead.

    ``others``: tables of other apps with such rows.
    """
    with connection.cursor() as cursor:
        for table in (*_PERSONAL, *others):
            cursor.execute(_STRAYED.format(table))
            for contact_id, into, number in cursor.fetchall():
                yield Violation(6, f"was merged into {into} and still has {number} rows of {table}", contact_id)
            cursor.execute(_MISPLACED.format(table))
            for contact_id, origin_id, number in cursor.fetchall():
                message = f"has {number} rows of {table} that belong to contact {origin_id}, which is no part of it"
                yield Violation(6, message, contact_id)
            if table != _EVENTS:
                cursor.execute(_OWN.format(table))
                for contact_id, number in cursor.fetchall():
                    yield Violation(6, f"has {number} rows of {table} that name itself as their origin", contact_id)
        cursor.execute(_MISCOUNTED)
        for merge_id, winner_id, before, others_before, after in cursor.fetchall():
            message = f"merge {merge_id} made {after} events of {before} and {others_before}"
            yield Violation(6, message, winner_id)
        cursor.execute(_UNDECIDED)
        for contact_id, into in cursor.fetchall():
            yield Violation(6, f"is part of {into or 'nobody'}, which its merges do not say", contact_id)
