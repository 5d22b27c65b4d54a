"""What waits among the facts, in numbers that an index bounds however much there is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

# More than this is not counted but estimated from the table's statistics: whoever looks wants to know that it is much.
COUNTED: Final = 20_000
# The last so many rows of a table that no index orders by state are looked through for what failed.
LOOKED_THROUGH: Final = 2_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many rows wait, and since when the first of them; None where none does. ``more``: the number is estimated."""

    number: int
    since: datetime | None
    more: bool = False

    def age(self, now: datetime) -> float:
        """Seconds that the first one has waited; 0 where nothing waits."""
        return 0.0 if self.since is None else max((now - self.since).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class WorkWaiting:
    """Long work: what waits to begin, what runs, and what failed within a day of the latest LOOKED_THROUGH orders."""

    queued: Waiting
    running: int
    failed: int


@dataclass(frozen=True, slots=True)
class MailWaiting:
    """Mail that is due, and what could not be sent at all within a day of the latest LOOKED_THROUGH."""

    waiting: Waiting
    failed: int


@dataclass(frozen=True, slots=True)
class FactsBacklog:
    """What the facts wait for.

    ``due``: rows that wait for judgement. ``quarantined``: rows whose judgement failed for good, among the oldest
    LOOKED_THROUGH. ``reviews``: contacts whose next look is overdue.
    """

    due: Waiting
    quarantined: int
    reviews: Waiting
    mail: MailWaiting
    jobs: WorkWaiting


_DUE: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM contacts_due WHERE quarantined_at IS NULL LIMIT %(cap)s) AS few),
       (SELECT queued_at FROM contacts_due WHERE quarantined_at IS NULL ORDER BY id LIMIT 1),
       (SELECT count(*) FROM (SELECT quarantined_at FROM contacts_due ORDER BY id LIMIT %(look)s) AS oldest
        WHERE quarantined_at IS NOT NULL),
       (SELECT n_live_tup FROM pg_stat_user_tables WHERE relid = 'contacts_due'::regclass)
"""
_REVIEWS: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM contacts_standing WHERE review_at <= %(now)s LIMIT %(cap)s) AS few),
       (SELECT review_at FROM contacts_standing WHERE review_at <= %(now)s ORDER BY review_at LIMIT 1)
"""
# The same for mail to contacts and for mail to ourselves: two tables of one shape.
_MAIL: Final = """
SELECT (SELECT count(*) FROM (
            SELECT FROM {table} WHERE state = 'waiting' AND due_at <= %(now)s LIMIT %(cap)s) AS few),
       (SELECT due_at FROM {table} WHERE state = 'waiting' AND due_at <= %(now)s ORDER BY due_at LIMIT 1),
       (SELECT count(*) FROM (SELECT state, created_at FROM {table} ORDER BY id DESC LIMIT %(look)s) AS latest
        WHERE state = 'failed' AND created_at > %(now)s - interval '1 day')
"""
# And for jobs and runs.
_WORK: Final = """
SELECT count(*) FILTER (WHERE state = 'queued'), min(requested_at) FILTER (WHERE state = 'queued'),
       count(*) FILTER (WHERE state = 'running'),
       (SELECT count(*) FROM (SELECT state, finished_at FROM {table} ORDER BY id DESC LIMIT %(look)s) AS latest
        WHERE state = 'failed' AND finished_at > %(now)s - interval '1 day')
FROM (SELECT state, requested_at FROM {table} WHERE finished_at IS NULL ORDER BY id LIMIT %(cap)s) AS unfinished
"""


def facts_backlog(*, now: datetime) -> FactsBacklog:
    """Look what waits among the facts; four queries."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"cap": COUNTED + 1, "look": LOOKED_THROUGH})
        number, since, quarantined, estimate = cursor.fetchone()
        due = Waiting(max(number, estimate or 0), since, more=True) if number > COUNTED else Waiting(number, since)
        cursor.execute(_REVIEWS, {"now": now, "cap": COUNTED + 1})
        late, first = cursor.fetchone()
    return FactsBacklog(
        due=due,
        quarantined=quarantined,
        reviews=Waiting(late, first, more=late > COUNTED),
        mail=mail_waiting("contacts_mail", now=now),
        jobs=work_waiting("contacts_job", now=now),
    )


def mail_waiting(table: str, *, now: datetime) -> MailWaiting:
    """Look what waits in a table of mail; one query."""
    number, since, failed = _ask(_MAIL, table, now)
    return MailWaiting(Waiting(number, since, more=number > COUNTED), failed)


def work_waiting(table: str, *, now: datetime) -> WorkWaiting:
    """Look what waits in a table of long work; one query."""
    queued, since, running, failed = _ask(_WORK, table, now)
    return WorkWaiting(Waiting(queued, since), running, failed)


def _ask(query: str, table: str, now: datetime) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(query.format(table=table), {"now": now, "cap": COUNTED + 1, "look": LOOKED_THROUGH})
        row: tuple[Any, ...] = cursor.fetchone()
    return row
