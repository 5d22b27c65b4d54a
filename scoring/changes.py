"""What differs between two versions of a definition, in plain words: what changes before somebody publishes it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.utils.translation import gettext, gettext_noop

from config.web.formats import format_number
from scoring.definition import Criterion, DefinitionDocument, Stage
from scoring.definition.document import Evidence, children_of, is_branch
from scoring.wording import (
    amount,
    attribute_name,
    both,
    describe,
    describe_counting,
    describe_fading,
    describe_group,
    describe_match,
    describe_test,
    in_points,
)

_OWNERS = {"marketing": gettext_noop("Marketing"), "sales": gettext_noop("Sales")}
_AREAS = {
    "about": gettext_noop("About"),
    "stages": gettext_noop("Stages"),
    "evidence": gettext_noop("Evidence"),
    "signals": gettext_noop("Signals"),
    "groups": gettext_noop("Groups"),
    "fit": gettext_noop("Fit"),
    "gates": gettext_noop("Gates"),
    "qualifiers": gettext_noop("Qualifiers"),
    "rest": gettext_noop("Switches, returns and publishing"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``part`` is what it is in, ``field`` what of it; of what is new ``before`` is empty.

    Of what is gone ``after`` is empty; where a whole part came or went, ``field`` is empty.
    """

    part: str
    field: str
    before: str
    after: str

    def __str__(self) -> str:
        place = f"{self.part}, {self.field}" if self.field and self.part else self.part or self.field
        if not self.before:
            return gettext("%(part)s: new: %(after)s") % {"part": place, "after": self.after}
        if not self.after:
            return gettext("%(part)s: gone: %(before)s") % {"part": place, "before": self.before}
        said = {"part": place, "before": self.before, "after": self.after}
        return gettext("%(part)s: %(before)s → %(after)s") % said


@dataclass(frozen=True, slots=True)
class Area:
    """The changes in one sort of parts."""

    title: str
    changes: tuple[Change, ...]


