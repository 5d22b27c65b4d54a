"""The funnel at one look."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from config.web import charts
from config.web.icons import stage_icon
from config.web.pages import page
from contacts.permissions import check_view_contacts
from contacts.selectors.browse import count_stages
from funnel.selectors.health import handoff_health
from scoring.selectors import published_definition
from scoring.selectors.moves import entries_by_week, freshness, recent_moves
from scoring.selectors.timeline import cause_of, sentence_case

_COUNT_CAP = 100_000
_WEEKS = 10
_MOVES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class StageCard:
    """A stage with its number of contacts and how many entered it in the last seven days."""

    key: str
    label: str
    icon: str
    count: int
    more: bool
    entered: int


@dataclass(frozen=True, slots=True)
class Move:
    """A recent change of stage, ready to be shown."""

    contact_id: int
    name: str
    stage_from: str
    stage_to: str
    rising: bool
    cause: str
    at: datetime


@page(check_view_contacts)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show stages, entries by week, handoff health, freshness and the latest moves; a fixed number of queries."""
    now = timezone.now()
    definition, document = published_definition()
    labels: dict[str, str] = {stage.key: stage.label for stage in document.stages}
    counts = count_stages(stages=list(labels), cap=_COUNT_CAP)
    weeks = entries_by_week(now=now, weeks=_WEEKS, stages=list(labels))
    entered = {key: values[-1] for key, values in weeks.counts.items()}
    series = [charts.Series(key, label, weeks.counts[key]) for key, label in list(labels.items())[1:]]
    health = handoff_health(now=now)
    rank = {key: index for index, key in enumerate(labels)}
    context = {
        "cards": [
            StageCard(item.key, labels[item.key], stage_icon(item.key), item.count, item.more, entered[item.key])
            for item in counts
        ],
        "columns": charts.columns(weeks.labels, series),
        "health": health,
        "reasons": charts.bars([("", label, count, "") for label, _, count in health.reasons]),
        "fresh": freshness(),
        "definition": definition,
        "labels": labels,
        "moves": [
            Move(
                contact_id=change.contact_id,
                name=change.contact.display_name,
                stage_from=change.from_stage,
                stage_to=change.to_stage,
                rising=rank.get(change.to_stage, 0) > rank.get(change.from_stage, -1),
                cause=sentence_case(cause_of(change)),
                at=change.effective_at,
            )
            for change in recent_moves(limit=_MOVES_SHOWN)
        ],
        "empty": not any(item.count for item in counts),
    }
    return render(request, "funnel/overview.html", context)
