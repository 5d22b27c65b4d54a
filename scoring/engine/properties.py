"""Tests of an event's properties on plain values: what the database is asked, said in Python. Pure."""

import hashlib
import json
import re
from decimal import Decimal

from scoring.definition import PropertyTest
from scoring.definition.patterns import compile_pattern

# Stands for anything where only the presence of a value matters.
EXAMPLE = "example"

# Possessive, so that a long text which is nearly a number is read once and not from every digit anew.
_NUMBER = re.compile(r"\s*+([-+]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]{1,3})?)\s*+")


def meets_property(test: PropertyTest, value: object) -> bool:
    """Whether a property's value meets the test; None stands for a missing one too."""
    if test.present is not None:
        return (value is not None and not (isinstance(value, str) and not value.strip())) == test.present
    if value is None:
        return False
    if test.equals is not None:
        return _same(value, test.equals)
    if test.one_of is not None:
        return any(_same(value, option) for option in test.one_of)
    if test.at_least is not None or test.at_most is not None:
        number = _number(value)
        return number is not None and (
            (test.at_least is None or number >= Decimal(str(test.at_least)))
            and (test.at_most is None or number <= Decimal(str(test.at_most)))
        )
    if isinstance(value, list | dict):
        return False
    text = text_of(value)
    if test.prefix is not None:
        return text.startswith(test.prefix)
    if test.contains is not None:
        return test.contains in text
    return test.pattern is not None and bool(compile_pattern(test.pattern).search(text))


def text_of(value: object) -> str:
    """A JSON text, number or truth value as text."""
    return value if isinstance(value, str) else json.dumps(value)


def number_of(value: object) -> int:
    """A number that tells a property's value apart, 0 for none: the beginning of the SHA-256 of its text."""
    if value is None:
        return 0
    return int.from_bytes(hashlib.sha256(text_of(value).encode()).digest()[:8], "big", signed=True)


def value_meeting(test: PropertyTest) -> object:
    """A value that meets the test; None where that is to have none, or where none is found (a wayward pattern)."""
    if test.present is not None:
        return EXAMPLE if test.present else None
    candidates: list[object] = [test.equals, *(test.one_of or ()), test.prefix, test.contains]
    candidates += [_plain(bound) for bound in (test.at_least, test.at_most) if bound is not None]
    if test.pattern is not None:
        bare = test.pattern.removeprefix("(?i)").removeprefix("^").removesuffix("$")
        candidates += [bare, *bare.strip("()").split("|"), re.sub(r"\\(.)", r"\1", bare)]
        candidates += [re.sub(r"\.[*+]", " ", bare), *("1", "12", "2026", "a", "A1", "example.com", "/pricing")]
    return next((value for value in candidates if value is not None and meets_property(test, value)), None)


def _plain(number: float) -> float:
    return int(number) if number.is_integer() else number


def _same(value: object, wanted: object) -> bool:
    """Whether two JSON values are one: true is not 1, and 1.0 is."""
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _number(value: object) -> Decimal | None:
    """The value as a number, where it is one or text that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = _NUMBER.fullmatch(value if isinstance(value, str) else str(value))
    return Decimal(found[1]) if found else None
