"""What a part of a definition looks like as form fields, and the way from one to the other and back.

A *state* is what the fields hold, as typed: a text for a field, a list of texts where several can be chosen, a dict for
a part with fields of its own, None for a part that is not there. Names of fields are joined by dots; the members of a
list are told apart by tokens that stay the same when others come, go or move, and stand in the order of the form.
"""

# What a method means is said once, in Shape and Leaf.
# ruff: noqa: D102

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import msgspec
from django.utils.translation import gettext

from scoring.forms.texts import line_text, number_text, read_line, read_number, read_scalar, read_whole, scalar_text

State: TypeAlias = Any

# A name with more segments than any form has is no mistake; neither may recursion follow it.
MAX_DEPTH = 60
_TOKEN = re.compile(r"[0-9]{1,6}")
_STEP = re.compile(r"\.?([A-Za-z_]\w*)|\[(\d{1,6})\]")


class Nothing(Enum):
    """What stands for a value that the document leaves out."""

    LEFT_OUT = 0


LEFT_OUT = Nothing.LEFT_OUT


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with the field of that name."""

    name: str
    message: str


@dataclass(slots=True)
class Posted:
    """Posted values by their dotted names; reading takes values out, so that what is left was not asked for."""

    values: list[str] = field(default_factory=list)
    below: dict[str, "Posted"] = field(default_factory=dict)
    there: bool = False

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, list[str]]]) -> "Posted":
        """Sort posted lists of values by their names.

        Raises:
            ValueError: when a name is deeper than any form.
        """
        root = cls(there=True)
        for name, values in pairs:
            segments = name.split(".", MAX_DEPTH)
            if len(segments) > MAX_DEPTH:
                raise ValueError(gettext("The form is nested too deeply."))
            node = root
            for segment in segments:
                node = node.below.setdefault(segment, cls())
                node.there = True
            node.values.extend(values)
        return root

    def part(self, segment: str) -> "Posted":
        """The part of that name; an empty one where nothing was posted."""
        return self.below.get(segment) or Posted()

    def drop(self) -> None:
        """Take everything out, unread."""
        self.values.clear()
        for node in self.below.values():
            node.drop()

    def text(self) -> str:
        """The first value, with line ends as documents have them."""
        value = self.values.pop(0) if self.values else ""
        self.values.clear()
        return value.replace("\r\n", "\n").replace("\r", "\n")

    def left(self) -> str:
        """A name that nobody asked for; empty where there is none."""
        for segment, node in self.below.items():
            if node.values:
                return segment
            if below := node.left():
                return f"{segment}.{below}"
        return ""


class Shape(ABC):
    """A part of a definition as a form."""

    @abstractmethod
    def blank(self) -> State:
        """The state of a part that was just added."""

    @abstractmethod
    def show(self, value: Any) -> State:
        """The state that shows a value of the document."""

    @abstractmethod
    def read(self, posted: Posted) -> State:
        """The state that was posted."""

    @abstractmethod
    def plain(self, state: State, name: str, wrong: list[Wrong]) -> Any:
        """The plain value to build the document from; what cannot be one is added to ``wrong``."""

    @abstractmethod
    def pairs(self, state: State, name: str) -> Iterator[tuple[str, str]]:
        """The names and values that a browser posts for this state."""

    def find(self, state: State, name: str, path: str) -> str:
        """The name of the field (or part) that a document's path leads to from here."""
        return name

    def child(self, state: State, segment: str) -> tuple["Shape", State]:
        """The part below of that name. Raises KeyError where there is none."""
        raise KeyError(segment)


def join(name: str, segment: str) -> str:
    """The name of a part below ``name``."""
    return f"{name}.{segment}" if name else segment


def token_of(segment: str) -> bool:
    """Whether the segment is the token of a member of a list."""
    return _TOKEN.fullmatch(segment) is not None


def step(path: str) -> tuple[str, str]:
    """The first token of a document's path, and the rest."""
    found = _STEP.match(path)
    return (found[1] or found[2], path[found.end() :]) if found else ("", "")


# Fields


