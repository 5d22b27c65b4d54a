"""What figures are put together from, whether it was read from rollups or counted from the moves."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from funnel.analytics import AGES, BUCKETS, EXACT_BELOW, bucket_quantiles
from funnel.models import Counting
from scoring.selectors import published_definition

# Two places in the counted order, 0 the weakest stage; -1 stands before any.
Pair = tuple[int, int]


@dataclass(slots=True)
class Sums:
    """The sums of a period and segment, by pair of places (see ``funnel.models.Tally``).

    ``before``: moves earlier than the period. ``reached``: by place. ``quantiles``: those of QUANTILES, in seconds.
    """

    moves: Counter[Pair] = field(default_factory=Counter)
    before: Counter[Pair] = field(default_factory=Counter)
    reached: Counter[int] = field(default_factory=Counter)
    loose: Counter[Pair] = field(default_factory=Counter)
    strict: Counter[Pair] = field(default_factory=Counter)
    skipped: Counter[Pair] = field(default_factory=Counter)
    waited: Counter[Pair] = field(default_factory=Counter)
    quantiles: dict[Pair, Sequence[float]] = field(default_factory=dict)

    @property
    def few(self) -> list[Pair]:
        """Pairs whose quantiles are to be exact."""
        return [pair for pair, waited in self.waited.items() if 0 < waited < EXACT_BELOW]

    @property
    def many(self) -> list[Pair]:
        """Pairs with so many waits that their quantiles come from buckets."""
        return [pair for pair, waited in self.waited.items() if waited >= EXACT_BELOW]

    def take_buckets(self, rows: Iterable[tuple[int, int, int, int]]) -> None:
        """Take the quantiles of pairs from rows of (origin, target, bucket, how many waits)."""
        histograms: dict[Pair, NDArray[np.int64]] = defaultdict(lambda: np.zeros(BUCKETS, np.int64))
        for origin, target, bucket, waits in rows:
            histograms[origin, target][bucket] += waits
        self.quantiles |= {pair: bucket_quantiles(histogram) for pair, histogram in histograms.items()}


@dataclass(slots=True)
class Months:
    """The cohorts of an origin and a target: by month how many there are, and how many went on, by age of AGES."""

    sizes: Counter[date] = field(default_factory=Counter)
    ever: Counter[date] = field(default_factory=Counter)
    ages: dict[date, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0] * len(AGES)))


def counted_stages() -> tuple[str, ...]:
    """Keys of the stages that the figures are about, weakest first.

    Those of the definition in force, but for the moments until a new one with other stages is counted.
    """
    counted = Counting.objects.first()
    return tuple(counted.stages) if counted else tuple(stage.key for stage in published_definition()[1].stages)


def select(statement: str, given: Mapping[str, Any]) -> list[Any]:
    """The rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        rows: list[Any] = cursor.fetchall()
    return rows
