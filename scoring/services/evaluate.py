"""The drain: judge who is due, by new facts or by time."""

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction

from contacts.models import Due
from contacts.selectors.merges import roots_of
from contacts.services.meters import count_judged
from scoring.selectors.columns import whole_numbers
from scoring.services.folding import judge_contacts
from scoring.services.holding import judge_under_current_publications

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
# Several drains at once look at the same oldest rows; a wider window lets each find contacts of its own.
WINDOW = 8
# So many failures of the database (of two halves and of their halves), and nothing judged, say that it is not the
# contacts'.
FAILURES_OF_ALL = 6
# A database that is slow fails now this one, now that one: only after so long is it taken for the contact's failure.
DATABASE_PATIENCE = timedelta(minutes=10)
# Contacts that the log names of a batch.
NAMED_AT_MOST = 100

# The oldest rows, not the oldest row of each contact: that would read the whole queue for each batch, and a long one
# would never end. Who has waited longest comes first.
_CANDIDATES = """
SELECT contact_id FROM (
    (SELECT contact_id, queued_at AS since FROM contacts_due
     WHERE quarantined_at IS NULL ORDER BY id LIMIT %(limit)s)
    UNION ALL
    (SELECT contact_id, review_at FROM contacts_standing WHERE review_at <= %(now)s ORDER BY review_at LIMIT %(limit)s)
) AS waiting
GROUP BY contact_id ORDER BY min(since) LIMIT %(limit)s
"""

# Facts bear the time of the host that took them, whose clock may be ahead of ours. Of hosts that differ by more than
# this only the contacts concerned are judged ahead.
SKEW = timedelta(minutes=5)
# The latest fact of each contact, where it is later than a moment.
_AHEAD = """
SELECT one.id, ahead.at FROM unnest(%(ids)s::bigint[]) AS one(id), LATERAL (
    SELECT max(found.at) AS at FROM (
        (SELECT occurred_at AS at FROM contacts_event
         WHERE contact_id = one.id AND occurred_at > %(now)s AND retracted_at IS NULL AND suspect_reason = ''
         ORDER BY occurred_at DESC LIMIT 1)
        UNION ALL
        (SELECT effective_at FROM contacts_attributechange WHERE contact_id = one.id AND effective_at > %(now)s)
    ) AS found
) AS ahead
WHERE ahead.at IS NOT NULL
"""

# In their order: by their ids, new contacts would be judged last of all that wait. As nobody is waited for,
# no order makes a circle. NO KEY: a plain FOR UPDATE would block event inserts through their foreign key. Whoever was
# merged away is nobody to judge.
_LOCK = """
SELECT contact.id FROM unnest(%s::bigint[]) WITH ORDINALITY AS waiting (id, place)
JOIN contacts_contact AS contact ON contact.id = waiting.id AND contact.present
ORDER BY waiting.place FOR NO KEY UPDATE OF contact SKIP LOCKED LIMIT %s
"""
# Ids go as one text: a thousand parameters take longer than what is asked with them.
_GONE = "SELECT id FROM contacts_contact WHERE id = ANY(%s::bigint[]) AND merged_into_id IS NOT NULL"
_DUE = """
SELECT id, contact_id, occurred_at, queued_at FROM contacts_due
WHERE contact_id = ANY(%s::bigint[]) AND quarantined_at IS NULL
"""
_DONE = "DELETE FROM contacts_due WHERE id = ANY(%s::bigint[])"
# Nobody is left to judge: erased for good while somebody else appended, without holding the contact.
_FORGET_NOBODY = """
DELETE FROM contacts_due AS due
WHERE contact_id = ANY(%s::bigint[])
  AND NOT EXISTS (SELECT FROM contacts_contact AS contact WHERE contact.id = due.contact_id)
"""
# Rows that were written for a contact while it was merged away: whom it became has to be judged for them.
_GIVE_DUE = """
UPDATE contacts_due AS due SET contact_id = became.id
FROM unnest(%s::bigint[], %s::bigint[]) AS became (asked, id)
WHERE due.contact_id = became.asked AND became.asked <> became.id
  AND EXISTS (SELECT FROM contacts_contact AS contact WHERE contact.id = due.contact_id AND NOT contact.present)
"""


