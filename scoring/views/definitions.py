"""Definitions in plain language, and as the file they are."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from config.web.pages import page
from contacts.permissions import check_see_definitions
from scoring.definition import AttributeTest, Criterion, DefinitionDocument, Match, Signal, Stage, dump_yaml
from scoring.definition.document import children_of
from scoring.models import Definition, Publication
from scoring.selectors import definition_document
from scoring.views.definition_head import head_of, in_force_id
from scoring.wording import describe, describe_test, kind_phrase


@dataclass(frozen=True, slots=True)
class PlainNode:
    """A criterion in words with those below it."""

    text: str
    children: tuple["PlainNode", ...]


@dataclass(frozen=True, slots=True)
class PlainStage:
    """A stage with its criteria in words; None where it has none."""

    stage: Stage
    enter: PlainNode | None
    keep: PlainNode | None


@dataclass(frozen=True, slots=True)
class PlainSignal:
    """A signal in words."""

    signal: Signal
    counts: str
    group: str

    @property
    def millipoints(self) -> int:
        """The points in thousandths."""
        return round(self.signal.points * 1_000)


@dataclass(frozen=True, slots=True)
class PlainFitRule:
    """A fit rule in words."""

    label: str
    test: str
    millipoints: int


@page(check_see_definitions)
@require_safe
def definitions(request: HttpRequest) -> HttpResponse:
    """List all definitions with their versions; the one in force first."""
    in_force = in_force_id()
    rows = list(Definition.objects.select_related("created_by").order_by("key", "-version"))
    rows.sort(key=lambda row: row.pk != in_force)
    return render(request, "scoring/definitions.html", {"rows": rows, "in_force": in_force})


@page(check_see_definitions)
@require_safe
def definition(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Show one version in plain language."""
    row = get_object_or_404(Definition, pk=definition_id)
    document = definition_document(row)
    publications = Publication.objects.filter(definition=row).select_related("published_by").order_by("-effective_at")
    context = {
        **head_of(row, tab="definition"),
        "document": document,
        "publications": publications,
        "stages": [_plain_stage(stage, document) for stage in reversed(document.stages)],
        "signals": [_plain_signal(signal, document) for signal in document.signals],
        "fit_rules": [
            PlainFitRule(rule.label, describe_test(rule.test), round(rule.points * 1_000))
            for rule in document.fit.rules
        ],
        "evidence": [
            (item.label, [_plain_match(match) for match in item.any_of]) for item in document.evidence.values()
        ],
    }
    return render(request, "scoring/definition.html", context)


@page(check_see_definitions)
@require_safe
def definition_yaml(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Download one version as YAML; reading it back gives an equal definition."""
    row = get_object_or_404(Definition, pk=definition_id)
    response = HttpResponse(dump_yaml(definition_document(row)), content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{row.key}-v{row.version}.yaml"'
    return response


def _plain_stage(stage: Stage, document: DefinitionDocument) -> PlainStage:
    return PlainStage(
        stage=stage,
        enter=_plain_node(stage.enter, document) if stage.enter else None,
        keep=_plain_node(stage.keep, document) if stage.keep else None,
    )


def _plain_node(node: Criterion, document: DefinitionDocument) -> PlainNode:
    below = () if node.not_ is not None else children_of(node)
    return PlainNode(describe(node, document), tuple(_plain_node(child, document) for child in below))


def _plain_signal(signal: Signal, document: DefinitionDocument) -> PlainSignal:
    if signal.count.once:
        counts = "the first"
    elif signal.count.latest is not None:
        counts = f"the latest {signal.count.latest}"
    else:
        counts = "every one"
    caps = {group.key: f"{group.label}, at most {group.cap:g}" for group in document.groups}
    return PlainSignal(signal, counts, caps.get(signal.group, ""))


def _plain_match(match: Match) -> str:
    """Say which events are meant: ``the contact asked for a demo or asked for a price``."""
    parts = []
    if match.kinds:
        parts.append(" or ".join(kind_phrase(kind) for kind in match.kinds))
    if match.initiator:
        parts.append(f"begun by {match.initiator}")
    if match.reach:
        parts.append(f"one-to-{match.reach}")
    if match.two_way is not None:
        parts.append("two-way" if match.two_way else "one-way")
    for name, test in match.properties.items():
        if test.present is not None:
            parts.append(f"{name} is {'' if test.present else 'not '}named")
        else:
            parts.append(describe_test(AttributeTest(name=name, equals=test.equals, one_of=test.one_of)))
    return ", ".join(parts)
