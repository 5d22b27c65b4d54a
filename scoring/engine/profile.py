"""Who the contact is: fit points and the answers to criteria on attributes, from one set of attribute values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scoring.definition import AttributeTest, Criterion, DefinitionDocument

_WORD = re.compile(r"\w+")

# Criteria that a profile answers; the others need events or scores.
PROFILE_CRITERIA = ("attribute", "gate", "qualifiers", "switch", "origin", "reachable")


@dataclass(frozen=True, slots=True)
class Assessment:
    """The fit in millipoints, its lines as (index of the rule, millipoints), and an answer for each profile leaf."""

    fit: int
    lines: tuple[tuple[int, int], ...]
    answers: tuple[bool, ...]


def profile_leaves(document: DefinitionDocument) -> list[Criterion]:
    """The distinct leaves that a profile answers, in document order."""
    leaves = [leaf for leaf in document.leaves() if any(getattr(leaf, f) is not None for f in PROFILE_CRITERIA)]
    return list(dict.fromkeys(leaves))


def relevant_attributes(document: DefinitionDocument) -> tuple[str, ...]:
    """Names of all attributes that the document looks at, sorted; ``source_direction`` is the contact's origin."""
    names = {rule.test.name for rule in document.fit.rules}
    names |= {gate.attribute for gate in document.gates}
    names |= {qualifier.test.name for qualifier in document.qualifiers}
    names |= {leaf.attribute.name for leaf in document.leaves() if leaf.attribute is not None}
    return tuple(sorted(names | {"email", "phone", "source_direction"}))


class Assessor:
    """Assesses attribute values under one definition, each distinct combination once."""

    def __init__(self, document: DefinitionDocument) -> None:
        self.attributes = relevant_attributes(document)
        self._document = document
        self._leaves = profile_leaves(document)
        self._gates = {gate.key: gate for gate in document.gates}
        self._known: dict[tuple[object, ...], Assessment] = {}

    @property
    def leaf_count(self) -> int:
        """How many answers each assessment has."""
        return len(self._leaves)

    def assess(self, values: Sequence[object]) -> Assessment:
        """Assess the values of ``self.attributes``, in that order; None or "" is unknown."""
        key = tuple(repr(value) if isinstance(value, list | dict) else value for value in values)
        found = self._known.get(key)
        if found is None:
            found = self._assess(dict(zip(self.attributes, values, strict=True)))
            # Free-text attributes could make this grow without end in a long-lived process.
            if len(self._known) >= 100_000:
                self._known.clear()
            self._known[key] = found
        return found

    def _assess(self, values: Mapping[str, object]) -> Assessment:
        lines = tuple(
            (index, round(rule.points * 1000))
            for index, rule in enumerate(self._document.fit.rules)
            if meets(rule.test, values.get(rule.test.name))
        )
        answers = tuple(self._answer(leaf, values) for leaf in self._leaves)
        return Assessment(fit=sum(points for _, points in lines), lines=lines, answers=answers)

    def _answer(self, leaf: Criterion, values: Mapping[str, object]) -> bool:
        if leaf.attribute is not None:
            return meets(leaf.attribute, values.get(leaf.attribute.name))
        if leaf.gate is not None:
            gate = self._gates[leaf.gate]
            return not meets(AttributeTest(name=gate.attribute, equals=gate.closed_when), values.get(gate.attribute))
        if leaf.qualifiers is not None:
            asked = self._document.qualifiers
            return bool(asked) and all(meets(one.test, values.get(one.test.name)) for one in asked)
        if leaf.switch is not None:
            return self._document.switches[leaf.switch]
        if leaf.origin is not None:
            return values.get("source_direction") == leaf.origin
        return bool(values.get("email") or values.get("phone")) == leaf.reachable


def meets(test: AttributeTest, value: object) -> bool:
    """Whether a value meets the test; an unknown value (None, "") meets none. Text compares without case."""
    if value is None or value == "":
        return False
    if test.equals is not None:
        return _comparable(value) == _comparable(test.equals)
    if test.one_of is not None:
        return _comparable(value) in {_comparable(option) for option in test.one_of}
    if test.words is not None:
        text = f" {_spaced_words(value)} "
        return any(f" {_spaced_words(word)} " in text for word in test.words)
    number = _number(value)
    if number is None:
        return False
    return (test.at_least is None or number >= test.at_least) and (test.at_most is None or number <= test.at_most)


def _comparable(value: object) -> tuple[str, object]:
    if isinstance(value, bool):
        return "truth", value
    if isinstance(value, int | float):
        return "number", float(value)
    return "text", str(value).strip().casefold()


def _spaced_words(value: object) -> str:
    return " ".join(_WORD.findall(str(value).casefold()))


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        return None
