"""A definition in plain language, for its page and for the preview beside its editor."""

from dataclasses import dataclass

from scoring.definition import Criterion, DefinitionDocument, Signal, Stage
from scoring.definition.document import children_of
from scoring.wording import describe, describe_counting, describe_group


@dataclass(frozen=True, slots=True)
class PlainNode:
    """A criterion in words with those below it."""

    text: str
    children: tuple["PlainNode", ...]


@dataclass(frozen=True, slots=True)
class PlainStage:
    """A stage with its criteria in words; None where it has none."""

    stage: Stage
    enter: PlainNode | None
    keep: PlainNode | None


@dataclass(frozen=True, slots=True)
class PlainSignal:
    """A signal in words."""

    signal: Signal
    counts: str
    group: str

    @property
    def millipoints(self) -> int:
        """The points in thousandths."""
        return round(self.signal.points * 1_000)

    @property
    def days(self) -> int:
        """The half-life for plural forms, which are for whole numbers."""
        return 1 if self.signal.half_life_days == 1 else 2


@dataclass(frozen=True, slots=True)
class PlainFitRule:
    """A fit rule in words."""

    label: str
    test: str
    millipoints: int


def plain_stage(stage: Stage, document: DefinitionDocument) -> PlainStage:
    """A stage of a sound document in words."""
    return PlainStage(
        stage=stage,
        enter=_plain_node(stage.enter, document) if stage.enter else None,
        keep=_plain_node(stage.keep, document) if stage.keep else None,
    )


def _plain_node(node: Criterion, document: DefinitionDocument) -> PlainNode:
    below = () if node.not_ is not None else children_of(node)
    return PlainNode(describe(node, document), tuple(_plain_node(child, document) for child in below))


def plain_signal(signal: Signal, document: DefinitionDocument) -> PlainSignal:
    """A signal of a sound document in words."""
    groups = {group.key: describe_group(group) for group in document.groups}
    return PlainSignal(signal, describe_counting(signal.count), groups.get(signal.group, ""))