@dataclass(frozen=True)
class Leaf(Shape):
    """One field with one text. ``needed``: what to say where it must not be empty."""

    needed: str = ""

    def blank(self) -> State:
        return ""

    def show(self, value: Any) -> State:
        return "" if value is None else self.to_text(value)

    def read(self, posted: Posted) -> State:
        return posted.text()

    def plain(self, state: State, name: str, wrong: list[Wrong]) -> Any:
        if not state.strip() and self.needed:
            wrong.append(Wrong(name, gettext(self.needed)))
        try:
            return self.of_text(state)
        except ValueError as error:
            wrong.append(Wrong(name, str(error)))
            return self.stand_in()

    def stand_in(self) -> Any:
        """What the rest of the document is looked at with while nothing readable was typed."""
        return LEFT_OUT

    def pairs(self, state: State, name: str) -> Iterator[tuple[str, str]]:
        yield name, state

    def to_text(self, value: Any) -> str:
        """A value as it is shown."""
        return str(value)

    def of_text(self, text: str) -> Any:
        """The value that was typed. Raises ValueError with what to type instead."""
        return text


@dataclass(frozen=True)
class Text(Leaf):
    """Free text; ``long`` may have several lines, ``known`` names a list of suggestions."""

    long: bool = False
    known: str = ""


@dataclass(frozen=True)
class Reference(Leaf):
    """The key of another part of the definition, chosen from those of the list ``to``; ``none`` is the empty choice."""

    to: str = ""
    none: str = ""


@dataclass(frozen=True)
class Number(Leaf):
    """A number. ``empty`` is the value of an empty field."""

    whole: bool = False
    empty: Any = LEFT_OUT

    def show(self, value: Any) -> State:
        return "" if value is None or (value == self.empty and not isinstance(value, bool)) else number_text(value)

    def of_text(self, text: str) -> Any:
        if not text.strip():
            return self.empty if not self.needed else 0
        return read_whole(text) if self.whole else read_number(text)

    def stand_in(self) -> Any:
        return 0 if self.needed else LEFT_OUT


@dataclass(frozen=True)
class Value(Leaf):
    """A value that may be text, a number, or true and false."""

    def to_text(self, value: Any) -> str:
        return scalar_text(value)

    def of_text(self, text: str) -> Any:
        return read_scalar(text)


@dataclass(frozen=True)
class Lines(Leaf):
    """Several texts (or, with ``scalars``, values), one a line."""

    scalars: bool = False

    def to_text(self, value: Any) -> str:
        return "\n".join(scalar_text(item) if self.scalars else line_text(item) for item in value)

    def of_text(self, text: str) -> Any:
        read = read_scalar if self.scalars else read_line
        return [read(line) for line in text.split("\n") if line.strip()]


@dataclass(frozen=True)
class Hidden(Leaf):
    """Something that people do not edit here and that must not get lost."""

    def to_text(self, value: Any) -> str:
        return json.dumps(msgspec.to_builtins(value))

    def of_text(self, text: str) -> Any:
        try:
            return json.loads(text) if text else LEFT_OUT
        except (ValueError, RecursionError) as error:
            raise ValueError(gettext("cannot be read")) from error


@dataclass(frozen=True)
class Pick(Leaf):
    """One of a few values: their texts, with the value and the label of each."""

    choices: Mapping[str, tuple[Any, str]] = field(default_factory=dict)

    def blank(self) -> State:
        return next(iter(self.choices))

    def show(self, value: Any) -> State:
        return next((text for text, (known, _) in self.choices.items() if known is value or known == value), "")

    def of_text(self, text: str) -> Any:
        if text not in self.choices:
            raise ValueError(gettext("choose one of the list"))
        value = self.choices[text][0]
        return LEFT_OUT if value is None else value


@dataclass(frozen=True)
class Flag(Leaf):
    """Yes or no, as a box to tick."""

    def show(self, value: Any) -> State:
        return "on" if value else ""

    def read(self, posted: Posted) -> State:
        return "on" if posted.text() else ""

    def of_text(self, text: str) -> Any:
        return bool(text)

    def pairs(self, state: State, name: str) -> Iterator[tuple[str, str]]:
        if state:
            yield name, state


@dataclass(frozen=True)
class Several(Shape):
    """Any number of texts out of the list ``of``, or of ``choices`` (text and label)."""

    of: str = ""
    choices: tuple[tuple[str, str], ...] = ()

    def blank(self) -> State:
        return []

    def show(self, value: Any) -> State:
        return list(value)

    def read(self, posted: Posted) -> State:
        chosen, posted.values = posted.values, []
        return list(dict.fromkeys(chosen))

    def plain(self, state: State, name: str, wrong: list[Wrong]) -> Any:
        known = {text for text, _ in self.choices}
        if self.choices and not known.issuperset(state):
            wrong.append(Wrong(name, gettext("choose from the list")))
            return LEFT_OUT
        return list(state)

    def pairs(self, state: State, name: str) -> Iterator[tuple[str, str]]:
        for text in state:
            yield name, text
