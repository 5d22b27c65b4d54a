"""How the faults of a definition are told: where, and what to do about it, in English or in the reader's language."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = "str | int | float | Said"


def gettext_noop(text: str) -> str:
    """Mark a text for the catalogues of words, which find it by this name; pages translate it where they show it."""
    return text


def _english(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _say(
    pattern: str, values: Mapping[str, Value], translate: Callable[[str], str], write: Callable[[float], str]
) -> str:
    said = {
        name: _say(value.pattern, value.values, translate, write)
        if isinstance(value, Said)
        else value
        if isinstance(value, str)
        else write(value)
        for name, value in values.items()
    }
    # A text without values is no pattern, and may have a per cent sign of its own.
    return translate(pattern) % said if said else translate(pattern)


@dataclass(frozen=True, slots=True)
class Said:
    """Words of a message that are a message themselves: a pattern with named places, and what stands there."""

    pattern: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and what to do about it.

    ``pattern`` is English with named places, which ``values`` fill; numbers are written as a language writes them.
    """

    path: str
    pattern: str
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What is wrong, in English: what the API and the shell say."""
        return self.words(str, _english)

    def words(self, translate: Callable[[str], str], write: Callable[[float], str]) -> str:
        """What is wrong in the language of ``translate``, with numbers as ``write`` writes them."""
        return _say(self.pattern, self.values, translate, write)

    def __str__(self) -> str:
        return f"{self.path} {self.message}"


class DefinitionError(ValueError):
    """A definition that cannot be used, with every problem found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems
