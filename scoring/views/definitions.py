"""Definitions in plain language, and as the file they are."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from config.web.pages import page
from contacts.permissions import can_edit_definitions, check_see_definitions
from scoring.changes import changes_between
from scoring.definition import dump_yaml
from scoring.ideas import idea_of
from scoring.models import Definition, Publication
from scoring.selectors import definition_document
from scoring.selectors.learned import open_notices
from scoring.selectors.versions import definitions_with_versions, former_version
from scoring.views.definition_head import head_of, in_force_id
from scoring.views.plain import PlainFitRule, plain_signal, plain_stage
from scoring.wording import describe_match, describe_test


@page(check_see_definitions)
@require_safe
def definitions(request: HttpRequest) -> HttpResponse:
    """List all definitions with their versions; the one in force first."""
    context = {
        "groups": [(group, idea_of(group.key)) for group in definitions_with_versions()],
        "in_force": in_force_id(),
        "notices": open_notices(),
        "may_edit": can_edit_definitions(request.user),
        "import_url": reverse("definition-import"),
    }
    return render(request, "scoring/definitions.html", context)


@page(check_see_definitions)
@require_safe
def definition(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Show one version in plain language."""
    row = get_object_or_404(Definition, pk=definition_id)
    document = definition_document(row)
    publications = Publication.objects.filter(definition=row).select_related("published_by").order_by("-effective_at")
    former = former_version(row)
    context = {
        **head_of(row, tab="definition"),
        "idea": idea_of(row.key) if row.version == 1 else "",
        "former": former,
        "changes": changes_between(definition_document(former), document) if former else [],
        "may_edit": can_edit_definitions(request.user),
        "edit_url": reverse("definition-edit", args=[row.pk]),
        "discard_url": reverse("definition-discard", args=[row.pk]),
        "document": document,
        "cool_down_days": 1 if document.cool_down.days == 1 else 2,
        "publications": publications,
        "stages": [plain_stage(stage, document) for stage in reversed(document.stages)],
        "signals": [plain_signal(signal, document) for signal in document.signals],
        "fit_rules": [
            PlainFitRule(rule.label, describe_test(rule.test), round(rule.points * 1_000))
            for rule in document.fit.rules
        ],
        "evidence": [
            (item.label, [describe_match(match) for match in item.any_of]) for item in document.evidence.values()
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
