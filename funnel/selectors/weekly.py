"""How many contacts stand at each stage, now and week by week, and who came and went: from the rollups."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db import connection

from contacts.selectors.browse import count_stages
from funnel.analytics import PLACES
from funnel.selectors.figures import counted_stages

# Up to here contacts are counted one by one, from the index alone; beyond, what the rollups say is as exact.
COUNTED: Final = 5_000

# Pair by pair, for so the key leads straight to the days.
_MOVES: Final = """
SELECT pair.origin, pair.target, cell.day, cell.moves
FROM unnest(%s::smallint[], %s::smallint[]) AS pair (origin, target)
JOIN funnel_tally AS cell ON cell.facet = 0 AND cell.grain = 'd' AND cell.origin = pair.origin
    AND cell.target = pair.target AND cell.value = '' AND cell.day >= %s AND cell.moves > 0
"""
# Erased people stay where they stood in the figures, and are nobody to be shown. Their ids begin at 2 ** 40.
_ERASED: Final = """
SELECT last.target, count(*) FROM contacts_contact AS husk
CROSS JOIN LATERAL (
    SELECT target FROM funnel_passage WHERE contact_id = husk.id ORDER BY at DESC LIMIT 1
) AS last
WHERE husk.id >= 1099511627776 GROUP BY last.target
"""
_ALL: Final = """
SELECT origin, target, sum(moves) FROM funnel_tally
WHERE facet = 0 AND grain = 'm' AND value = '' GROUP BY origin, target
"""


@dataclass(frozen=True, slots=True)
class StageWeeks:
    """A stage: who stands there now, and of each week (the present one last) who entered and stood there at its end.

    ``entered`` and ``left`` count the moves of the last seven days, today's too.
    """

    key: str
    count: int
    entries: tuple[int, ...]
    standing: tuple[int, ...]
    entered: int
    left: int


@dataclass(frozen=True, slots=True)
class Weeks:
    """The first and the last day of each week, Monday to Sunday in UTC, and every stage in use, weakest first."""

    days: tuple[tuple[date, date], ...]
    stages: tuple[StageWeeks, ...]


def stages_by_week(*, now: datetime, weeks: int, stages: Sequence[str]) -> Weeks:
    """Count the contacts of the ``stages`` in use now and over the last ``weeks``; a fixed number of queries."""
    today = now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday())
    starts = [monday - timedelta(weeks=weeks - 1 - index) for index in range(weeks)]
    order = counted_stages()
    entered: dict[str, dict[date, int]] = {key: defaultdict(int) for key in stages}
    left: dict[str, dict[date, int]] = {key: defaultdict(int) for key in stages}
    for origin, target, day, moves in _moves_since(starts[0]):
        if 0 <= origin < len(order) and order[origin] in left:
            left[order[origin]][day] += moves
        if target < len(order) and order[target] in entered:
            entered[order[target]][day] += moves
    counts = _counts(stages, order)
    since = today - timedelta(days=6)
    rows = []
    for key in stages:
        came, went = _by_week(entered[key], starts), _by_week(left[key], starts)
        # What stands there now less what came since, week by week back.
        standing = [counts[key]]
        for index in range(weeks - 1, 0, -1):
            standing.append(standing[-1] - came[index] + went[index])
        rows.append(
            StageWeeks(
                key,
                counts[key],
                tuple(came),
                tuple(max(0, number) for number in reversed(standing)),
                entered=sum(moves for day, moves in entered[key].items() if day >= since),
                left=sum(moves for day, moves in left[key].items() if day >= since),
            )
        )
    return Weeks(tuple((start, start + timedelta(days=6)) for start in starts), tuple(rows))


def _counts(stages: Sequence[str], order: Sequence[str]) -> dict[str, int]:
    """How many contacts stand at each stage: those that are many by the rollups."""
    counted = {item.key: item for item in count_stages(stages=stages, cap=COUNTED)}
    many = [key for key, item in counted.items() if item.more]
    if not set(many) <= set(order):
        # The stages were published a moment ago and are being counted anew.
        many = []
    standing: dict[str, int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(_ALL)
        for origin, target, moves in cursor.fetchall():
            if origin >= 0:
                standing[order[origin]] -= moves
            standing[order[target]] += moves
        cursor.execute(_ERASED)
        for target, erased in cursor.fetchall():
            standing[order[target]] -= erased
    return {key: standing[key] if key in many else item.count for key, item in counted.items()}


def _moves_since(day: date) -> list[tuple[int, int, date, int]]:
    pairs = [(origin, target) for origin in range(-1, PLACES) for target in range(PLACES)]
    with connection.cursor() as cursor:
        cursor.execute(_MOVES, [[origin for origin, _ in pairs], [target for _, target in pairs], day])
        rows: list[tuple[int, int, date, int]] = cursor.fetchall()
        return rows


def _by_week(days: Mapping[date, int], starts: Sequence[date]) -> list[int]:
    sums = [0] * len(starts)
    for day, moves in days.items():
        place = (day - starts[0]).days // 7
        if place < len(sums):
            sums[place] += moves
    return sums
