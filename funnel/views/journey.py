"""A contact's journey: every stage held and every handoff."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from config.web.formats import format_duration
from config.web.pages import page
from contacts.permissions import check_view_contacts
from contacts.selectors.pins import pins_of
from funnel.selectors.chain import MoveStep
from funnel.selectors.journey import StageStep, contact_journey
from funnel.views.sequences.of_contact import sequences_of
from scoring.selectors.timeline import cause_of, sentence_case
from scoring.views.contact_head import contact_tabs, header_or_404


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage held: from when, until when (None: still), for how long, why, under which version."""

    stage: str
    label: str
    at: datetime
    until: datetime | None
    length: str
    cause: str
    version: str
    corrected: bool


@page(check_view_contacts)
@require_safe
def journey(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Show stages, handoffs and sequences, newest first, corrections struck through."""
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    found = contact_journey(contact_id=contact_id)
    labels: dict[str, str] = {stage.key: stage.label for stage in header.document.stages}
    stages = [_stage_row(step, labels, now) for step in found.steps if isinstance(step, StageStep)]
    handoffs = [step for step in found.steps if isinstance(step, MoveStep)]
    context = {
        "header": header,
        "tabs": contact_tabs(contact_id, "journey"),
        "stages": stages[::-1],
        "handoffs": handoffs[::-1],
        "pins": [(pin, labels.get(pin.stage, pin.stage)) for pin in pins_of(contact_id, at=now)],
        "truncated": found.truncated,
        **sequences_of(contact_id, stage=header.standing.stage if header.standing else "", user=request.user),
    }
    return render(request, "funnel/journey.html", context)


def _stage_row(step: StageStep, labels: dict[str, str], now: datetime) -> StageRow:
    change = step.transition
    return StageRow(
        stage=change.to_stage,
        label=labels.get(change.to_stage, change.to_stage),
        at=step.at,
        until=step.until,
        length="" if step.corrected else format_duration((step.until or now) - step.at),
        cause=sentence_case(cause_of(change)),
        version=f"{change.definition.key} v{change.definition.version}",
        corrected=step.corrected,
    )
