"""How good a judgement was: ranking, precision, recall, lift, calibration and lead time, from counts. No Django.

Observations of one contact are not independent of each other, so every interval counts a contact once, however often
it was observed: n observations weigh as n times contacts / observations (a design effect as if a contact's
observations were all alike; Kish, "Survey Sampling", 1965). Nothing here divides by zero: what cannot be said is None.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scoring.engine.facts import DAY, NEVER, UNKNOWN_PAST, BoolArray, FloatArray, IntArray
from scoring.engine.observing import Observations

# Two-sided 95 %.
_Z = 1.959963984540054

# Log-odds are tallied in thousandths, not millionths: so fine they rank alike and take little room.
MILLI = 1_000

# Fewer contacts than this carry no figure that anybody should act on.
FEWEST = 30


@dataclass(frozen=True, slots=True)
class Share:
    """How many of ``number`` observations had the outcome, with the 95 % interval of that rate (Wilson 1927).

    ``weight`` is what one observation counts for in the interval, 0 to 1.
    """

    number: int
    outcomes: int
    weight: float = 1.0

    @property
    def rate(self) -> float | None:
        """Outcomes per observation."""
        return self.outcomes / self.number if self.number else None

    @property
    def enough(self) -> bool:
        """Whether there are enough for the rate to mean something."""
        return self.number * self.weight >= FEWEST

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds of the rate, from 0 to 1."""
        rate, number = self.rate, self.number * self.weight
        if rate is None or number <= 0:
            return None
        middle = rate + _Z**2 / (2 * number)
        wide = _Z * math.sqrt(rate * (1 - rate) / number + (_Z / (2 * number)) ** 2)
        scale = 1 + _Z**2 / number
        return max(0.0, (middle - wide) / scale), min(1.0, (middle + wide) / scale)

    def lift(self, base: float | None) -> float | None:
        """The rate as a multiple of the rate of all."""
        return self.rate / base if base and self.rate is not None else None

    def lift_interval(self, base: float | None) -> tuple[float, float] | None:
        """Bounds of the lift, the rate of all taken as known."""
        return (self.interval[0] / base, self.interval[1] / base) if base and self.interval else None


@dataclass(slots=True)
class Tally:
    """Observations and outcomes at each distinct score, ascending: all that ranking needs, in little room."""

    scores: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    number: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    outcomes: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def add(self, scores: npt.NDArray[np.integer], outcome: BoolArray) -> None:
        """Count observations: a whole-number score and whether the outcome came, for each."""
        found, place = np.unique(scores, return_inverse=True)
        number = np.bincount(place, minlength=len(found))
        came = np.bincount(place[outcome], minlength=len(found))
        merged, place = np.unique(np.concatenate([self.scores, found]), return_inverse=True)
        sums = np.zeros((2, len(merged)), dtype=np.int64)
        # Each of the two parts has a score once, so plain indexing adds all there is.
        sums[:, place[: len(self.scores)]] += (self.number, self.outcomes)
        sums[:, place[len(self.scores) :]] += (number, came)
        self.scores, self.number, self.outcomes = merged.astype(np.int64), sums[0], sums[1]

    @property
    def total(self) -> Share:
        """All of them."""
        return Share(int(self.number.sum()), int(self.outcomes.sum()))

    def at_least(self, threshold: float, weight: float = 1.0) -> Share:
        """Those at or above a score."""
        first = int(np.searchsorted(self.scores, threshold, side="left"))
        return Share(int(self.number[first:].sum()), int(self.outcomes[first:].sum()), weight)

    def between(self, low: float, high: float, weight: float = 1.0) -> Share:
        """Those at or above ``low`` and below ``high``."""
        first, end = np.searchsorted(self.scores, [low, high], side="left").tolist()
        return Share(int(self.number[first:end].sum()), int(self.outcomes[first:end].sum()), weight)

    def mean(self, low: float, high: float, of: Callable[[IntArray], FloatArray]) -> float | None:
        """The mean of a function of the scores of those at or above ``low`` and below ``high``."""
        first, end = np.searchsorted(self.scores, [low, high], side="left").tolist()
        number = int(self.number[first:end].sum())
        return float(of(self.scores[first:end]) @ self.number[first:end]) / number if number else None

    def quantile(self, share: float) -> int:
        """The least score that at least this share of the observations does not exceed; 0 of none."""
        if not len(self.scores):
            return 0
        passed = np.cumsum(self.number)
        return int(self.scores[min(int(np.searchsorted(passed, share * passed[-1])), len(passed) - 1)])


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a score ranks: the area under the ROC curve with its standard error, None without both kinds."""

    auc: float | None
    error: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the area, from 0 to 1."""
        if self.auc is None or self.error is None:
            return None
        return max(0.0, self.auc - _Z * self.error), min(1.0, self.auc + _Z * self.error)


