"""``manage.py definition``: definitions from the shell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scoring.definition import Criterion, DefinitionDocument, dump_yaml
from scoring.definition.document import children_of, is_branch
from scoring.models import Definition
from scoring.selectors import definition_document, find_definition, published_definition
from scoring.wording import describe


class Command(BaseCommand):
    """List, show and export definitions."""

    help = "Definitions from the shell: list them, show one in words, export one as YAML."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare one sub-command for each action."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="all definitions and versions, the one in force marked with *")
        for name, told in (("show", "one definition in words"), ("export", "one definition as YAML")):
            action = actions.add_parser(name, help=told)
            action.add_argument("definition", metavar="KEY", help="key, or key@version")
            if name == "export":
                action.add_argument("--output", metavar="FILE", type=Path, help="write there instead of to stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action, or fail with one line."""
        if options["action"] == "list":
            self.stdout.write("\n".join(_listed()))
            return
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
