"""Proving the facts: every message is stored once, and every queued contact is being looked after. Reads only."""

# ruff: noqa: S608  put together of constants

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class Among:
    """Which contacts are looked at: those given, else those with ids from ``first`` to ``last``, else everybody."""

    ids: tuple[int, ...] | None = None
    first: int | None = None
    last: int | None = None

    @property
    def is_everybody(self) -> bool:
        """Whether nobody is left out."""
        return self.ids is None and self.first is None

    def where(self, column: str) -> str:
        """Return the SQL condition on a column that holds contacts; its parameters are ``given``."""
        if self.ids is not None:
            return f"{column} = ANY(%(among)s)"
        return "true" if self.first is None else f"{column} BETWEEN %(among_first)s AND %(among_last)s"

    def events(self, columns: str) -> str:
        """Return a query of these contacts' events, as ``event``: each of the two indexes by contact holds a part."""
        if self.is_everybody:
            return f"SELECT {columns} FROM contacts_event AS event"
        part = f"SELECT {columns} FROM contacts_event AS event WHERE {self.where('event.contact_id')} AND "
        return f"{part}{_UNMARKED} UNION ALL {part}NOT ({_UNMARKED})"

    @property
    def given(self) -> dict[str, Any]:
        """Parameters of ``where`` and ``events``."""
        ids = None if self.ids is None else list(self.ids)
        return {"among": ids, "among_first": self.first, "among_last": self.last}


EVERYBODY: Final = Among()
_UNMARKED: Final = "(retracted_at IS NULL AND suspect_reason = '')"

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


# What the events of some contacts share with others; by the index, so not without it.
_REPEATED_OF: Final = """
SELECT own.source_id, own.dedupe_id, found.times
FROM (SELECT DISTINCT source_id, dedupe_id FROM ({events}) AS event) AS own, LATERAL (
    SELECT (SELECT count(*) FROM contacts_event AS event
            WHERE event.dedupe_id = own.dedupe_id AND event.source_id = own.source_id)
         + (SELECT count(*) FROM contacts_message AS message
            WHERE message.dedupe_id = own.dedupe_id AND message.source_id = own.source_id) AS times
) AS found
WHERE found.times > 1
"""


def verify_messages(among: Among = EVERYBODY) -> Iterator[Violation]:
    """Invariant 1: as many events as distinct messages, kept so by a valid unique index."""
    is_indexed = True
    for table, name in _ONCE:
        with connection.cursor() as cursor:
            cursor.execute(_INDEX_HOLDS, [table, name])
            (holds,) = cursor.fetchone()
        if not holds:
            is_indexed = False
            yield Violation(1, f"the unique index {name} is missing or not valid")
    if not is_indexed and not among.is_everybody:
        return
    with connection.cursor() as cursor:
        if among.is_everybody:
            cursor.execute(_REPEATED)
        else:
            cursor.execute(_REPEATED_OF.format(events=among.events("source_id, dedupe_id")), among.given)
        repeated = cursor.fetchall()
    for source_id, dedupe_id, number in repeated:
        yield Violation(1, f"message {dedupe_id} of source {source_id} is stored {number} times")


_POISONED: Final = """
SELECT contact_id, max(attempts), max(error), min(quarantined_at)
FROM contacts_due WHERE quarantined_at IS NOT NULL GROUP BY contact_id ORDER BY contact_id LIMIT %s
"""

# A drain holds the contacts that it is judging: those rows are attended however long they have waited.
_UNATTENDED: Final = """
SELECT contact.id, waiting.since, waiting.attempts, waiting.error
FROM (SELECT contact_id, min(queued_at) AS since, max(attempts) AS attempts, max(error) AS error
      FROM contacts_due WHERE quarantined_at IS NULL AND queued_at < %s GROUP BY contact_id
      ORDER BY min(id) LIMIT %s) AS waiting
JOIN contacts_contact AS contact ON contact.id = waiting.contact_id
ORDER BY contact.id
FOR SHARE OF contact SKIP LOCKED
"""


def verify_queue(*, now: datetime, patience: timedelta = PATIENCE, most: int | None = None) -> Iterator[Violation]:
    """Invariant 2: nobody waits for judgement unattended for more than ``patience``, and no failure is silent.

    ``most``: name so many of those who wait longest, and no more.
    """
    with connection.cursor() as cursor:
        cursor.execute(_POISONED, [most])
        poisoned = cursor.fetchall()
    for contact_id, attempts, error, since in poisoned:
        why = error or "no error was recorded"
        yield Violation(2, f"quarantined since {since:%Y-%m-%d %H:%M:%S} after {attempts} attempts: {why}", contact_id)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_UNATTENDED, [now - patience, most])
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
