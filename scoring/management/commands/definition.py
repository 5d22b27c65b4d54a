"""``manage.py definition``: definitions from the shell."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.services.work import CannotRun
from scoring.definition import Criterion, DefinitionDocument, DefinitionError, dump_yaml
from scoring.definition.document import children_of, is_branch
from scoring.management import learning, publishing
from scoring.management.backtest import add_backtest_arguments, tell_backtest
from scoring.management.comparing import add_compare_arguments, compare_from_shell
from scoring.models import Definition
from scoring.selectors import definition_document, find_definition, published_definition
from scoring.services.publish import NotPublishable
from scoring.services.what_if import WhatIf, what_if
from scoring.wording import describe


class Command(BaseCommand):
    """List, show, export, import, try out, backtest, publish and roll back definitions."""

    help = "Definitions from the shell: list, show, export, import, try out, backtest, publish, roll back."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare one sub-command for each action."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="all definitions and versions, the one in force marked with *")
        for name, told in (("show", "one definition in words"), ("export", "one definition as YAML")):
            action = actions.add_parser(name, help=told)
            action.add_argument("definition", metavar="KEY", help="key, or key@version")
            if name == "export":
                action.add_argument("--output", metavar="FILE", type=Path, help="write there instead of to stdout")
        action = actions.add_parser("what-if", help="what publishing a file would do")
        action.add_argument("file", metavar="FILE", type=Path, help="a definition as YAML")
        action.add_argument("--json", action="store_true", help="as JSON")
        add_backtest_arguments(actions.add_parser("backtest", help="how a definition would have done in the past"))
        learning.add_actions(actions)
        add_compare_arguments(actions.add_parser("compare", help="where two definitions put the same contacts"))
        publishing.add_actions(actions)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action, or fail with one line."""
        if (learned := learning.ACTIONS.get(options["action"])) is not None:
            learned(options, self.stdout)
            return
        action = {
            "list": self._list,
            "what-if": self._what_if,
            "compare": self._compare,
            "backtest": self._backtest,
        }.get(options["action"], self._show)
        try:
            if not publishing.act(options, self.stdout):
                action(options)
        except (CannotRun, DefinitionError, NotPublishable) as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        self.stdout.write("\n".join(_listed()))

    def _what_if(self, options: dict[str, Any]) -> None:
        document = publishing.read_file(options["file"])
        found = what_if(document, now=timezone.now())
        self.stdout.write(json.dumps(_as_json(found), indent=2) if options["json"] else "\n".join(_as_text(found)))

    def _backtest(self, options: dict[str, Any]) -> None:
        self.stdout.write(tell_backtest(options, now=timezone.now()))

    def _compare(self, options: dict[str, Any]) -> None:
        try:
            self.stdout.write(compare_from_shell(options))
        except Definition.DoesNotExist as error:
            raise CommandError(str(error)) from None

    def _show(self, options: dict[str, Any]) -> None:
        try:
            row = find_definition(options["definition"])
        except Definition.DoesNotExist as error:
            raise CommandError(str(error)) from None
        document = definition_document(row)
        if options["action"] == "show":
            self.stdout.write("\n".join(_told(row, document)))
        elif options["output"]:
            try:
                options["output"].write_text(dump_yaml(document), encoding="utf-8")
            except OSError as error:
                raise CommandError(f"{options['output']}: {error.strerror}") from error
        else:
            self.stdout.write(dump_yaml(document), ending="")


def _as_json(found: WhatIf) -> dict[str, Any]:
    return {
        "contacts": found.contacts,
        "moved": found.moved,
        "opens_handoffs": found.opens,
        "leaves_handoff_stages": found.withdraws,
        "matrix": [
            {
                "from": origin,
                "to": target,
                "contacts": number,
                "examples": [str(pk) for pk in found.examples.get((origin, target), [])],
            }
            for (origin, target), number in sorted(found.matrix.items())
        ],
    }


def _as_text(found: WhatIf) -> Iterator[str]:
    yield f"{found.moved:,} of {found.contacts:,} contacts would change their stage"
    for (origin, target), number in sorted(found.matrix.items()):
        if origin != target:
            yield f"  {number:>9,}  {origin} -> {target}"
    yield f"{found.opens:,} would be offered to Sales, {found.withdraws:,} would leave the stages that are"


def _listed() -> Iterator[str]:
    current, _ = published_definition()
    for row in Definition.objects.order_by("key", "version"):
        mark = "*" if row.pk == current.pk else " "
        yield f"{mark} {row.key}@{row.version}  {row.state}  {row.name}"


def _told(row: Definition, document: DefinitionDocument) -> Iterator[str]:
    yield f"{row.key}@{row.version} ({row.state}): {document.name}"
    yield document.description
    yield ""
    yield "Signals"
    for signal in document.signals:
        half_life = f"half-life {signal.half_life_days:g} days" if signal.half_life_days else "does not fade"
        yield f"  {signal.points:+g}  {signal.label} ({half_life})"
    yield from (f"  at most {group.cap:g}  {group.label}" for group in document.groups)
    yield f"Fit (threshold {document.fit_threshold:g})"
    yield from (f"  {rule.points:+g}  {rule.label}" for rule in document.fit.rules)
    yield "Gates"
    yield from (f"  {gate.label}: closed when {gate.attribute} is {gate.closed_when}" for gate in document.gates)
    yield "Stages, weakest first"
    for stage in document.stages:
        handoff = ", handed to Sales" if stage.handoff else ""
        yield f"  {stage.label} ({stage.key}; {stage.owner}{handoff}): {stage.description}"
        for name, tree in (("enter", stage.enter), ("keep", stage.keep)):
            if tree is not None:
                yield f"    {name}"
                yield from _tree(tree, document, depth=3)


def _tree(node: Criterion, document: DefinitionDocument, *, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}{describe(node, document)}"
    if is_branch(node) and node.not_ is None:
        for child in children_of(node):
            yield from _tree(child, document, depth=depth + 1)
