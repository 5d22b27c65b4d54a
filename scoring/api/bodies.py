"""Bodies about definitions: read strictly, with every fault named, whatever somebody sends."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

import yaml
from django.contrib.auth.models import User
from rest_framework.request import Request

from config.web.errors import ApiError
from contacts.scopes import person_of
from scoring.definition import DefinitionError, Problem

MAX_YAML: Final = 200_000
MAX_DEPTH: Final = 50
MAX_PARTS: Final = 20_000
MAX_TEXT: Final = 8_000
_MOST: Final = 2**63 - 1
_LONGEST_PATH: Final = 200
_LONGEST_MESSAGE: Final = 1_000
_MOST_PROBLEMS: Final = 100


def read_object(request: Request, fields: Collection[str]) -> Mapping[str, Any]:
    """Return the body, an object with no fields but ``fields``; an empty body is an empty object.

    Raises:
        ApiError: 400, it is something else.
    """
    body = request.data
    if not isinstance(body, dict):
        raise ApiError(400, "invalid", "The body must be an object.")
    for name in body:
        if name not in fields:
            raise wrong(_shown(name, 100), "There is no such field.")
    return body


def read_flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Return a boolean field."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise wrong(name, "It is true or false.")
    return value


def read_text(body: Mapping[str, Any], name: str) -> str:
    """Return a text field that must be given."""
    value = body.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise wrong(name, "A text is required.")
    return value


def read_document_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the plain document that a body holds, as ``document`` or as ``yaml`` text; not yet proven sound.

    Raises:
        ApiError: 400, neither or both are given, or not of the right type.
        DefinitionError: it cannot be a definition at all: no YAML, nested without end, or holding what cannot be
            stored.
    """
    if ("document" in body) == ("yaml" in body):
        raise ApiError(400, "invalid", "Give either “document” or “yaml”.", {"document": "Give this or “yaml”."})
    if "document" in body:
        document = body["document"]
        if not isinstance(document, dict):
            raise wrong("document", "It must be an object.")
    else:
        document = _parse(body["yaml"])
    _check_plain(document)
    plain: Mapping[str, Any] = document
    return plain


def wrong(field: str, message: str) -> ApiError:
    """Return the 400 that names a field."""
    return ApiError(400, "invalid", f"{field}: {message}", {field: message})


def unsound(error: DefinitionError) -> ApiError:
    """Return the 422 of a definition that is not sound: every problem under its path."""
    fields: dict[str, str] = {}
    for problem in error.problems[:_MOST_PROBLEMS]:
        path, message = _shown(problem.path, _LONGEST_PATH), _shown(problem.message, _LONGEST_MESSAGE)
        fields[path] = f"{fields[path]}; {message}" if path in fields else message
    return ApiError(422, "invalid_definition", _shown(str(error), _LONGEST_MESSAGE), fields)


def caller_of(request: Request, check: Any) -> User | None:
    """Return the person who calls once ``check`` lets them pass; None for a source, whose scope is its permission."""
    person = person_of(request)
    if person is not None:
        check(person)
    return person


def _parse(text: Any) -> Mapping[str, Any]:
    if not isinstance(text, str):
        raise wrong("yaml", "It must be a text.")
    if len(text) > MAX_YAML:
        raise ApiError(413, "too_large", f"A definition holds at most {MAX_YAML:,} characters.")
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise DefinitionError([Problem("definition", f"is no readable YAML: {error}")]) from error
    if not isinstance(data, dict):
        raise DefinitionError([Problem("definition", "must be a mapping")])
    return data


def _check_plain(document: Mapping[str, Any]) -> None:
    """Refuse what neither JSON nor PostgreSQL can hold, and what would take forever to look through.

    Raises:
        DefinitionError: naming the first such part.
    """
    left = MAX_PARTS
    # Not recursive: how deep a document is must not depend on how deep Python can call.
    parts: list[tuple[str, Any, int]] = [("", document, 0)]
    while parts:
        path, value, depth = parts.pop()
        left -= 1
        if left < 0:
            raise DefinitionError([Problem("definition", f"must have at most {MAX_PARTS:,} parts")])
        if depth > MAX_DEPTH:
            raise DefinitionError([Problem(path[:_LONGEST_PATH], f"is nested deeper than {MAX_DEPTH} levels")])
        if isinstance(value, dict):
            for key, inner in value.items():
                fault = _fault_of(key) if isinstance(key, str) else "must have texts for keys"
                if fault:
                    raise DefinitionError([Problem(path or "definition", f"a key {fault}")])
                parts.append((f"{path}.{key}" if path else key, inner, depth + 1))
        elif isinstance(value, list):
            parts += [(f"{path}[{index}]", inner, depth + 1) for index, inner in enumerate(value)]
        elif fault := _fault_of(value):
            raise DefinitionError([Problem(path or "definition", fault)])


def _fault_of(value: Any) -> str:
    """What makes a single value impossible to store; ``""`` when nothing does."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            return f"must hold at most {MAX_TEXT:,} characters"
        if "\0" in value:
            return "must not hold a NUL character"
        return "" if value.isascii() or _is_unicode(value) else "must not hold a lone surrogate"
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):
        return "" if -_MOST <= value <= _MOST else "must fit in 64 bits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "must be a finite number"
    return "must be a text, a number, true, false, a list or a mapping"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: Any, longest: int) -> str:
    """Return a text fit to be shown: storable, and not endless."""
    shown = str(text).encode("utf-8", "replace").decode()
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
