"""What the funnel's figures are: their shapes, their definitions and their arithmetic. Pure.

Every figure follows from transitions in force, in event time. *Reaching* a stage means to stand at it or at a stronger
one for the first time; so a contact that skips a stage has reached it, at the same moment as the stronger one. Stages
are named by their keys, weakest first in the published definition's order.
"""

from dataclasses import dataclass
from datetime import date

# Below so many moves quantiles are exact, from the moves themselves; above, from logarithmic buckets.
EXACT_BELOW = 10_000


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in UTC, from the first to the last, both included."""

    first: date
    last: date


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

    ``reached``: how many those are; ``strict``: of them, how many went on from standing at ``origin`` straight to
    ``target`` as their next move; ``loose``: how many reached ``target`` at all by the period's end or later, skips and
    detours included; ``skipped``: of the loose ones, how many never stood at ``origin`` itself.
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

    Of those that reached ``target`` in the period. Quantiles are ``exact`` (linear interpolation) or come from buckets
    (error <= 2 %).
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
