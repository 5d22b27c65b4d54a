"""Whether plain data has the shape of a definition: known fields, the right types, values that can be stored.

Everything that is wrong is found at once, each at its path; what passes here converts without error.
"""

import difflib
import math
from collections.abc import Iterator
from functools import cache

from msgspec import inspect

from scoring.definition.document import DefinitionDocument
from scoring.definition.problems import Problem

# Deeper than any tree of criteria that people can read, far from where recursion ends.
DEEPEST = 60
MOST_VALUES = 50_000
LONGEST_TEXT = 2_000
MOST_PROBLEMS = 50

# Whole numbers up to here are exact in every format that a definition travels in.
_LARGEST = 2**53
_NO_TEXT = {"\x00": "a NUL character", "\ufeff": "a byte order mark"}

_NAMES: dict[type, str] = {
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.VarTupleType: "a list",
    inspect.DictType: "a mapping of names to values",
    inspect.StructType: "a mapping of fields to values",
}


def shape_problems(data: object) -> list[Problem]:
    """Everything about the shape of the data that is wrong, at most MOST_PROBLEMS; nothing when it converts."""
    try:
        found: list[Problem] = []
        for problem in (*_value_problems(data), *_type_problems("", data, _document_type())):
            found.append(problem)
            if len(found) == MOST_PROBLEMS:
                break
    except _TooMuch as too_much:
        return [Problem("definition", str(too_much))]
    return found


class _TooMuch(Exception):
    """The data is too large or too deep to look at."""


@cache
def _document_type() -> inspect.Type:
    return inspect.type_info(DefinitionDocument)


def _value_problems(data: object) -> Iterator[Problem]:
    """Texts that cannot be stored and numbers that are none, wherever they are; no recursion, so any depth is safe."""
    seen = 0
    waiting: list[tuple[str, object, int]] = [("", data, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        seen += 1
        if depth > DEEPEST:
            raise _TooMuch(f"is nested deeper than {DEEPEST} levels; use fewer")
        if seen > MOST_VALUES:
            raise _TooMuch(f"holds more than {MOST_VALUES:,} values; use fewer")
        if isinstance(value, dict):
            for key, below in value.items():
                if isinstance(key, str):
                    yield from _text_problems(f"{path}.{key}".lstrip("."), key)
                    waiting.append((f"{path}.{key}", below, depth + 1))
                else:
                    yield Problem(_said(path), f"has {key!r} as a name; names are text, so put it in quotes")
        elif isinstance(value, list | tuple):
            waiting += [(f"{path}[{index}]", below, depth + 1) for index, below in enumerate(value)]
        elif isinstance(value, str):
            yield from _text_problems(_said(path), value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if isinstance(value, float) and not math.isfinite(value):
                yield Problem(_said(path), "must be a finite number")
            elif abs(value) > _LARGEST:
                yield Problem(_said(path), f"must lie between -{_LARGEST:,} and {_LARGEST:,}")


def _text_problems(path: str, text: str) -> Iterator[Problem]:
    if len(text) > LONGEST_TEXT:
        yield Problem(path[:200], f"is longer than {LONGEST_TEXT:,} characters; shorten it")
    for character, name in _NO_TEXT.items():
        if character in text:
            yield Problem(_shown(path), f"holds {name}; remove it")
    if any("\ud800" <= character <= "\udfff" for character in text):
        yield Problem(_shown(path), "holds half of a character (a lone surrogate); remove it")


def _shown(path: str) -> str:
    return path.encode("utf-8", "replace").decode().replace("\x00", "?")[:200]


def _said(path: str) -> str:
    return _shown(path.lstrip(".")) or "definition"


def _type_problems(path: str, value: object, wanted: inspect.Type) -> Iterator[Problem]:
    if isinstance(wanted, inspect.UnionType):
        options = [one for one in wanted.types if not isinstance(one, inspect.NoneType)]
        if value is None and len(options) < len(wanted.types):
            return
        if len(options) == 1:
            yield from _type_problems(path, value, options[0])
        elif not any(_fits(value, one) for one in options):
            yield Problem(_said(path), f"must be text, a number, or true or false; it is {_name_of(value)}")
        return
    if isinstance(wanted, inspect.LiteralType):
        if value not in wanted.values:
            allowed = ", ".join(str(one) for one in wanted.values)
            yield Problem(_said(path), f"must be one of {allowed}; it is {_name_of(value)}")
        return
    if not _fits(value, wanted):
        yield Problem(_said(path), f"must be {_NAMES[type(wanted)]}; it is {_name_of(value)}")
        return
    if isinstance(wanted, inspect.StructType) and isinstance(value, dict):
        yield from _field_problems(path, value, wanted)
    elif isinstance(wanted, inspect.VarTupleType) and isinstance(value, list | tuple):
        for index, below in enumerate(value):
            yield from _type_problems(f"{path}[{index}]", below, wanted.item_type)
    elif isinstance(wanted, inspect.DictType) and isinstance(value, dict):
        for key, below in value.items():
            if isinstance(key, str):
                yield from _type_problems(f"{path}.{key}", below, wanted.value_type)


def _field_problems(path: str, value: dict[object, object], wanted: inspect.StructType) -> Iterator[Problem]:
    fields = {field.encode_name: field for field in wanted.fields}
    for key in value:
        if isinstance(key, str) and key not in fields:
            close = difflib.get_close_matches(key[:100], fields, n=1)
            fix = f"did you mean {close[0]!r}?" if close else f"remove it, or use one of {', '.join(fields)}"
            yield Problem(_said(f"{path}.{key}"), f"is an unknown field; {fix}")
    for name, field in fields.items():
        if name in value:
            yield from _type_problems(f"{path}.{name}", value[name], field.type)
        elif field.required:
            yield Problem(_said(f"{path}.{name}"), "is missing; add it")


def _fits(value: object, wanted: inspect.Type) -> bool:
    """Whether the value is of the type, not looking inside."""
    if isinstance(wanted, inspect.StrType):
        return isinstance(value, str)
    if isinstance(wanted, inspect.BoolType):
        return isinstance(value, bool)
    if isinstance(wanted, inspect.IntType):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(wanted, inspect.FloatType):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(wanted, inspect.VarTupleType):
        return isinstance(value, list | tuple)
    return isinstance(value, dict)


def _name_of(value: object) -> str:
    """What a value is, in words that fit into a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "empty text" if not value else f"the text {value[:60]!r}"
    if isinstance(value, int | float):
        return f"the number {value:g}" if abs(value) <= _LARGEST else "a number"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return f"a {type(value).__name__}, so put it in quotes"
