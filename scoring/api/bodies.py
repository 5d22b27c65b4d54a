"""Bodies about definitions: read strictly, with every fault named, whatever somebody sends."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from django.contrib.auth.models import User
from rest_framework.request import Request

from config.web.errors import ApiError
from contacts.scopes import person_of
from scoring.definition import DefinitionError
from scoring.definition.files import parse_yaml

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
        DefinitionError: it is no readable YAML.
    """
    if ("document" in body) == ("yaml" in body):
        raise ApiError(400, "invalid", "Give either “document” or “yaml”.", {"document": "Give this or “yaml”."})
    name = "document" if "document" in body else "yaml"
    document = body[name]
    if name == "yaml":
        if not isinstance(document, str):
            raise wrong("yaml", "It must be a text.")
        document = parse_yaml(document)
    if not isinstance(document, dict):
        raise wrong(name, "It must be an object.")
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


def _shown(text: Any, longest: int) -> str:
    """Return a text fit to be shown: storable, and not endless."""
    shown = str(text).encode("utf-8", "replace").decode()
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
