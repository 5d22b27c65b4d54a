"""A definition made ready for arrays: sets of events as tables, scores as integer scales, criteria as indexed trees."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.definition import Criterion, DefinitionDocument, Learned, Match
from scoring.definition.document import children_of, is_branch
from scoring.engine.coding import FIRST_PROPERTY_CODE, CodedMatch, KindFacts, Layer, Tables
from scoring.engine.facts import DAY, BoolArray, FloatArray, IntArray
from scoring.engine.profile import learned_rules, profile_leaves

__all__ = [
    "FIRST_PROPERTY_CODE",
    "CodedMatch",
    "Compiled",
    "CountLeaf",
    "KindFacts",
    "Layer",
    "Leaf",
    "LearnedScale",
    "Node",
    "Scale",
    "compile_definition",
]

# Above any score, far below where int64 ends.
UNBOUNDED = 2**60

# A likelihood is judged by its log-odds in these.
MICRO = 1_000_000
PER_MILLIPOINT = MICRO / 1000

RETURNED_KIND = "handoff_returned"


@dataclass(frozen=True, slots=True)
class CountLeaf:
    """A count criterion over tables; ``window`` in microseconds, 0 for none; ``after`` None for no anchor."""

    of: BoolArray
    at_least: int
    window: int
    after: BoolArray | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf of one stage's criteria. For a handoff stage returned evidence does not count (hard rule 5)."""

    criterion: Criterion
    handoff: bool
    count: CountLeaf | None
    answer: int


@dataclass(frozen=True, slots=True)
class Node:
    """A criteria tree with leaves as indexes into ``Compiled.leaves``."""

    criterion: Criterion
    leaf: int
    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """One linear score over counted events, in small integers of some unit.

    ``points``: what a fresh event of each signal weighs. A group's sum lies between its ``floors`` and its ``caps``
    (plus or minus UNBOUNDED where there is none). ``floor_at_zero``: so does the whole, at least at 0.
    """

    points: FloatArray
    group_of: npt.NDArray[np.int16]
    floors: IntArray
    caps: IntArray
    floor_at_zero: bool = False


@dataclass(frozen=True, slots=True)
class LearnedScale:
    """The learned score in millionths of log-odds: ``rules`` are (place among the answers of a profile, weight)."""

    scale: Scale
    intercept: int
    rules: tuple[tuple[int, int], ...]
    thresholds: tuple[int, ...]


@dataclass(slots=True)
class Compiled:
    """One definition ready to judge. ``property_matches`` are the matches that a loader must answer.

    ``countable``: what some criterion counts, or a returned handoff asks about.
    """

    document: DefinitionDocument
    version: str
    property_matches: list[CodedMatch]
    engagement: Scale
    half_lives: FloatArray
    layers: list[Layer]
    leaves: list[Leaf]
    enter: list[Node | None]
    keep: list[Node | None]
    flag_unless: list[Node | None]
    returned: BoolArray
    lifts_cool_down: BoolArray
    countable: BoolArray
    cool_down: int
    thresholds: list[int]
    score_thresholds: list[int]
    learned: LearnedScale | None

    @property
    def stage_count(self) -> int:
        """How many stages the definition uses."""
        return len(self.document.stages)

    @property
    def points(self) -> FloatArray:
        """Millipoints of a fresh event of each signal."""
        return self.engagement.points

    @property
    def group_of(self) -> npt.NDArray[np.int16]:
        """The group of each signal, -1 for none."""
        return self.engagement.group_of

    @property
    def caps(self) -> IntArray:
        """The most millipoints of each group; UNBOUNDED where there is no cap."""
        return self.engagement.caps

    @property
    def floors(self) -> IntArray:
        """The least millipoints of each group; -UNBOUNDED where there is no floor."""
        return self.engagement.floors

    @property
    def counted_kinds(self) -> list[int]:
        """Ids of the event kinds that the definition looks at: the others change no score and no criterion."""
        looked_at = np.logical_or.reduce([self.countable, *(layer.signal_of >= 0 for layer in self.layers)])
        return [int(code) for code in np.flatnonzero(looked_at[:FIRST_PROPERTY_CODE])]


