"""One handoff with all that is known of it, and the forms of what may be done."""

from datetime import datetime
from math import ceil
from typing import Any

from django.contrib.auth.models import User
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from config.web.pages import page, person_of
from config.web.ui import LedgerLine
from contacts.forms import local_now
from funnel.conversation import Activity
from funnel.enums import OPEN_STATES, MoveName
from funnel.forms import ActivityForm, OutcomeForm, ReassignForm, ReleaseForm, ReturnForm, WinForm
from funnel.models import Handoff
from funnel.permissions import can_work_handoff, check_see_handoffs
from funnel.selectors.detail import handoff_detail
from funnel.selectors.reps import reps_to_choose
from funnel.services.suggestions import common_hindrance, suggest_calls
from funnel.views.handoffs.tokens import form_id_of
from scoring.selectors import published_definition, stage_labels
from scoring.selectors.timeline import by_day, event_item
from scoring.views.why import ledger_line


@page(check_see_handoffs)
@require_safe
def handoff(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Show one handoff: evidence, contact, questions, calls to action, conversation, its chain, and what to do."""
    return show(request, handoff_id)


def show(request: HttpRequest, handoff_id: int, **refused: Form) -> HttpResponse:
    """Show the page; ``refused`` are forms by name that came back, with what is wrong with them."""
    now, person = timezone.now(), person_of(request)
    try:
        detail = handoff_detail(handoff_id=handoff_id, user=person, now=now)
    except Handoff.DoesNotExist as error:
        raise Http404("No such handoff.") from error
    moves = [str(move.name) for move in detail.card.moves]
    row = detail.handoff
    calls = suggest_calls(detail.card.contact, offered_in=row.stage, by=person, now=now)
    context = {
        "detail": detail,
        "card": detail.card,
        "handoff": row,
        "contact": detail.card.contact,
        "labels": stage_labels(),
        "moves": moves,
        "days": by_day((event_item(event) for event in detail.log), now=now),
        "calls": calls,
        "hindrance": common_hindrance(calls),
        "may_log": row.state in OPEN_STATES and can_work_handoff(person, row),
        "form_id": form_id_of(request),
        "open": frozenset(refused),
        "forms": {**_forms(row, moves, person=person, now=now), **refused},
        "cool_down": ceil(published_definition()[1].cool_down.days),
        **_evidence(row),
    }
    # A part of the page that htmx asked for is swapped in whatever it says; alone it is what the form's refusal is.
    status = 422 if refused and not request.htmx else 200  # type: ignore[attr-defined]  # set by its middleware
    return render(request, "funnel/handoff.html", context, status=status)


def reassign_form(handoff: Handoff, data: Any = None, *, now: datetime) -> ReassignForm:
    """Make the form that gives a handoff to another, with everybody who may get it."""
    reps = [(rep.person.pk, rep.label) for rep in reps_to_choose(now=now) if rep.person.pk != handoff.claimed_by_id]
    return ReassignForm(data, prefix="reassign", reps=reps)


def _forms(row: Handoff, moves: list[str], *, person: User, now: datetime) -> dict[str, Form]:
    forms: dict[str, Form] = {
        "log": ActivityForm(
            prefix="log",
            now=now,
            initial={
                "kind": Activity.CALL_CONNECTED.value,
                "occurred_at": local_now(now),
                "with_person": person.get_full_name() or person.email,
            },
        ),
        "outcome": OutcomeForm(prefix="outcome", now=now),
        "return": ReturnForm(prefix="return"),
        "win": WinForm(prefix="win"),
        "release": ReleaseForm(prefix="release"),
    }
    if MoveName.REASSIGN in moves:
        forms["reassign"] = reassign_form(row, now=now)
    return forms


def _evidence(row: Handoff) -> dict[str, Any]:
    """Unpack the evidence that was frozen with the offer."""
    evidence = row.evidence if isinstance(row.evidence, dict) else {}
    lines: list[LedgerLine] = [ledger_line(line) for line in evidence.get("lines", [])]
    return {
        "sentence": evidence.get("sentence", ""),
        "evidence_version": evidence.get("definition", "").replace("@", " v"),
        "lines": lines,
        "lines_total": sum(line.total for line in lines),
    }
