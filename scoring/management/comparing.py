"""``manage.py definition compare``: two definitions over the same contacts."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from scoring.definition import STAGE_KEYS
from scoring.models import Definition
from scoring.selectors import definition_document, find_definition
from scoring.services.compare import Comparison, compare


def add_compare_arguments(action: ArgumentParser) -> None:
    """Declare what the sub-command takes."""
    for name in ("first", "second"):
        action.add_argument(name, metavar=name.upper(), help="key, or key@version")
    action.add_argument("--json", action="store_true", help="as JSON")


def compare_from_shell(options: dict[str, Any]) -> str:
    """Compare, each definition as if it had always been in force; returns what to print.

    Raises:
        Definition.DoesNotExist: with a sentence that names what was asked for.
    """
    rows = [find_definition(options[name]) for name in ("first", "second")]
    found = compare(
        definition_document(rows[0]),
        definition_document(rows[1]),
        now=timezone.now(),
        versions=(_version(rows[0]), _version(rows[1])),
    )
    if not options["json"]:
        return "\n".join(_as_text(found))
    told = found.as_json()
    for cell in told["matrix"]:
        cell["examples"] = [str(pk) for pk in found.cells.examples[cell["from"], cell["to"]]]
    return json.dumps(told, indent=2)


def _version(row: Definition) -> str:
    return f"{row.key}@{row.version}"


def _as_text(found: Comparison) -> Iterator[str]:
    kappa = "not defined" if found.kappa is None else f"{found.kappa:.3f}"
    yield f"{found.first} and {found.second} agree on {found.agree:,} of {found.contacts:,} contacts"
    yield f"agreement {found.agreement:.1%}, Cohen's kappa {kappa}"
    apart = [cell for cell in found.cells.contacts if cell[0] != cell[1]]
    for cell in sorted(apart, key=lambda cell: (STAGE_KEYS.index(cell[0]), STAGE_KEYS.index(cell[1]))):
        yield f"  {found.cells.contacts[cell]:>9,}  {cell[0]} | {cell[1]}"
