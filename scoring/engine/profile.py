"""Who the contact is: fit points and the answers to criteria on attributes, from one set of attribute values."""

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.definition import AttributeTest, Criterion, DefinitionDocument, FitRule, Gate
from scoring.engine.facts import BoolArray, IntArray

_WORD = re.compile(r"\w+")
_MOST_VALUES = 100_000

# What a contact can be reached by, and where it came from.
REACHES = ("email", "phone")
ORIGIN = "source_direction"

# Criteria that a profile answers; the others need events or scores.
PROFILE_CRITERIA = ("attribute", "gate", "qualifiers", "switch", "origin", "reachable")


@dataclass(frozen=True, slots=True)
class Assessment:
    """The fit in millipoints, its lines as (index of the rule, millipoints), and an answer for each profile leaf.

    Where the definition has a learned score, the answers go on with whether each of its fit rules is met.
    """

    fit: int
    lines: tuple[tuple[int, int], ...]
    answers: tuple[bool, ...]


def profile_leaves(document: DefinitionDocument) -> list[Criterion]:
    """The distinct leaves that a profile answers, in document order."""
    leaves = [leaf for leaf in document.leaves() if any(getattr(leaf, f) is not None for f in PROFILE_CRITERIA)]
    return list(dict.fromkeys(leaves))


def learned_rules(document: DefinitionDocument) -> tuple[FitRule, ...]:
    """The fit rules that the learned score weighs; none without one that is switched on."""
    learned = document.learned
    if learned is None or not learned.enabled:
        return ()
    return tuple(rule for rule in document.fit.rules if learned.fit_rules.get(rule.key))


def relevant_attributes(document: DefinitionDocument) -> tuple[str, ...]:
    """Names of all attributes that the document looks at, sorted; ``source_direction`` is the contact's origin."""
    names = {rule.test.name for rule in document.fit.rules}
    names |= {gate.attribute for gate in document.gates}
    names |= {qualifier.test.name for qualifier in document.qualifiers}
    names |= {leaf.attribute.name for leaf in document.leaves() if leaf.attribute is not None}
    return tuple(sorted(names | {*REACHES, ORIGIN}))


def _tests(document: DefinitionDocument) -> list[AttributeTest]:
    """Every test that the document makes of an attribute's value."""
    tests = [rule.test for rule in document.fit.rules] + [qualifier.test for qualifier in document.qualifiers]
    tests += [leaf.attribute for leaf in document.leaves() if leaf.attribute is not None]
    return tests + [_closed(gate) for gate in document.gates]


def closes(gate: Gate, value: object) -> bool:
    """Whether the attribute's value closes the gate; an unknown one leaves it open."""
    return meets(_closed(gate), value)


def _closed(gate: Gate) -> AttributeTest:
    return AttributeTest(name=gate.attribute, equals=gate.closed_when)


class _Remembered(dict[Any, int]):
    """A dict that works out what it does not hold yet and keeps it."""

    def __init__(self, work_out: Callable[[Any], int]) -> None:
        super().__init__()
        self._work_out = work_out

    def __missing__(self, key: object) -> int:
        # Free text could make this grow without end in a long-lived process.
        if len(self) >= _MOST_VALUES:
            self.clear()
        number = self[key] = self._work_out(key)
        return number


class _Attribute:
    """What a definition can tell apart of one attribute's values: each outcome of its tests has a number.

    ``examples`` has a value for each number.
    """

    def __init__(self, name: str, tests: Sequence[AttributeTest]) -> None:
        self._name = name
        self._tests = tests
        self._numbers: dict[Hashable, int] = {}
        self.examples: list[object] = []
        # True, 1 and 1.0 are one key and three values.
        self._truths, self._others = _Remembered(self._work_out), _Remembered(self._work_out)
        # An address is asked no more than whether there is one, and hardly two contacts share it.
        self.only_presence = name in REACHES and not tests
        if self.only_presence:
            self.examples = [None, "known"]

    def number(self, value: object) -> int:
        """The number of one value's outcome."""
        if self.only_presence:
            return int(bool(value))
        if isinstance(value, bool):
            return self._truths[value]
        return self._work_out(value) if isinstance(value, float | list | dict) else self._others[value]

    def _work_out(self, value: object) -> int:
        outcome: Hashable = tuple(meets(test, value) for test in self._tests)
        if self._name in REACHES:
            outcome = (outcome, bool(value))
        elif self._name == ORIGIN:
            outcome = (outcome, str(value))
        number = self._numbers.setdefault(outcome, len(self._numbers))
        if number == len(self.examples):
            self.examples.append(value)
        return number


