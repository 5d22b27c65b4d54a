"""The funnel at one look."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from config.web import charts
from config.web.icons import stage_icon
from config.web.pages import page, person_of
from config.web.sankey import sankey
from contacts.permissions import check_view_contacts
from contacts.selectors.browse import count_stages
from funnel.analytics import Period, Segment
from funnel.selectors.figures import report
from funnel.selectors.first_steps import checklist_of
from funnel.selectors.health import handoff_health
from funnel.selectors.stays import median_stays
from funnel.services.figures_csv import ARRIVAL
from funnel.views.welcome import lead_to_first_steps
from scoring.selectors import published_definition
from scoring.selectors.moves import entries_by_week, freshness, recent_moves
from scoring.selectors.timeline import cause_of, sentence_case

_COUNT_CAP = 100_000
_WEEKS = 10
_MOVES_SHOWN = 12
_FLOW_DAYS = 30


@dataclass(frozen=True, slots=True)
class StageCard:
    """A stage: its number of contacts, how that changed in the last seven days, and the median stay in seconds.

    ``change`` is signed, as text; ``median`` is None where nobody left it lately.
    """

    key: str
    label: str
    icon: str
    count: int
    more: bool
    change: str
    median: float | None


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
    checklist = checklist_of(person_of(request))
    way = lead_to_first_steps(request, checklist)
    if way is not None:
        return way
    now = timezone.now()
    definition, document = published_definition()
    labels: dict[str, str] = {stage.key: stage.label for stage in document.stages}
    counts = count_stages(stages=list(labels), cap=_COUNT_CAP)
    weeks = entries_by_week(now=now, weeks=_WEEKS, stages=list(labels))
    today = now.astimezone(UTC).date()
    week = report(period=Period(today - timedelta(days=6), today), segment=Segment())
    month = report(period=Period(today - timedelta(days=_FLOW_DAYS - 1), today), segment=Segment())
    changes = {stage.key: stage.after - stage.before for stage in week.stages}
    stays = median_stays()
    series = [charts.Series(key, label, weeks.counts[key]) for key, label in list(labels.items())[1:]]
    health = handoff_health(now=now)
    rank = {key: index for index, key in enumerate(labels)}
    context = {
        "checklist": checklist,
        "cards": [
            StageCard(
                item.key,
                labels[item.key],
                stage_icon(item.key),
                item.count,
                item.more,
                _signed(changes.get(item.key, 0)),
                stays.get(item.key),
            )
            for item in counts
        ],
        "columns": charts.columns(weeks.labels, series),
        "health": health,
        "reasons": charts.bars(
            [("", label, count, f"{_behind('returned')}&reason={key}") for label, key, count in health.reasons]
        ),
        "in_hand_url": f"{reverse('funnel-handoffs')}?period=all&figure=in_hand",
        "behind": {name: _behind(name) for name in ("offered", "returned", "won")},
        "flows": sankey(labels, [(one.origin, one.target, one.moves) for one in month.flows], arrival=ARRIVAL),
        "flow_rows": [one for one in month.flows if one.moves],
        "flow_days": _FLOW_DAYS,
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


def _signed(change: int) -> str:
    """A change with its sign; nothing is written as such."""
    if not change:
        return "no change"
    return f"+{change:,}" if change > 0 else f"\N{MINUS SIGN}{-change:,}"


def _behind(figure: str) -> str:
    """Where the handoffs behind a figure of the health block are listed."""
    return f"{reverse('funnel-handoffs')}?period=30d&figure={figure}"
