"""Definitions in and out: YAML files, JSON columns."""

from typing import Any, cast

import msgspec
import yaml

from scoring.definition.document import DefinitionDocument
from scoring.definition.validation import DefinitionError, Problem, find_problems


def read_document(data: object, *, known_kinds: frozenset[str] | None = None) -> DefinitionDocument:
    """Build a sound document from plain data (a JSON column, parsed YAML).

    Raises:
        DefinitionError: with the path and the fix of each problem.
    """
    try:
        document = msgspec.convert(data, DefinitionDocument)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise DefinitionError([Problem(path.rstrip("`").lstrip(".") or "definition", message)]) from error
    problems = find_problems(document, known_kinds=known_kinds)
    if problems:
        raise DefinitionError(problems)
    return document


def load_yaml(text: str, *, known_kinds: frozenset[str] | None = None) -> DefinitionDocument:
    """Read a definition from YAML text.

    Raises:
        DefinitionError: when the text is no YAML or the definition has problems.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DefinitionError([Problem("definition", f"is no readable YAML: {error}")]) from error
    return read_document(data, known_kinds=known_kinds)


def dump_yaml(document: DefinitionDocument) -> str:
    """Write a definition as YAML, keys in document order; reading it back gives an equal document."""
    return yaml.safe_dump(to_builtins(document), sort_keys=False, allow_unicode=True, width=110)


def to_builtins(document: DefinitionDocument) -> dict[str, Any]:
    """The document as plain dicts and lists, as stored in a JSON column."""
    return cast(dict[str, Any], msgspec.to_builtins(document))
