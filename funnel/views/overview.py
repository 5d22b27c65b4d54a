"""The funnel at one look."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from config.web import charts
from config.web.formats import format_date, format_number
from config.web.icons import stage_icon
from config.web.live import is_live, live_answer
from config.web.pages import page, person_of
from config.web.sankey import sankey
from contacts.permissions import ADMINS, check_view_contacts, roles_of
from funnel.analytics import Period
from funnel.selectors.figures import flows
from funnel.selectors.first_steps import checklist_of
from funnel.selectors.health import handoff_health
from funnel.selectors.proofs import STALE_AFTER, latest
from funnel.selectors.stays import median_stays
from funnel.selectors.weekly import StageWeeks, Weeks, stages_by_week
from funnel.services.figures_csv import ARRIVAL
from funnel.views.welcome import lead_to_first_steps
from scoring.models import Definition
from scoring.selectors import published_definition
from scoring.selectors.moves import freshness, recent_moves
from scoring.selectors.timeline import cause_of, sentence_case

_WEEKS: Final = 10
_MOVES_SHOWN: Final = 6
_FLOW_DAYS: Final = 30
# Facts are judged within a second; one that waits so long waits for a worker that does not come.
_STUCK: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class StageCard:
    """A stage with its weeks, and where the contacts behind its numbers are listed.

    ``median`` is the median stay in seconds, None where nobody left it lately.
    """

    weeks: StageWeeks
    label: str
    icon: str
    median: float | None
    trend: str
    entered_url: str
    left_url: str


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
def overview(request: HttpRequest) -> HttpResponseBase:
    """Show stages, entries by week, handoff health, freshness and the latest moves; a fixed number of queries."""
    now = timezone.now()
    definition, document = published_definition()
    labels: dict[str, str] = {stage.key: stage.label for stage in document.stages}
    if is_live(request):
        weeks = stages_by_week(now=now, weeks=_WEEKS, stages=list(labels))
        context = _pulse(request, now, definition, labels, weeks)
        return live_answer(request, render_to_string("funnel/overview_pulse.html", context, request))
    checklist = checklist_of(person_of(request))
    way = lead_to_first_steps(request, checklist)
    if way is not None:
        return way
    weeks = stages_by_week(now=now, weeks=_WEEKS, stages=list(labels))
    today = now.astimezone(UTC).date()
    month = flows(period=Period(today - timedelta(days=_FLOW_DAYS - 1), today))
    rank = {key: index for index, key in enumerate(labels)}
    pulse = _pulse(request, now, definition, labels, weeks)
    context = {
        **pulse,
        "checklist": checklist,
        "columns": charts.columns(
            [format_date(first, today=today) for first, _ in weeks.days],
            [charts.Series(stage.key, labels[stage.key], stage.entries) for stage in weeks.stages[1:]],
            urls=[
                [_people(first, min(last, today), to_stage=stage.key) for stage in weeks.stages[1:]]
                for first, last in weeks.days
            ],
        ),
        "reasons": charts.bars(
            [("", label, count, f"{_behind('returned')}&reason={key}") for label, key, count in pulse["health"].reasons]
        ),
        "flows": sankey(labels, [(one.origin, one.target, one.moves) for one in month], arrival=gettext(ARRIVAL)),
        "flow_rows": [one for one in month if one.moves],
        "flow_days": _FLOW_DAYS,
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
        "empty": not any(stage.count for stage in weeks.stages),
    }
    return render(request, "funnel/overview.html", context)


def _pulse(
    request: HttpRequest, now: datetime, definition: Definition, labels: Mapping[str, str], weeks: Weeks
) -> dict[str, Any]:
    """What of the page keeps itself up to date: freshness, stages, handoffs."""
    proof = latest() if roles_of(person_of(request)) & ADMINS else None
    fresh = freshness()
    stays = median_stays()
    today = now.astimezone(UTC).date()
    since = today - timedelta(days=6)
    return {
        "fresh": fresh,
        "stuck": fresh.oldest is not None and now - fresh.oldest > _STUCK,
        "proof": proof,
        "proof_stale": proof is not None and now - proof.checked_at > STALE_AFTER,
        "definition": definition,
        "labels": labels,
        "cards": [
            StageCard(
                weeks=stage,
                label=labels[stage.key],
                icon=stage_icon(stage.key),
                median=stays.get(stage.key),
                trend=_trend(stage),
                entered_url=_people(since, today, to_stage=stage.key),
                left_url=_people(since, today, from_stage=stage.key),
            )
            for stage in weeks.stages
        ],
        "health": handoff_health(now=now),
        "in_hand_url": f"{reverse('funnel-handoffs')}?period=all&figure=in_hand",
        "behind": {name: _behind(name) for name in ("offered", "claimed", "returned", "won")},
    }


def _trend(stage: StageWeeks) -> str:
    """What the sparkline shows, in words."""
    return ngettext(
        "%(first)s at the end of the first week shown, %(last)s now",
        "%(first)s at the end of the first of %(weeks)s weeks, %(last)s now",
        len(stage.standing),
    ) % {
        "first": format_number(stage.standing[0]),
        "last": format_number(stage.count),
        "weeks": format_number(len(stage.standing)),
    }


def _people(first: date, last: date, **stages: str) -> str:
    """Where those who moved on these days are listed."""
    return f"{reverse('funnel-people')}?{urlencode({'from': first, 'to': last, 'number': 'moves', **stages})}"


def _behind(figure: str) -> str:
    """Where the handoffs behind a figure of the health block are listed."""
    return f"{reverse('funnel-handoffs')}?period=30d&figure={figure}"
