"""Whether plain data has the shape of a definition: known fields, the right types, values that can be stored.

Everything that is wrong is found at once, each at its path; what passes here converts without error.
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from functools import cache

from msgspec import inspect

from scoring.definition.document import DefinitionDocument
from scoring.definition.problems import Problem, Said, Value, gettext_noop

# Deeper than any tree of criteria that people can read, far from where recursion ends.
DEEPEST = 60
MOST_VALUES = 50_000
LONGEST_TEXT = 2_000
MOST_PROBLEMS = 50

# Whole numbers up to here are exact in every format that a definition travels in.
_LARGEST = 2**53
_NO_TEXT = {
    "\x00": gettext_noop("holds a NUL character; remove it"),
    "\ufeff": gettext_noop("holds a byte order mark; remove it"),
}

_NAMES: dict[type, str] = {
    inspect.StrType: gettext_noop("text"),
    inspect.IntType: gettext_noop("a whole number"),
    inspect.FloatType: gettext_noop("a number"),
    inspect.BoolType: gettext_noop("true or false"),
    inspect.VarTupleType: gettext_noop("a list"),
    inspect.DictType: gettext_noop("a mapping of names to values"),
    inspect.StructType: gettext_noop("a mapping of fields to values"),
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
        return [Problem("definition", too_much.pattern, too_much.values)]
    return found


class _TooMuch(Exception):
    """The data is too large or too deep to look at."""

    def __init__(self, pattern: str, values: Mapping[str, Value]) -> None:
        super().__init__(pattern)
        self.pattern, self.values = pattern, values


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
            raise _TooMuch(gettext_noop("is nested deeper than %(most)s levels; use fewer"), {"most": DEEPEST})
        if seen > MOST_VALUES:
            raise _TooMuch(gettext_noop("holds more than %(most)s values; use fewer"), {"most": MOST_VALUES})
        if isinstance(value, dict):
            for key, below in value.items():
                if isinstance(key, str):
                    yield from _text_problems(f"{path}.{key}".lstrip("."), key)
                    waiting.append((f"{path}.{key}", below, depth + 1))
                else:
                    yield Problem(
                        _said(path),
                        gettext_noop("has %(name)s as a name; names are text, so put it in quotes"),
                        {"name": repr(key)},
                    )
        elif isinstance(value, list | tuple):
            waiting += [(f"{path}[{index}]", below, depth + 1) for index, below in enumerate(value)]
        elif isinstance(value, str):
            yield from _text_problems(_said(path), value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if isinstance(value, float) and not math.isfinite(value):
                yield Problem(_said(path), gettext_noop("must be a finite number"))
            elif abs(value) > _LARGEST:
                yield Problem(
                    _said(path),
                    gettext_noop("must lie between %(least)s and %(most)s"),
                    {"least": -_LARGEST, "most": _LARGEST},
                )


def _text_problems(path: str, text: str) -> Iterator[Problem]:
    if len(text) > LONGEST_TEXT:
        yield Problem(
            path[:200], gettext_noop("is longer than %(most)s characters; shorten it"), {"most": LONGEST_TEXT}
        )
    for character, message in _NO_TEXT.items():
        if character in text:
            yield Problem(_shown(path), message)
    if any("\ud800" <= character <= "\udfff" for character in text):
        yield Problem(_shown(path), gettext_noop("holds half of a character (a lone surrogate); remove it"))


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
            yield Problem(
                _said(path),
                gettext_noop("must be text, a number, or true or false; it is %(found)s"),
                {"found": _name_of(value)},
            )
        return
    if isinstance(wanted, inspect.LiteralType):
        if value not in wanted.values:
            allowed = ", ".join(str(one) for one in wanted.values)
            yield Problem(
                _said(path),
                gettext_noop("must be one of %(allowed)s; it is %(found)s"),
                {"allowed": allowed, "found": _name_of(value)},
            )
        return
    if not _fits(value, wanted):
        yield Problem(
            _said(path),
            gettext_noop("must be %(wanted)s; it is %(found)s"),
            {"wanted": Said(_NAMES[type(wanted)]), "found": _name_of(value)},
        )
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
            here = _said(f"{path}.{key}")
            if close:
                fix = gettext_noop("is an unknown field; did you mean %(name)s?")
                yield Problem(here, fix, {"name": repr(close[0])})
            else:
                fix = gettext_noop("is an unknown field; remove it, or use one of %(names)s")
                yield Problem(here, fix, {"names": ", ".join(fields)})
    for name, field in fields.items():
        if name in value:
            yield from _type_problems(f"{path}.{name}", value[name], field.type)
        elif field.required:
            yield Problem(_said(f"{path}.{name}"), gettext_noop("is missing; add it"))


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


def _name_of(value: object) -> Said:
    """What a value is, in words that fit into a message."""
    if value is None:
        return Said(gettext_noop("nothing"))
    if isinstance(value, bool):
        return Said("true" if value else "false")
    if isinstance(value, str):
        return (
            Said(gettext_noop("the text %(text)s"), {"text": repr(value[:60])})
            if value
            else Said(gettext_noop("empty text"))
        )
    if isinstance(value, int | float):
        if abs(value) > _LARGEST:
            return Said(gettext_noop("a number"))
        return Said(gettext_noop("the number %(number)s"), {"number": f"{value:g}"})
    if isinstance(value, list | tuple):
        return Said(gettext_noop("a list"))
    if isinstance(value, dict):
        return Said(gettext_noop("a mapping"))
    return Said(gettext_noop("a %(type)s, so put it in quotes"), {"type": type(value).__name__})
