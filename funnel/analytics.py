"""What the funnel's figures are: their shapes, their definitions and their arithmetic. Pure.

Every figure follows from transitions in force, in event time. *Reaching* a stage means to stand at it or at a stronger
one for the first time; so a contact that skips a stage has reached it, at the same moment as the stronger one. Stages
are named by their keys, weakest first in the published definition's order.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
from numpy import ceil, floor
from numpy.typing import NDArray

# Below so many moves quantiles are exact, from the moves themselves; above, from logarithmic buckets.
EXACT_BELOW: Final = 10_000
# Bucket 0 holds waits of no time at all, bucket n those from this to the power of n - 1 seconds, a factor of it wide.
# The geometric mean of a bucket's ends is off by at most the root of it: 1.98 %.
BUCKET_RATIO: Final = 1.04
# Enough for all that fits into an integer of 32 bits, 68 years.
BUCKETS: Final = 550
# The most stages that a definition can have.
PLACES: Final = 5
# After so many days it is asked how many of a cohort have gone on.
AGES: Final = (7, 14, 30, 60, 90, 180, 365)
QUANTILES: Final = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in UTC, from the first to the last, both included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        """The first moment of it."""
        return datetime.combine(self.first, time.min, UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last + timedelta(days=1), time.min, UTC)


@dataclass(frozen=True, slots=True)
class Segment:
    """Whose figures: None asks nothing. The first four, one at a time, are answered from rollups in milliseconds.

    All others, and any two together, are counted from the moves themselves.
    """

    source: str | None = None
    motion: str | None = None
    campaign: str | None = None
    country: str | None = None
    direction: str | None = None
    company_id: int | None = None
    industry: str | None = None
    employees_at_least: int | None = None
    employees_at_most: int | None = None

    @property
    def is_rolled_up(self) -> bool:
        """Whether rollups answer it: nothing is asked, or just one of source, motion, campaign and country."""
        slow = (self.direction, self.company_id, self.industry, self.employees_at_least, self.employees_at_most)
        quick = (self.source, self.motion, self.campaign, self.country)
        return not any(value is not None for value in slow) and sum(value is not None for value in quick) <= 1


@dataclass(frozen=True, slots=True)
class StageFigures:
    """A stage over the period: how many stood there at its start and end, and how many entries and exits there were."""

    key: str
    before: int
    after: int
    entries: int
    exits: int


@dataclass(frozen=True, slots=True)
class Step:
    """From one stage to a stronger one, of the contacts that reached ``origin`` in the period.

    ``reached``: how many those are; ``strict``: of them, how many came to stand at ``origin`` itself and went straight
    to ``target`` as their very next move; ``loose``: how many reached ``target`` at all by the period's end or later,
    skips and detours included; ``skipped``: of the loose ones, how many had not stood at ``origin`` until then.
    """

    origin: str
    target: str
    reached: int
    strict: int
    loose: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Velocity:
    """How long it took, in seconds, from reaching ``origin`` to reaching ``target``.

    Of those that reached ``target`` in the period; who skipped ``origin`` took no time. Quantiles are ``exact`` (to the
    second, linear interpolation as of SQL's percentile_cont) or come from buckets (error <= 2 %).
    """

    origin: str
    target: str
    moves: int
    p10: float | None
    median: float | None
    p90: float | None
    exact: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """Moves from one stage to another within the period, in either direction; ``origin`` "" is arrival."""

    origin: str
    target: str
    moves: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """Contacts that reached ``origin`` in one month, and how many of them had reached ``target`` after so many days.

    ``within``: (days, how many, whether all of the cohort has been watched that long): the last is right-censoring.
    """

    month: date
    size: int
    ever: int
    within: tuple[tuple[int, int, bool], ...]


@dataclass(frozen=True, slots=True)
class Share:
    """One value of a facet (a source, a motion, a direction, a campaign, a country); ``label`` "" is unknown.

    So many contacts reached ``origin`` in the period, and so many of them ``target``.
    """

    label: str
    reached: int
    converted: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that the analytics page tells of one period and segment."""

    period: Period
    segment: Segment
    stages: tuple[StageFigures, ...]
    steps: tuple[Step, ...]
    velocities: tuple[Velocity, ...]
    flows: tuple[Flow, ...]
    # Those whose first move was to a stage beyond the weakest: (stage, how many).
    entered_at: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole months (``grain`` "m", by their first days) or single days ("d"), from the first to the last of them."""

    grain: str
    first: date
    last: date


def stretches(period: Period) -> tuple[Stretch, ...]:
    """Take a period apart into its whole months and the days at its ends that make none.

    A year costs a dozen months and at most 60 days, whatever happened in it.
    """
    begins = period.first if period.first.day == 1 else next_month(period.first)
    after = period.last + timedelta(days=1)
    ends = after.replace(day=1)
    if begins >= ends:
        return (Stretch("d", period.first, period.last),)
    parts = [
        Stretch("d", period.first, begins - timedelta(days=1)),
        Stretch("m", begins, ends - timedelta(days=1)),
        Stretch("d", ends, period.last),
    ]
    return tuple(part for part in parts if part.first <= part.last)


def next_month(day: date) -> date:
    """The first day of the month after this day's."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def count_buckets(waits: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the waits (whole seconds) are in each bucket; as many numbers as there are buckets."""
    logarithms = np.log(np.maximum(waits, 1)) / np.log(BUCKET_RATIO)
    buckets = np.where(waits < 1, 0, 1 + np.floor(logarithms)).astype(np.int64)
    return np.bincount(buckets, minlength=BUCKETS)


def bucket_quantiles(histogram: NDArray[np.int64]) -> list[float]:
    """The QUANTILES of the waits that are counted by bucket, at least one; in seconds, each within 2 %.

    Between two waits it is interpolated as for exact ones.
    """
    places = np.array(QUANTILES) * (histogram.sum() - 1)
    passed = np.cumsum(histogram)
    lower, upper = (_wait_of(np.searchsorted(passed, rank, side="right")) for rank in (floor(places), ceil(places)))
    return [float(wait) for wait in lower + (upper - lower) * (places - floor(places))]


def exact_quantiles(waits: NDArray[np.int64]) -> list[float]:
    """The QUANTILES of these waits, at least one, interpolated linearly (as by PostgreSQL's percentile_cont)."""
    return [float(wait) for wait in np.quantile(waits, QUANTILES)]


def _wait_of(buckets: NDArray[np.int64]) -> NDArray[np.float64]:
    """The wait that stands for all in a bucket: the geometric mean of its ends."""
    return np.where(buckets == 0, 0.0, BUCKET_RATIO ** (buckets - 0.5))


def is_watched(month: date, days: int, *, now: datetime) -> bool:
    """Whether all of a month's cohort have been watched for so many days, its last member too."""
    return datetime.combine(next_month(month), time.min, UTC) + timedelta(days=days) <= now