class _Part(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def label(self) -> str: ...


Fields = Mapping[str, str]


def changes_between(before: DefinitionDocument, after: DefinitionDocument) -> list[Area]:
    """Everything that differs, by sort of part, in the order of the editor's cards; [] where they say the same."""
    found: list[tuple[str, Iterable[Change]]] = [
        ("about", _fields("", _about(before), _about(after))),
        ("stages", _stages(before, after)),
        ("evidence", _evidence(before, after)),
        ("signals", _parts(before.signals, after.signals, _signals(before), _signals(after))),
        ("groups", _parts(before.groups, after.groups, _groups(before), _groups(after))),
        ("fit", _parts(before.fit.rules, after.fit.rules, _fit(before), _fit(after))),
        ("gates", _parts(before.gates, after.gates, _gates(before), _gates(after))),
        ("qualifiers", _parts(before.qualifiers, after.qualifiers, _qualifiers(before), _qualifiers(after))),
        ("rest", _fields("", _rest(before), _rest(after))),
    ]
    areas = [Area(gettext(_AREAS[name]), tuple(changes)) for name, changes in found]
    return [area for area in areas if area.changes]


def _fields(part: str, before: Fields, after: Fields) -> Iterator[Change]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            yield Change(part, name, old, new)


def _parts(
    before: Sequence[_Part], after: Sequence[_Part], old: Mapping[str, Fields], new: Mapping[str, Fields]
) -> Iterator[Change]:
    """Parts that came, went and changed, each told by its key."""
    labels = {part.key: part.label for part in before} | {part.key: part.label for part in after}
    for key, label in labels.items():
        if key not in old:
            yield Change(label, "", "", _essence(new[key], label))
        elif key not in new:
            yield Change(label, "", _essence(old[key], label), "")
        else:
            yield from _fields(label, old[key], new[key])


def _essence(fields: Fields, label: str) -> str:
    """A whole part in a few words: what its fields say, its label aside."""
    return ", ".join(text for text in fields.values() if text and text != label) or label


def _about(document: DefinitionDocument) -> Fields:
    return {gettext("name"): document.name, gettext("description"): document.description}


def _rest(document: DefinitionDocument) -> Fields:
    fields = {
        name.replace("_", " "): gettext("on") if is_on else gettext("off") for name, is_on in document.switches.items()
    }
    lifted_by = document.evidence.get(document.cool_down.lifted_by)
    learned = document.learned
    return fields | {
        gettext("engagement below zero"): gettext("never") if document.floor_at_zero else gettext("possible"),
        gettext("approval"): both([gettext(_OWNERS[team]) for team in document.approval]) if document.approval else "",
        gettext("cool-down in days"): amount(document.cool_down.days),
        gettext("cool-down lifted by"): lifted_by.label if lifted_by else "",
        gettext("learned score"): ""
        if learned is None
        else gettext("trained on %(day)s") % {"day": learned.trained_at[:10]}
        if learned.enabled
        else gettext("switched off"),
    }


def _signals(document: DefinitionDocument) -> dict[str, Fields]:
    groups = {group.key: group.label for group in document.groups}
    return {
        signal.key: {
            gettext("label"): signal.label,
            gettext("points"): in_points(signal.points),
            gettext("half-life"): describe_fading(signal),
            gettext("events"): describe_match(signal.match),
            gettext("of them count"): describe_counting(signal.count),
            gettext("group"): groups.get(signal.group, signal.group),
        }
        for signal in document.signals
    }


def _groups(document: DefinitionDocument) -> dict[str, Fields]:
    return {group.key: {gettext("bounds"): describe_group(group)} for group in document.groups}


def _fit(document: DefinitionDocument) -> dict[str, Fields]:
    return {
        rule.key: {
            gettext("label"): rule.label,
            gettext("test"): describe_test(rule.test),
            gettext("points"): in_points(rule.points),
        }
        for rule in document.fit.rules
    }


def _gates(document: DefinitionDocument) -> dict[str, Fields]:
    return {
        gate.key: {
            gettext("label"): gate.label,
            gettext("attribute"): attribute_name(gate.attribute),
            gettext("closed when it is"): str(gate.closed_when),
            gettext("question"): gate.question,
        }
        for gate in document.gates
    }


def _qualifiers(document: DefinitionDocument) -> dict[str, Fields]:
    return {
        qualifier.key: {
            gettext("label"): qualifier.label,
            gettext("test"): describe_test(qualifier.test),
            gettext("question"): qualifier.question,
        }
        for qualifier in document.qualifiers
    }


def _evidence(before: DefinitionDocument, after: DefinitionDocument) -> Iterator[Change]:
    for key in dict.fromkeys([*before.evidence, *after.evidence]):
        old, new = before.evidence.get(key), after.evidence.get(key)
        if old is None and new is not None:
            yield Change(new.label, "", "", _matches(new))
        elif new is None and old is not None:
            yield Change(old.label, "", _matches(old), "")
        elif old is not None and new is not None:
            yield from _fields(new.label, {gettext("label"): old.label}, {gettext("label"): new.label})
            yield from _moved(new.label, gettext("events"), _said(old), _said(new))


def _said(evidence: Evidence) -> list[str]:
    return [describe_match(match) for match in evidence.any_of]


def _matches(evidence: Evidence) -> str:
    return "; ".join(_said(evidence))


def _stages(before: DefinitionDocument, after: DefinitionDocument) -> Iterator[Change]:
    old = {stage.key: stage for stage in before.stages}
    new = {stage.key: stage for stage in after.stages}
    for key in dict.fromkeys([*old, *new]):
        if key not in old:
            yield Change(new[key].label, "", "", _entry(new[key], after))
        elif key not in new:
            yield Change(old[key].label, "", _entry(old[key], before), "")
        else:
            yield from _stage(old[key], new[key], before, after)
    kept = [key for key in old if key in new]
    if kept != [key for key in new if key in old]:
        labels = [", ".join(stage.label for stage in document.stages) for document in (before, after)]
        yield Change("", gettext("order, weakest first"), *labels)


def _entry(stage: Stage, document: DefinitionDocument) -> str:
    if stage.enter is None:
        return gettext("the weakest stage")
    return "; ".join(_leaves(stage.enter, document)) or stage.label


def _stage(old: Stage, new: Stage, before: DefinitionDocument, after: DefinitionDocument) -> Iterator[Change]:
    yield from _fields(new.label, _plain(old), _plain(new))
    for name, first, second in (
        (gettext("to enter"), old.enter, new.enter),
        (gettext("to stay"), old.keep, new.keep),
        (gettext("flagged unless"), old.flag_unless, new.flag_unless),
    ):
        yield from _tree(new.label, name, first, second, before, after)


def _plain(stage: Stage) -> Fields:
    return {
        gettext("label"): stage.label,
        gettext("owner"): gettext(_OWNERS[stage.owner]),
        gettext("description"): stage.description,
        gettext("communication"): stage.communication,
        gettext("calls to action"): ", ".join(stage.calls_to_action),
        gettext("offered to Sales"): gettext("yes") if stage.handoff else gettext("no"),
        gettext("follow up within (business hours)"): "" if stage.sla_hours is None else format_number(stage.sla_hours),
    }


def _tree(
    part: str,
    field: str,
    old: Criterion | None,
    new: Criterion | None,
    before: DefinitionDocument,
    after: DefinitionDocument,
) -> Iterator[Change]:
    first = _leaves(old, before) if old is not None else []
    second = _leaves(new, after) if new is not None else []
    changes = list(_moved(part, field, first, second))
    yield from changes
    if not changes and old != new and _shape(old) != _shape(new):
        yield Change(part, field, gettext("the same criteria"), gettext("combined in another way"))


def _moved(part: str, field: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    """What came and went of several; two that begin alike are one that changed: ``fit of at least 20`` and ``25``."""
    gone = [text for text in old if text not in new]
    come = [text for text in new if text not in old]
    for text in gone:
        twin = next((other for other in come if _alike(text, other)), "")
        if twin:
            come.remove(twin)
        yield Change(part, field, text, twin)
    for text in come:
        yield Change(part, field, "", text)


def _alike(text: str, other: str) -> bool:
    """Whether two criteria ask for the same thing with other numbers."""
    plain = [" ".join("#" if any(map(str.isdigit, word)) else word for word in each.split()) for each in (text, other)]
    return plain[0] == plain[1]


def _leaves(criterion: Criterion, document: DefinitionDocument) -> list[str]:
    if criterion.not_ is not None or not is_branch(criterion):
        return [describe(criterion, document)]
    return [text for child in children_of(criterion) for text in _leaves(child, document)]


def _shape(criterion: Criterion | None) -> Any:
    """The tree without what its leaves say: only how they are combined."""
    if criterion is None:
        return None
    if not is_branch(criterion):
        return "leaf"
    way = "all" if criterion.all is not None else "any" if criterion.any is not None else "not"
    return way, tuple(_shape(child) for child in children_of(criterion))
