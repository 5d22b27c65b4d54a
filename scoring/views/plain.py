"""A definition in plain language, for its page and for the preview beside its editor."""

from dataclasses import dataclass

from scoring.definition import AttributeTest, Criterion, DefinitionDocument, Match, Signal, Stage
from scoring.definition.document import children_of
from scoring.wording import describe, describe_test, kind_phrase


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
    if signal.count.once:
        counts = "the first"
    elif signal.count.latest is not None:
        counts = f"the latest {signal.count.latest}"
    else:
        counts = "every one"
    caps = {
        group.key: group.label if group.cap is None else f"{group.label}, at most {group.cap:g}"
        for group in document.groups
    }
    return PlainSignal(signal, counts, caps.get(signal.group, ""))


def plain_match(match: Match) -> str:
    """Say which events are meant: ``the contact asked for a demo or asked for a price``."""
    parts = []
    if match.kinds:
        parts.append(" or ".join(kind_phrase(kind) for kind in match.kinds))
    if match.initiator:
        parts.append(f"begun by {match.initiator}")
    if match.reach:
        parts.append(f"one-to-{match.reach}")
    if match.two_way is not None:
        parts.append("two-way" if match.two_way else "one-way")
    for name, test in match.properties.items():
        if test.present is not None:
            parts.append(f"{name} is {'' if test.present else 'not '}named")
        else:
            parts.append(describe_test(AttributeTest(name=name, equals=test.equals, one_of=test.one_of)))
    return ", ".join(parts)