def rank(tally: Tally, weight: float = 1.0) -> Ranking:
    """The probability that an observation with the outcome scores higher than one without, ties counting half.

    Area and standard error after Hanley and McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143 (1982). ``weight``: what an observation counts for in the error.
    """
    without = tally.number - tally.outcomes
    positives, negatives = int(tally.outcomes.sum()), int(without.sum())
    if not positives or not negatives:
        return Ranking(None, None)
    below = np.cumsum(without) - without
    # Doubled, so that halves stay whole and the area exact.
    doubled = int((tally.outcomes * (2 * below + without)).sum())
    auc = doubled / (2 * positives * negatives)
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    many, few = max(positives * weight, 1.0), max(negatives * weight, 1.0)
    spread = auc * (1 - auc) + (many - 1) * (first - auc**2) + (few - 1) * (second - auc**2)
    return Ranking(auc, math.sqrt(max(spread, 0.0) / (many * few)))


@dataclass(frozen=True, slots=True)
class Chosen:
    """What choosing some observations would have found: those chosen, out of all."""

    chosen: Share
    every: Share

    @property
    def precision(self) -> float | None:
        """How many of the chosen had the outcome."""
        return self.chosen.rate

    @property
    def recall(self) -> float | None:
        """How many of those with the outcome were chosen."""
        return self.chosen.outcomes / self.every.outcomes if self.every.outcomes else None

    @property
    def share(self) -> float | None:
        """How many of all were chosen."""
        return self.chosen.number / self.every.number if self.every.number else None

    @property
    def lift(self) -> float | None:
        """Precision as a multiple of the rate of all."""
        return self.chosen.lift(self.every.rate)