class Assessor:
    """Assesses attribute values under one definition; values that no test can tell apart are assessed once."""

    def __init__(self, document: DefinitionDocument) -> None:
        self.attributes = relevant_attributes(document)
        self._document = document
        self._leaves = profile_leaves(document)
        self._rules = learned_rules(document)
        self._gates = {gate.key: gate for gate in document.gates}
        tests = _tests(document)
        self._told_apart = [_Attribute(name, [one for one in tests if one.name == name]) for name in self.attributes]
        self._assessments: list[Assessment] = []
        self._known = _Remembered(self._work_out)

    @property
    def leaf_count(self) -> int:
        """How many answers each assessment has."""
        return len(self._leaves) + len(self._rules)

    def assess(self, values: Sequence[object]) -> Assessment:
        """Assess the values of ``self.attributes``, in that order; None or "" is unknown."""
        numbers = [attribute.number(value) for attribute, value in zip(self._told_apart, values, strict=True)]
        return self._assessments[self._known[tuple(numbers)]]

    def asks_presence_only(self, name: str) -> bool:
        """Whether nothing is asked of the attribute but whether there is a value."""
        return self._told_apart[self.attributes.index(name)].only_presence

    def tell_apart(self, places: Sequence[int], values: Sequence[object]) -> tuple[int, ...]:
        """What the definition can tell of the values of the attributes at these places: a number for each."""
        return tuple(self._told_apart[place].number(value) for place, value in zip(places, values, strict=True))

    def assessment_of(self, numbers: tuple[int, ...]) -> int:
        """Which of ``assessments`` belongs to these numbers, one for each of ``self.attributes``."""
        return self._known[numbers]

    def assessments(self) -> tuple[IntArray, BoolArray]:
        """All assessments made so far: the fit of each in millipoints, and its answers as a row."""
        fit = np.array([one.fit for one in self._assessments], dtype=np.int64)
        answers = np.array([one.answers for one in self._assessments], dtype=np.bool_)
        return fit, answers.reshape(len(fit), self.leaf_count)

    def _work_out(self, numbers: tuple[int, ...]) -> int:
        examples = [attribute.examples[n] for attribute, n in zip(self._told_apart, numbers, strict=True)]
        self._assessments.append(self._assess(dict(zip(self.attributes, examples, strict=True))))
        return len(self._assessments) - 1

    def _assess(self, values: Mapping[str, object]) -> Assessment:
        lines = tuple(
            (index, round(rule.points * 1000))
            for index, rule in enumerate(self._document.fit.rules)
            if meets(rule.test, values.get(rule.test.name))
        )
        answers = tuple(self._answer(leaf, values) for leaf in self._leaves)
        answers += tuple(meets(rule.test, values.get(rule.test.name)) for rule in self._rules)
        return Assessment(fit=sum(points for _, points in lines), lines=lines, answers=answers)

    def _answer(self, leaf: Criterion, values: Mapping[str, object]) -> bool:
        if leaf.attribute is not None:
            return meets(leaf.attribute, values.get(leaf.attribute.name))
        if leaf.gate is not None:
            gate = self._gates[leaf.gate]
            return not closes(gate, values.get(gate.attribute))
        if leaf.qualifiers is not None:
            asked = self._document.qualifiers
            return bool(asked) and all(meets(one.test, values.get(one.test.name)) for one in asked)
        if leaf.switch is not None:
            return self._document.switches[leaf.switch]
        if leaf.origin is not None:
            return values.get(ORIGIN) == leaf.origin
        return any(values.get(name) for name in REACHES) == leaf.reachable


def meets(test: AttributeTest, value: object) -> bool:
    """Whether a value meets the test; an unknown value meets none but ``known: false``. Text compares without case."""
    if test.known is not None:
        return is_known(value) == test.known
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


def is_known(value: object) -> bool:
    """Whether a value says anything: blank text, the word "unknown" and empty collections do not."""
    if isinstance(value, str):
        return value.strip().casefold() not in ("", "unknown")
    return value is not None and value not in ([], {})


def _comparable(value: object) -> tuple[str, object]:
    if isinstance(value, bool):
        return "truth", value
    if isinstance(value, int | float):
        try:
            return "number", float(value)
        except OverflowError:
            return "number", value
    return "text", str(value).strip().casefold()


def _spaced_words(value: object) -> str:
    return " ".join(_WORD.findall(str(value).casefold()))


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value) if isinstance(value, int | float) else float(str(value))
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
