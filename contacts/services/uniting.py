"""What merging and parting have in common: which rows go along, whom they wait for, and who is judged anew."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext

from contacts.services.rows import Raced

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A merge that meets somebody at work gives way: it waits so long, then lets go of all it holds and begins again. So
# nobody ever waits for it in a circle, and no ingest, claim or judgement is its victim.
_WAIT: Final = "300ms"
ATTEMPTS: Final = 60
_GAVE_WAY: Final = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected

# Rows of a person that remember their origin where that is another contact, besides events, which always name it.
REPOINTED: Final = (
    "contacts_identity",
    "contacts_attributechange",
    "contacts_consententry",
    "contacts_formsubmission",
    "contacts_mail",
    "contacts_contacttag",
)
# Each of the partial indexes of events holds one of the two sorts.
_SORTS_OF_EVENTS: Final = (
    "retracted_at IS NULL AND suspect_reason = ''",
    "NOT (retracted_at IS NULL AND suspect_reason = '')",
)
_MERGE_EVENTS: Final = "UPDATE contacts_event SET contact_id = %(winner)s WHERE contact_id = %(loser)s AND {0}"
_PART_EVENTS: Final = """
UPDATE contacts_event SET contact_id = %(loser)s
WHERE contact_id = %(winner)s AND origin_contact_id = ANY(%(members)s) AND {0}
"""
_MERGE_ROWS: Final = """
UPDATE {0} SET contact_id = %(winner)s, origin_contact_id = coalesce(origin_contact_id, contact_id)
WHERE contact_id = %(loser)s
"""
_PART_ROWS: Final = """
UPDATE {0} SET contact_id = %(loser)s, origin_contact_id = nullif(origin_contact_id, %(loser)s)
WHERE contact_id = %(winner)s AND origin_contact_id = ANY(%(members)s)
"""
_COUNT_EVENTS: Final = " + ".join(
    f"(SELECT count(*) FROM contacts_event WHERE contact_id = %(contact)s AND {sort})"  # noqa: S608  constants only
    for sort in _SORTS_OF_EVENTS
)
# Since before their first fact, and since before they were last judged at all: their timelines start over.
_QUEUE: Final = """
INSERT INTO contacts_due (contact_id, occurred_at, queued_at)
SELECT c.id, least(
        c.created_at, c.source_at,
        (SELECT min(e.occurred_at) FROM contacts_event e
         WHERE e.contact_id = c.id AND e.retracted_at IS NULL AND e.suspect_reason = ''),
        (SELECT min(o.effective_at) FROM contacts_attributechange o WHERE o.contact_id = c.id),
        (SELECT s.evaluated_at FROM contacts_standing s WHERE s.contact_id = c.id)),
    clock_timestamp()
FROM contacts_contact c WHERE c.id = ANY(%s)
"""


class CannotMerge(ValueError):
    """It cannot be merged, or parted; the message says why, for people, ``code`` for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def give_way(work: Callable[[CursorWrapper], T], *, attempts: int = ATTEMPTS) -> T:
    """Do ``work`` in a transaction that begins again whenever it would wait long for somebody else's locks.

    Raises:
        CannotMerge: ``busy``: it gave way ``attempts`` times.
    """
    for _ in range(attempts):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{_WAIT}'")
                done = work(cursor)
                cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
                return done
        except Raced:
            continue
        except OperationalError as error:
            if getattr(error.__cause__, "pgcode", "") not in _GAVE_WAY:
                raise
            logger.info("merge_gave_way")
    raise CannotMerge("busy", gettext("Too much is going on with these contacts just now; try again."))


def merge_rows(cursor: CursorWrapper, *, winner_id: int, loser_id: int) -> None:
    """Give all rows of the loser to the winner; each remembers whose it was."""
    chosen = {"winner": winner_id, "loser": loser_id}
    for sort in _SORTS_OF_EVENTS:
        cursor.execute(_MERGE_EVENTS.format(sort), chosen)
    for table in REPOINTED:
        cursor.execute(_MERGE_ROWS.format(table), chosen)


def part_rows(cursor: CursorWrapper, *, winner_id: int, loser_id: int, members: Sequence[int]) -> None:
    """Give the loser all rows that belong to one of ``members``, whenever they came."""
    chosen: dict[str, Any] = {"winner": winner_id, "loser": loser_id, "members": list(members)}
    for sort in _SORTS_OF_EVENTS:
        cursor.execute(_PART_EVENTS.format(sort), chosen)
    for table in REPOINTED:
        cursor.execute(_PART_ROWS.format(table), chosen)


def count_events(cursor: CursorWrapper, contact_id: int) -> int:
    """How many events a contact has, marked ones included."""
    cursor.execute(f"SELECT {_COUNT_EVENTS}", {"contact": contact_id})
    return int(cursor.fetchone()[0])


def judge_anew(cursor: CursorWrapper, contact_ids: Sequence[int]) -> None:
    """Queue contacts so that their whole timelines are computed from the facts that are theirs now."""
    cursor.execute(_QUEUE, [list(contact_ids)])
