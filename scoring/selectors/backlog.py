"""What waits among the judgements, in numbers that an index bounds however much there is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from contacts.selectors.backlog import COUNTED, Waiting, WorkWaiting, work_waiting


@dataclass(frozen=True, slots=True)
class JudgementBacklog:
    """``outbox``: changes of stage whose consequences nobody has drawn yet. ``runs``: long work on definitions."""

    outbox: Waiting
    runs: WorkWaiting


_OUTBOX: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM scoring_transition WHERE consumed_at IS NULL LIMIT %(cap)s) AS few),
       (SELECT recorded_at FROM scoring_transition WHERE consumed_at IS NULL ORDER BY id LIMIT 1)
"""


def judgement_backlog(*, now: datetime) -> JudgementBacklog:
    """Look what waits among the judgements; two queries."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTBOX, {"cap": COUNTED + 1})
        number, since = cursor.fetchone()
    return JudgementBacklog(Waiting(number, since, more=number > COUNTED), work_waiting("scoring_run", now=now))
