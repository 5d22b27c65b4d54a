"""Proving the facts: every message is stored once, and every queued contact is being looked after. Reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

# What is committed is seen to within this time, or something is wrong (API.md, invariants 2 and 5).
PATIENCE: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that does not hold: the number of the invariant (API.md), the contact it is about, and what is wrong.

    ``contact_id`` is None where the whole log is meant.
    """

    invariant: int
    message: str
    contact_id: int | None = None

    def __str__(self) -> str:
        subject = "" if self.contact_id is None else f"contact {self.contact_id}: "
        return f"invariant {self.invariant}: {subject}{self.message}"


# Each table that remembers messages, with the index that promises to hold each once.
_ONCE: Final = (("contacts_event", "event_message_once"), ("contacts_message", "message_once"))

_INDEX_HOLDS: Final = """
SELECT bool_and(index.indisvalid AND index.indisready AND index.indisunique AND index.indpred IS NULL)
FROM pg_index AS index
JOIN pg_class AS relation ON relation.oid = index.indexrelid
WHERE index.indrelid = %s::regclass AND relation.relname = %s
"""

# Also an event and a message that is none share one key space.
_REPEATED: Final = """
SELECT source_id, dedupe_id, count(*)
FROM (SELECT source_id, dedupe_id FROM contacts_event
      UNION ALL SELECT source_id, dedupe_id FROM contacts_message) AS remembered
GROUP BY source_id, dedupe_id HAVING count(*) > 1
"""


def verify_messages() -> Iterator[Violation]:
    """Invariant 1: as many events as distinct messages, kept so by a valid unique index."""
    for table, name in _ONCE:
        with connection.cursor() as cursor:
            cursor.execute(_INDEX_HOLDS, [table, name])
            (holds,) = cursor.fetchone()
        if not holds:
            yield Violation(1, f"the unique index {name} is missing or not valid")
    with connection.cursor() as cursor:
        cursor.execute(_REPEATED)
        repeated = cursor.fetchall()
    for source_id, dedupe_id, number in repeated:
        yield Violation(1, f"message {dedupe_id} of source {source_id} is stored {number} times")


_POISONED: Final = """
SELECT contact_id, max(attempts), max(error), min(quarantined_at)
FROM contacts_due WHERE quarantined_at IS NOT NULL GROUP BY contact_id ORDER BY contact_id
"""

# A drain holds the contacts that it is judging: those rows are attended however long they have waited.
_UNATTENDED: Final = """
SELECT contact.id, waiting.since, waiting.attempts, waiting.error
FROM (SELECT contact_id, min(queued_at) AS since, max(attempts) AS attempts, max(error) AS error
      FROM contacts_due WHERE quarantined_at IS NULL AND queued_at < %s GROUP BY contact_id) AS waiting
JOIN contacts_contact AS contact ON contact.id = waiting.contact_id
ORDER BY contact.id
FOR SHARE OF contact SKIP LOCKED
"""


def verify_queue(*, now: datetime) -> Iterator[Violation]:
    """Invariant 2: nobody waits for judgement unattended for more than PATIENCE, and no failure is silent."""
    with connection.cursor() as cursor:
        cursor.execute(_POISONED)
        poisoned = cursor.fetchall()
    for contact_id, attempts, error, since in poisoned:
        why = error or "no error was recorded"
        yield Violation(2, f"quarantined since {since:%Y-%m-%d %H:%M:%S} after {attempts} attempts: {why}", contact_id)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_UNATTENDED, [now - PATIENCE])
        unattended = cursor.fetchall()
    for contact_id, since, attempts, error in unattended:
        failed = f", after {attempts} failed attempts: {error}" if attempts else ""
        yield Violation(2, f"waits unattended since {since:%Y-%m-%d %H:%M:%S}{failed}", contact_id)


def count_overdue_reviews(*, now: datetime) -> int:
    """How many contacts' reviews are overdue by more than PATIENCE.

    Not a violation: a review is judged at its own moment however late it comes, so nothing that is stored is wrong.
    It does mean that no worker has been running.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM contacts_standing WHERE review_at < %s", [now - PATIENCE])
        (number,) = cursor.fetchone()
    return int(number)