def thresholds(tally: Tally, *, most: int, unit: int) -> list[int]:
    """Round scores to cut at, ascending: about ``most`` even steps over where the scores lie, then doubling.

    The first is at or below every score. ``unit`` is one point in the tally's scores. Empty without scores.
    """
    if not len(tally.scores):
        return []
    lowest, highest = int(tally.scores[0]), int(tally.scores[-1])
    # A few extreme scores must not stretch the steps, but where outcomes lie is worth looking at closely.
    outcomes = Tally(tally.scores, tally.outcomes, tally.outcomes) if tally.outcomes.any() else tally
    top = max(tally.quantile(0.99), outcomes.quantile(0.9))
    bottom = min(tally.quantile(0.01), 0)
    step = _round_step(max(top - bottom, unit), most, unit)
    first = bottom // step * step
    cuts = list(range(first, top + 1, step))
    if lowest < first:
        cuts.insert(0, lowest // step * step)
    while cuts[-1] + step <= highest:
        cuts.append(max(cuts[-1] + step, -(-cuts[-1] * 2 // step) * step))
    return cuts[:-1] if len(cuts) > 1 and cuts[-1] > highest else cuts


def _round_step(width: int, most: int, unit: int) -> int:
    """The least of 1, 2, 5, 10, 20, ... units of which at most ``most`` make the width."""
    step = unit
    for factor in _factors():
        step = unit * factor
        if step * most >= width:
            break
    return step


def _factors() -> Iterable[int]:
    scale = 1
    while True:
        yield from (scale, 2 * scale, 5 * scale)
        scale *= 10


@dataclass(slots=True)
class Rules:
    """For each rule how many observations it weighed in, and how many of these had the outcome."""

    number: IntArray
    outcomes: IntArray

    @classmethod
    def none(cls, rules: int) -> "Rules":
        """Nothing counted yet."""
        return cls(np.zeros(rules, dtype=np.int64), np.zeros(rules, dtype=np.int64))

    def add(self, weighs: BoolArray, outcome: BoolArray) -> None:
        """Count observations: a row each, a column for each rule."""
        self.number += weighs.sum(axis=0)
        self.outcomes += weighs[outcome].sum(axis=0)

    def shares(self, weight: float) -> list[Share]:
        """Of each rule."""
        return [Share(n, k, weight) for n, k in zip(self.number.tolist(), self.outcomes.tolist(), strict=True)]


@dataclass(slots=True)
class LeadTimes:
    """How long before their outcome contacts first stood at a stage or above, by stage, in microseconds."""

    buyers: int
    unknown: int
    waits: list[list[IntArray]]
    standing: IntArray

    @classmethod
    def none(cls, stages: int) -> "LeadTimes":
        """Nobody yet."""
        return cls(0, 0, [[] for _ in range(stages)], np.zeros(stages, dtype=np.int64))

    def add(self, outcome_at: IntArray, known: BoolArray, stage: npt.NDArray[np.int16], reached_at: IntArray) -> None:
        """Add contacts with an outcome: see ``observing.Buyers``."""
        self.buyers += len(outcome_at)
        self.unknown += int((~known).sum())
        for place, waits in enumerate(self.waits):
            there = reached_at[:, place] < NEVER
            waits.append(outcome_at[there] - reached_at[there, place])
            self.standing[place] += int((stage >= place).sum())

    def days(self, stage: int) -> FloatArray:
        """The lead times of a stage in days, ascending."""
        waits = self.waits[stage]
        return np.sort(np.concatenate(waits) / DAY) if waits else np.empty(0)


@dataclass(slots=True)
class Found:
    """What is kept of all observations: counts, however many there are.

    Scores are tallied in millipoints, stages by rank, ``log_odds`` in thousandths. ``observed`` contacts were, and
    ``converted`` so many of them with the outcome to follow; ``first`` and ``last`` moment of observation.
    """

    rules: Rules
    lead: LeadTimes
    scores: Tally = field(default_factory=Tally)
    engagement: Tally = field(default_factory=Tally)
    fit: Tally = field(default_factory=Tally)
    stage: Tally = field(default_factory=Tally)
    log_odds: Tally | None = None
    contacts: int = 0
    observed: int = 0
    converted: int = 0
    after_outcome: int = 0
    horizon_open: int = 0
    thinned: int = 0
    first: int = NEVER
    last: int = UNKNOWN_PAST

    @classmethod
    def nothing(cls, *, rules: int, stages: int) -> "Found":
        """Nothing counted yet, for a definition of so many rules and stages."""
        return cls(Rules.none(rules), LeadTimes.none(stages))

    def add(self, part: Observations) -> None:
        """Count a part; no contact is in two of them."""
        self.contacts += part.contacts
        self.after_outcome += part.left_out.after_outcome
        self.horizon_open += part.left_out.horizon_open
        self.thinned += part.left_out.thinned
        buyers = part.buyers
        self.lead.add(buyers.purchase_at, buyers.known, buyers.stage, buyers.reached_at)
        if not len(part.at):
            return
        self.observed += len(np.unique(part.contact))
        self.converted += len(np.unique(part.contact[part.label]))
        self.first, self.last = min(self.first, int(part.at.min())), max(self.last, int(part.at.max()))
        self.scores.add(part.engagement + part.fit, part.label)
        self.engagement.add(part.engagement, part.label)
        self.fit.add(part.fit, part.label)
        self.stage.add(part.stage, part.label)
        self.rules.add(part.weighs, part.label)
        if part.log_odds is not None:
            self.log_odds = self.log_odds or Tally()
            self.log_odds.add(np.rint(part.log_odds / MILLI).astype(np.int64), part.label)

    @property
    def every(self) -> Share:
        """All observations."""
        return Share(self.scores.total.number, self.scores.total.outcomes, self.weight)

    @property
    def weight(self) -> float:
        """What an observation counts for in an interval: contacts / observations."""
        number = self.scores.total.number
        return self.observed / number if number else 1.0


def median(values: FloatArray) -> float | None:
    """The middle of the values; None of none."""
    return float(np.median(values)) if len(values) else None


def percentile(values: FloatArray, share: float) -> float | None:
    """The value that this share of them does not exceed (linear between neighbours); None of none."""
    return float(np.quantile(values, share)) if len(values) else None


def count_bands(values: FloatArray, edges: Sequence[float]) -> list[int]:
    """How many values lie from each edge (inclusive) to the next; the last band is open."""
    places = np.searchsorted(np.asarray(edges), values, side="right") - 1
    return [int(number) for number in np.bincount(places[places >= 0], minlength=len(edges))]


def brier(tally: Tally, likelihood: Callable[[IntArray], FloatArray]) -> float | None:
    """Mean squared difference between the likelihoods that scores stand for and what came (Brier 1950)."""
    total = tally.total
    if not total.number:
        return None
    foretold = likelihood(tally.scores)
    squares = tally.outcomes * (1 - foretold) ** 2 + (tally.number - tally.outcomes) * foretold**2
    return float(squares.sum()) / total.number