def drain_due(*, now: datetime, limit: int = 1000, clock: Callable[[], datetime] | None = None) -> int:
    """Judge up to ``limit`` contacts that have new facts or a review due at ``now``.

    Facts go on arriving while a drain chooses and locks, and a due row is done with once it was read: where time goes
    on, ``clock`` tells it anew then, so that nothing that a row stands for lies after the moment that is judged.

    Returns how many were judged; 0 means that nothing is due that another drain does not already hold. A
    contact whose judgement fails never stops its neighbours: in the end it is tried alone, and after MAX_ATTEMPTS
    its due rows are quarantined with the error, where ``verify`` and the log show them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES, {"limit": limit * WINDOW, "now": now})
        candidates = [contact_id for (contact_id,) in cursor.fetchall()]
    if not candidates:
        return 0
    candidates = _pass_on(candidates)
    locked: list[int] = []
    try:
        return _judge_locked(candidates, now, clock, limit=limit, locked=locked)
    except Exception:
        batch = locked or candidates[:limit]
        logger.exception("judging a batch failed, judging it in parts", extra={"contacts": len(batch)})
    return _judge_in_parts(batch, now, clock)


def _pass_on(candidates: list[int]) -> list[int]:
    """Give due rows of contacts that were merged away to whom they became; returns who is to be judged instead."""
    with connection.cursor() as cursor:
        cursor.execute(_GONE, [whole_numbers(candidates)])
        gone = [contact_id for (contact_id,) in cursor.fetchall()]
    if not gone:
        return candidates
    became = roots_of(gone)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_GIVE_DUE, [list(became), list(became.values())])
    away = set(gone)
    return list(dict.fromkeys(became.get(one, one) for one in candidates if one not in away or one in became))


def _judge_locked(
    candidates: list[int], now: datetime, clock: Callable[[], datetime] | None, *, limit: int, locked: list[int]
) -> int:
    """Judge up to ``limit`` of the candidates that nobody else holds; tells in ``locked`` whom, should it fail."""
    with transaction.atomic():
        now = judge_under_current_publications(now)
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [whole_numbers(candidates), limit])
            locked += [contact_id for (contact_id,) in cursor.fetchall()]
            if not locked:
                # Of a long queue whom others hold are nearly all of them; who is nobody waits longest, and comes first.
                cursor.execute(_FORGET_NOBODY, [whole_numbers(candidates[:limit])])
                return 0
        # Read after locking: rows that appear from here on stay for the next drain.
        with connection.cursor() as cursor:
            cursor.execute(_DUE, [whole_numbers(locked)])
            due: list[tuple[int, int, datetime, datetime]] = cursor.fetchall()
        ahead: dict[int, datetime] = {}
        if clock is not None:
            now = max(now, clock())
            ahead = _facts_ahead([contact_id for _, contact_id, _, _ in due], now)
            now = max([now, *(at for at in ahead.values() if at <= now + SKEW)])
        earliest: dict[int, datetime] = {}
        for _, contact_id, occurred_at, _ in due:
            earliest[contact_id] = min(occurred_at, earliest.get(contact_id, occurred_at))
        judge_contacts([one for one in locked if ahead.get(one, now) <= now], earliest=earliest, now=now)
        for contact_id, at in ahead.items():
            if at > now:
                judge_contacts([contact_id], earliest=earliest, now=at)
        with connection.cursor() as cursor:
            cursor.execute(_DONE, [whole_numbers(row[0] for row in due)])
        count_judged(len(locked), queued_at=[row[3].timestamp() for row in due])
        told = {"contacts": len(locked), "facts": len(due), "contact_ids": locked[:NAMED_AT_MOST]}
        transaction.on_commit(lambda: logger.info("contacts_judged", extra=told))
        return len(locked)


def _facts_ahead(contact_ids: list[int], now: datetime) -> dict[int, datetime]:
    """The latest fact of those of these contacts that have one later than ``now``; their due rows speak of it, too."""
    with connection.cursor() as cursor:
        cursor.execute(_AHEAD, {"ids": whole_numbers(set(contact_ids)), "now": now})
        return dict(cursor.fetchall())


def _judge_in_parts(contact_ids: list[int], now: datetime, clock: Callable[[], datetime] | None) -> int:
    """Judge whom of a failed batch one can: in halves, halves that fail in halves again; who fails alone is counted.

    A database that is away, full or too slow fails everybody: that is no contact's failure, and they wait.
    """
    judged, failures = 0, 0
    failed: dict[int, Exception] = {}
    parts = deque(_halves(contact_ids))
    while parts:
        part = parts.popleft()
        try:
            judged += _judge_locked(part, now, clock, limit=len(part), locked=[])
        except Exception as error:
            logger.exception("judging contacts failed", extra={"contacts": len(part), "contact_id": part[0]})
            failures += _is_of_the_database(error)
            if not judged and failures >= FAILURES_OF_ALL:
                break
            if len(part) == 1:
                failed[part[0]] = error
            else:
                parts += _halves(part)
    for contact_id, failure in failed.items():
        if judged or not _is_of_the_database(failure):
            patience = DATABASE_PATIENCE if _is_of_the_database(failure) else timedelta()
            _count_failure(contact_id, now, f"{type(failure).__name__}: {failure}", patience=patience)
    return judged


def _halves(ids: list[int]) -> list[list[int]]:
    middle = (len(ids) + 1) // 2
    return [half for half in (ids[:middle], ids[middle:]) if half]


def _is_of_the_database(error: Exception) -> bool:
    return isinstance(error, OperationalError | InterfaceError)


_COUNT_FAILURE = """
UPDATE contacts_due SET attempts = attempts + 1, error = %(error)s,
    quarantined_at = CASE WHEN attempts + 1 >= %(max)s AND queued_at <= clock_timestamp() - %(patience)s
        THEN %(now)s::timestamptz END
WHERE contact_id = %(contact)s AND quarantined_at IS NULL
"""


def _count_failure(contact_id: int, now: datetime, error: str, *, patience: timedelta) -> None:
    """Remember a failed attempt at the contact; a failed review without due rows gets one, to be in sight."""
    with transaction.atomic(), connection.cursor() as cursor:
        given: dict[str, Any] = {
            "error": error[:500],
            "max": MAX_ATTEMPTS,
            "now": now,
            "contact": contact_id,
            "patience": patience,
        }
        cursor.execute(_COUNT_FAILURE, given)
        if cursor.rowcount == 0:
            Due.objects.create(contact_id=contact_id, occurred_at=now, attempts=1, error=error[:500])
