"""A definition made ready for arrays: every set of events becomes a lookup table over event codes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from scoring.definition import Criterion, DefinitionDocument, Match
from scoring.definition.document import children_of, is_branch
from scoring.engine.facts import DAY, BoolArray
from scoring.engine.profile import profile_leaves

# Kind ids are small; a property match gets a code above all of them, for rows that carry it besides their kind.
FIRST_PROPERTY_CODE = 20_000

# Above any score, far below where int64 ends.
UNBOUNDED = 2**60

RETURNED_KIND = "handoff_returned"


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What a match can ask of an event kind."""

    id: int
    name: str
    initiator: str
    reach: str
    two_way: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """Signals that no event code shares, weighed in one pass. ``signal_of`` maps a code to a signal or -1."""

    signal_of: npt.NDArray[np.int16]
    once: bool
    latest: int


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


@dataclass(slots=True)
class Compiled:
    """One definition ready to judge. ``property_matches`` are (code, kind ids, match) that a loader must answer."""

    document: DefinitionDocument
    version: str
    property_matches: list[tuple[int, tuple[int, ...], Match]]
    points: npt.NDArray[np.float64]
    half_lives: npt.NDArray[np.float64]
    group_of: npt.NDArray[np.int16]
    caps: npt.NDArray[np.int64]
    layers: list[Layer]
    leaves: list[Leaf]
    enter: list[Node | None]
    keep: list[Node | None]
    flag_unless: list[Node | None]
    returned: BoolArray
    lifts_cool_down: BoolArray
    cool_down: int
    thresholds: list[int] = field(default_factory=list)
    score_thresholds: list[int] = field(default_factory=list)

    @property
    def stage_count(self) -> int:
        """How many stages the definition uses."""
        return len(self.document.stages)

    @property
    def counted_kinds(self) -> list[int]:
        """Ids of the event kinds that the definition looks at: the others change no score and no criterion."""
        tables = [self.returned, self.lifts_cool_down, *(layer.signal_of >= 0 for layer in self.layers)]
        for leaf in self.leaves:
            if leaf.count is not None:
                tables += [leaf.count.of] + ([] if leaf.count.after is None else [leaf.count.after])
        looked_at = np.logical_or.reduce(tables)
        return [int(code) for code in np.flatnonzero(looked_at[:FIRST_PROPERTY_CODE])]


class _Tables:
    """Builds lookup tables over codes, giving each distinct property match a code of its own."""

    def __init__(self, document: DefinitionDocument, kinds: Iterable[KindFacts]) -> None:
        self._kinds = list(kinds)
        self._codes: dict[bytes, int] = {}
        self.property_matches: list[tuple[int, tuple[int, ...], Match]] = []
        matches = [signal.match for signal in document.signals]
        matches += [match for evidence in document.evidence.values() for match in evidence.any_of]
        for match in matches:
            key = msgspec.json.encode(match)
            if match.properties and key not in self._codes:
                self._codes[key] = FIRST_PROPERTY_CODE + len(self._codes)
                self.property_matches.append((self._codes[key], self._kind_ids(match), match))
        self._size = FIRST_PROPERTY_CODE + len(self._codes) + 1

    def _kind_ids(self, match: Match) -> tuple[int, ...]:
        return tuple(
            kind.id
            for kind in self._kinds
            if (not match.kinds or kind.name in match.kinds)
            and (match.initiator is None or kind.initiator == match.initiator)
            and (match.reach is None or kind.reach == match.reach)
            and (match.two_way is None or kind.two_way == match.two_way)
        )

    def codes(self, match: Match) -> list[int]:
        if match.properties:
            return [self._codes[msgspec.json.encode(match)]]
        return list(self._kind_ids(match))

    def table(self, matches: Iterable[Match]) -> BoolArray:
        table = np.zeros(self._size, dtype=np.bool_)
        for match in matches:
            table[self.codes(match)] = True
        return table

    def layers(self, document: DefinitionDocument) -> list[Layer]:
        """Put each signal into the first layer with its counting where its codes are still free."""
        layers: list[Layer] = []
        for index, signal in enumerate(document.signals):
            if round(signal.points * 1000) == 0:
                continue
            codes = self.codes(signal.match)
            once, latest = signal.count.once, signal.count.latest or 0
            counted_apart = once or latest
            for layer in layers:
                if not counted_apart and not layer.once and not layer.latest and (layer.signal_of[codes] < 0).all():
                    break
            else:
                layer = Layer(np.full(self._size, -1, dtype=np.int16), once, latest)
                layers.append(layer)
            layer.signal_of[codes] = index
        return layers


def _millipoints(cap: float | None) -> int:
    """A bound in millipoints; none is one that no score reaches."""
    return UNBOUNDED if cap is None else round(cap * 1000)


def compile_definition(document: DefinitionDocument, kinds: Iterable[KindFacts], *, version: str = "") -> Compiled:
    """Make a definition ready to judge, given the event kinds that exist.

    ``version`` names the definition in ledgers, as ``key@version``. A kind that the definition does not
    match weighs nothing.
    """
    kinds = list(kinds)
    tables = _Tables(document, kinds)
    groups = {group.key: index for index, group in enumerate(document.groups)}
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
    lifted_by = document.cool_down.lifted_by
    return Compiled(
        document=document,
        version=version,
        property_matches=tables.property_matches,
        points=np.array([round(signal.points * 1000) for signal in document.signals], dtype=np.float64),
        half_lives=np.array([signal.half_life_days * DAY or np.inf for signal in document.signals]),
        group_of=np.array([groups.get(signal.group, -1) for signal in document.signals], dtype=np.int16),
        caps=np.array([_millipoints(group.cap) for group in document.groups], dtype=np.int64),
        layers=tables.layers(document),
        leaves=leaves,
        enter=enter,
        keep=keep,
        flag_unless=[node_of(stage.flag_unless, False) if stage.flag_unless else None for stage in document.stages],
        returned=tables.table([Match(kinds=(RETURNED_KIND,))]),
        lifts_cool_down=tables.table(document.evidence[lifted_by].any_of if lifted_by else []),
        cool_down=round(document.cool_down.days * DAY),
        thresholds=sorted({round(leaf.engagement.at_least * 1000) for leaf in document.leaves() if leaf.engagement}),
        score_thresholds=sorted({round(leaf.score.at_least * 1000) for leaf in document.leaves() if leaf.score}),
    )
