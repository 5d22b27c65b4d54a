"""Definitions in and out: YAML files, JSON columns."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec
import yaml

from scoring.definition.document import DefinitionDocument
from scoring.definition.problems import DefinitionError, Problem, Value, gettext_noop
from scoring.definition.shape import DEEPEST, shape_problems
from scoring.definition.validation import find_problems

# Thirty times the largest that Ripen ships: more is no definition, and parsing takes its time.
LARGEST_FILE = 256 * 1024


def read_document(
    data: object, *, known_kinds: frozenset[str] | None = None, known_sources: frozenset[str] | None = None
) -> DefinitionDocument:
    """Build a sound document from plain data (a JSON column, parsed YAML).

    Raises:
        DefinitionError: with the path and the fix of each problem.
    """
    problems = shape_problems(data)
    if problems:
        raise DefinitionError(problems)
    document = stored_document(data)
    problems = find_problems(document, known_kinds=known_kinds, known_sources=known_sources)
    if problems:
        raise DefinitionError(problems)
    return document


def stored_document(data: object) -> DefinitionDocument:
    """The document of data that was found sound before it was stored.

    A rule that came later must not make unreadable what is in force.

    Raises:
        DefinitionError: when it has not even the shape of one.
    """
    try:
        return msgspec.convert(data, DefinitionDocument)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise DefinitionError([Problem(path.rstrip("`").lstrip(".") or "definition", message)]) from error


def load_yaml(
    text: str, *, known_kinds: frozenset[str] | None = None, known_sources: frozenset[str] | None = None
) -> DefinitionDocument:
    """Read a definition from YAML text.

    Raises:
        DefinitionError: when the text is no YAML or the definition has problems.
    """
    return read_document(parse_yaml(text), known_kinds=known_kinds, known_sources=known_sources)


def parse_yaml(text: str) -> object:
    """The plain data of YAML text that people wrote.

    Refused are files too large or too deep, names given twice, and aliases, with which a small file becomes a huge one.

    Raises:
        DefinitionError: when it cannot be read.
    """
    if len(text.encode("utf-8", "replace")) > LARGEST_FILE:
        raise DefinitionError(
            [
                Problem(
                    "definition",
                    gettext_noop("is larger than %(most)s KB; shorten it"),
                    {"most": LARGEST_FILE // 1024},
                )
            ]
        )
    try:
        trick = _find_trick(text)
        # A loader made from SafeLoader makes nothing but plain data.
        data = None if trick else yaml.load(text, Loader=_Loader)  # noqa: S506
    except yaml.YAMLError as error:
        trick = Problem("definition", gettext_noop("is no readable YAML: %(error)s"), {"error": _where(error)})
    except (ValueError, OverflowError) as error:
        # Dates and numbers that look like ones and are none, such as 2024-13-45.
        message = gettext_noop("is no readable YAML: %(error)s; put such text in quotes")
        trick = Problem("definition", message, {"error": str(error)})
    if trick:
        raise DefinitionError([trick])
    return data


def _find_trick(text: str) -> Problem | None:
    """What makes the text unfit to be loaded; None when nothing does."""
    depth = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.AliasEvent):
            return _trick(
                gettext_noop("uses an alias, *%(name)s; write out what it stands for"), {"name": str(event.anchor)}
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return _trick(gettext_noop("is nested deeper than %(most)s levels; use fewer"), {"most": DEEPEST})
    return None


def _trick(pattern: str, values: Mapping[str, Value]) -> Problem:
    return Problem("definition", pattern, values)


def _where(error: yaml.YAMLError) -> str:
    """What the parser says, in one line."""
    return " ".join(str(error).split())[:500]


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # which of two classes it is depends on how PyYAML was built
    """Makes plain data, and refuses a name given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build one mapping."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add(str(key.value))
        return cast(dict[Any, Any], super().construct_mapping(node, deep=deep))


class _Dumper(yaml.SafeDumper):
    """Writes plain data; text with a rare line break is escaped, which YAML would otherwise read back as a blank."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if any(character in text for character in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(document: DefinitionDocument) -> str:
    """Write a definition as YAML, keys in document order; reading it back gives an equal document."""
    return yaml.dump(to_builtins(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def to_builtins(document: DefinitionDocument) -> dict[str, Any]:
    """The document as plain dicts and lists, as stored in a JSON column."""
    return cast(dict[str, Any], msgspec.to_builtins(document))
