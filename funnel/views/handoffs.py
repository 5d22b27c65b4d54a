"""The rep's pages: the queue, their own prospects, one handoff, and what they do with it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from config.web.pages import page, person_of, safe_next
from config.web.ui import LedgerLine, TimelineDay
from funnel.enums import HandoffState
from funnel.errors import HandoffConflict
from funnel.forms import ReturnForm, WinForm
from funnel.models import Handoff
from funnel.permissions import check_see_handoffs
from funnel.selectors.detail import HandoffDetail, handoff_detail
from funnel.selectors.queue import COUNT_CAP, HandoffCard, handoffs_for_cards, make_cards
from funnel.selectors.queue import mine as list_mine
from funnel.selectors.queue import queue as list_queue
from funnel.services.handoffs import accept_handoff, claim_handoff, return_handoff, win_handoff
from scoring.selectors import stage_labels
from scoring.selectors.timeline import by_day, event_item
from scoring.views.why import ledger_line


@page(check_see_handoffs)
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """List unclaimed handoffs, the longest waiting first; the next page by ``after``."""
    after = request.GET.get("after", "")
    found = list_queue(user=person_of(request), after=int(after) if after.isdecimal() and len(after) < 19 else None)
    context = {
        "cards": found.cards,
        "labels": stage_labels(),
        "waiting": found.waiting,
        "more": found.waiting >= COUNT_CAP,
        "next_url": f"?after={found.next}" if found.next else "",
        "first_url": "?" if after else "",
    }
    return render(request, "funnel/queue.html", context)


@page(check_see_handoffs)
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """Show what this person has claimed, by state."""
    found = list_mine(user=person_of(request))
    columns = [
        ("Claimed", "Get in touch, then accept or return.", "hand", found.claimed),
        ("In conversation", "Stays open until an outcome is recorded.", "handshake", found.accepted),
        ("Closed lately", "", "circle-check", found.closed),
    ]
    context = {"columns": columns, "labels": stage_labels(), "any": any(cards for *_, cards in columns)}
    return render(request, "funnel/mine.html", context)


@page(check_see_handoffs)
@require_safe
def handoff(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Show one handoff: evidence, contact, questions, suggested calls to action, conversation, and what to do."""
    return _show(request, handoff_id)


@page(check_see_handoffs)
@require_POST
def claim(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Claim a handoff. A lost claim says who won; with htmx in the card itself, else on the queue."""
    person = person_of(request)
    taken: HandoffConflict | None = None
    try:
        claim_handoff(handoff_id=handoff_id, by=person, now=timezone.now())
    except Handoff.DoesNotExist as error:
        raise Http404("No such handoff.") from error
    except HandoffConflict as conflict:
        taken = conflict
    if request.htmx:  # type: ignore[attr-defined]  # set by its middleware
        card = _card(handoff_id, request)
        context = {"card": card, "labels": stage_labels(), "taken": taken, "fresh": True, "user": person}
        return render(request, "funnel/claimed.html", context)
    if taken is None:
        messages.success(request, "Claimed. Get in touch, then accept or return.")
        return redirect("handoff", handoff_id)
    messages.warning(request, taken.message)
    return redirect(safe_next(request, "/queue/"))


@page(check_see_handoffs)
@require_POST
def accept(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Accept a claimed handoff and stay on its page."""
    return _act(
        request,
        handoff_id,
        lambda: accept_handoff(handoff_id=handoff_id, by=person_of(request), now=timezone.now()),
        done="Accepted. The conversation stays open until you record its outcome.",
    )


@page(check_see_handoffs)
@require_POST
def hand_back(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Return a handoff to Marketing with a reason; a form that says too little comes back with its words."""
    form = ReturnForm(request.POST, prefix="return")
    if not form.is_valid():
        return _show(request, handoff_id, return_form=form, status=422)
    return _act(
        request,
        handoff_id,
        lambda: return_handoff(handoff_id=handoff_id, by=person_of(request), now=timezone.now(), **form.cleaned_data),
        done="Returned to Marketing, with the reason on record.",
    )


@page(check_see_handoffs)
@require_POST
def win(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Close a handoff as won; a form without a note comes back."""
    form = WinForm(request.POST, prefix="win")
    if not form.is_valid():
        return _show(request, handoff_id, win_form=form, status=422)
    return _act(
        request,
        handoff_id,
        lambda: win_handoff(
            handoff_id=handoff_id, by=person_of(request), note=form.cleaned_data["note"], now=timezone.now()
        ),
        done="Won. The contact becomes a customer with the next judgement, within seconds.",
    )


def _act(request: HttpRequest, handoff_id: int, action: Callable[[], Handoff], *, done: str) -> HttpResponse:
    """Run a move and go to the handoff's page with what came of it."""
    try:
        action()
    except Handoff.DoesNotExist as error:
        raise Http404("No such handoff.") from error
    except HandoffConflict as conflict:
        messages.warning(request, conflict.message)
    except PermissionDenied as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("handoff", handoff_id)


def _card(handoff_id: int, request: HttpRequest) -> HandoffCard:
    (card,) = make_cards([handoffs_for_cards().get(pk=handoff_id)], user=person_of(request))
    return card


def _show(
    request: HttpRequest,
    handoff_id: int,
    *,
    return_form: ReturnForm | None = None,
    win_form: WinForm | None = None,
    status: int = 200,
) -> HttpResponse:
    now = timezone.now()
    try:
        detail = handoff_detail(handoff_id=handoff_id, user=person_of(request))
    except Handoff.DoesNotExist as error:
        raise Http404("No such handoff.") from error
    context = {
        "detail": detail,
        "handoff": detail.handoff,
        "contact": detail.card.contact,
        "labels": stage_labels(),
        "moves": [move.name for move in detail.card.moves],
        "days": _log_days(detail, now=now),
        "return_form": return_form or ReturnForm(prefix="return"),
        "win_form": win_form or WinForm(prefix="win"),
        "return_open": return_form is not None,
        "win_open": win_form is not None,
        "open_questions": detail.card.questions,
        **_evidence(detail.handoff),
    }
    return render(request, "funnel/handoff.html", context, status=status)


def _log_days(detail: HandoffDetail, *, now: datetime) -> list[TimelineDay]:
    return by_day((event_item(event) for event in detail.log), now=now)


def _evidence(row: Handoff) -> dict[str, Any]:
    """Unpack the evidence that was frozen with the offer."""
    evidence = row.evidence if isinstance(row.evidence, dict) else {}
    lines: list[LedgerLine] = [ledger_line(line) for line in evidence.get("lines", [])]
    return {
        "sentence": evidence.get("sentence", ""),
        "evidence_version": evidence.get("definition", "").replace("@", " v"),
        "lines": lines,
        "lines_total": sum(line.total for line in lines),
        "engagement": round(evidence.get("engagement", 0) * 1_000),
        "fit": round(evidence.get("fit", 0) * 1_000),
        "won": row.state == HandoffState.WON,
    }