def compile_definition(document: DefinitionDocument, kinds: Iterable[KindFacts], *, version: str = "") -> Compiled:
    """Make a definition ready to judge, given the event kinds that exist.

    ``version`` names the definition in ledgers, as ``key@version``. A kind that the definition does not
    match weighs nothing.
    """
    tables = Tables(document, kinds)
    leaves: list[Leaf] = []
    answers = profile_leaves(document)

    def node_of(criterion: Criterion, handoff: bool) -> Node:
        if is_branch(criterion):
            return Node(criterion, -1, tuple(node_of(child, handoff) for child in children_of(criterion)))
        count = None
        if criterion.count is not None:
            after = criterion.count.after
            count = CountLeaf(
                of=tables.table(document.evidence[criterion.count.of].any_of),
                at_least=criterion.count.at_least,
                window=round((criterion.count.within_days or 0) * DAY),
                after=tables.table(document.evidence[after].any_of) if after else None,
            )
        leaves.append(Leaf(criterion, handoff, count, answers.index(criterion) if criterion in answers else -1))
        return Node(criterion, len(leaves) - 1, ())

    enter = [node_of(stage.enter, stage.handoff) if stage.enter else None for stage in document.stages]
    keep = [node_of(stage.keep, stage.handoff) if stage.keep else None for stage in document.stages]
    flag_unless = [node_of(stage.flag_unless, False) if stage.flag_unless else None for stage in document.stages]
    lifted_by = document.cool_down.lifted_by
    returned = tables.table([Match(kinds=(RETURNED_KIND,))])
    lifts_cool_down = tables.table(document.evidence[lifted_by].any_of if lifted_by else [])
    counts = [leaf.count for leaf in leaves if leaf.count is not None]
    engagement = _engagement_scale(document)
    return Compiled(
        document=document,
        version=version,
        property_matches=tables.property_matches,
        engagement=engagement,
        half_lives=np.array([signal.half_life_days * DAY or np.inf for signal in document.signals]),
        layers=tables.layers(document.signals),
        leaves=leaves,
        enter=enter,
        keep=keep,
        flag_unless=flag_unless,
        returned=returned,
        lifts_cool_down=lifts_cool_down,
        countable=np.logical_or.reduce(
            [returned, lifts_cool_down]
            + [table for count in counts for table in (count.of, count.after) if table is not None]
        ),
        cool_down=round(document.cool_down.days * DAY),
        thresholds=sorted({round(leaf.engagement.at_least * 1000) for leaf in document.leaves() if leaf.engagement}),
        score_thresholds=sorted({round(leaf.score.at_least * 1000) for leaf in document.leaves() if leaf.score}),
        learned=_learned_scale(document, engagement, len(answers)),
    )


def _engagement_scale(document: DefinitionDocument) -> Scale:
    groups = {group.key: index for index, group in enumerate(document.groups)}
    return Scale(
        points=np.array([round(signal.points * 1000) for signal in document.signals], dtype=np.float64),
        group_of=np.array([groups.get(signal.group, -1) for signal in document.signals], dtype=np.int16),
        floors=np.array([0 if group.floor_at_zero else -UNBOUNDED for group in document.groups], dtype=np.int64),
        caps=np.array(
            [UNBOUNDED if group.cap is None else round(group.cap * 1000) for group in document.groups], dtype=np.int64
        ),
        floor_at_zero=document.floor_at_zero,
    )


def _learned_scale(document: DefinitionDocument, engagement: Scale, first_rule: int) -> LearnedScale | None:
    """The learned score as a scale of its own; a group's bounds grow with its weight, a negative one flips them."""
    learned = document.learned
    if learned is None or not learned.enabled:
        return None
    weights = np.array([_weight(learned, signal.key, signal.group) for signal in document.signals])
    bounds = [
        _scaled_bounds(floor, cap, learned.groups.get(group.key, 0.0))
        for group, floor, cap in zip(document.groups, engagement.floors.tolist(), engagement.caps.tolist(), strict=True)
    ]
    rules = learned_rules(document)
    thresholds = {log_odds_of(leaf.likelihood.at_least) for leaf in document.leaves() if leaf.likelihood}
    return LearnedScale(
        scale=Scale(
            points=engagement.points * weights * PER_MILLIPOINT,
            group_of=engagement.group_of,
            floors=np.array([low for low, _ in bounds], dtype=np.int64),
            caps=np.array([high for _, high in bounds], dtype=np.int64),
        ),
        intercept=round(learned.intercept * MICRO),
        rules=tuple(
            (first_rule + place, round(learned.fit_rules[rule.key] * MICRO)) for place, rule in enumerate(rules)
        ),
        thresholds=tuple(sorted(thresholds)),
    )


def _scaled_bounds(floor: int, cap: int, weight: float) -> tuple[int, int]:
    """What lies between floor and cap (millipoints), times a weight; a negative weight turns it over."""

    def scaled(bound: int) -> int:
        if abs(bound) == UNBOUNDED:
            return bound if weight >= 0 else -bound
        return round(bound * weight * PER_MILLIPOINT)

    return (scaled(floor), scaled(cap)) if weight >= 0 else (scaled(cap), scaled(floor))


def _weight(learned: Learned, signal: str, group: str) -> float:
    """Log-odds of each point of a signal; one of a group counts through the group."""
    return learned.groups.get(group, 0.0) if group else learned.signals.get(signal, 0.0)


def log_odds_of(likelihood: float) -> int:
    """The log-odds of a likelihood between 0 and 1, in millionths."""
    return round(math.log(likelihood / (1 - likelihood)) * MICRO)
