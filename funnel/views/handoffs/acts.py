"""What people do with a handoff: each a plain POST that leads back to its page, whatever came of it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from config.web.pages import add_errors, page, person_of, safe_next
from funnel.errors import HandoffConflict
from funnel.forms import OutcomeForm, ReleaseForm, ReturnForm, WinForm
from funnel.models import Handoff
from funnel.permissions import check_lead_handoffs, check_see_handoffs
from funnel.selectors.cards import HandoffCard, handoffs_for_cards, make_cards
from funnel.selectors.working import sales_settings
from funnel.services.claiming import claim_handoff, reassign_handoff, take_over_handoff
from funnel.services.handoffs import accept_handoff, return_handoff, win_handoff
from funnel.services.outcomes import record_outcome
from funnel.services.releasing import release_handoff
from funnel.views.handoffs.page import reassign_form, show
from scoring.selectors import stage_labels


@page(check_see_handoffs)
@require_POST
def claim(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Claim a handoff. A lost claim says who won; with htmx in the card itself, else on the queue."""
    person, now = person_of(request), timezone.now()
    taken: HandoffConflict | None = None
    try:
        claim_handoff(handoff_id=handoff_id, by=person, now=now)
    except Handoff.DoesNotExist as error:
        raise Http404("No such handoff.") from error
    except HandoffConflict as conflict:
        taken = conflict
    if request.htmx:  # type: ignore[attr-defined]  # set by its middleware
        card = _card(handoff_id, person, now)
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
        accept_handoff,
        done="Accepted: it qualifies. The conversation stays open until you record how it ends.",
    )


@page(check_see_handoffs)
@require_POST
def outcome(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Record an interim result and the date to go on."""
    form = OutcomeForm(request.POST, prefix="outcome", now=timezone.now())
    return _act(request, handoff_id, record_outcome, form=form, name="outcome", done="Recorded. It stays open.")


@page(check_see_handoffs)
@require_POST
def hand_back(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Return a handoff to Marketing with a reason; a form that says too little comes back with its words."""
    form = ReturnForm(request.POST, prefix="return")
    done = "Returned to Marketing, with the reason on record."
    return _act(request, handoff_id, return_handoff, form=form, name="return", done=done)


@page(check_see_handoffs)
@require_POST
def win(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Close a handoff as won; a form without a note comes back."""
    form = WinForm(request.POST, prefix="win")
    done = "Won. The contact becomes a customer with the next judgement, within seconds."
    return _act(request, handoff_id, win_handoff, form=form, name="win", done=done)


@page(check_see_handoffs)
@require_POST
def release(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Put a handoff back into the queue."""
    form = ReleaseForm(request.POST, prefix="release")
    done = "Released: it is in the queue again."
    return _act(request, handoff_id, release_handoff, form=form, name="release", done=done)


@page(check_lead_handoffs)
@require_POST
def take_over(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Take a handoff over; for those who lead Sales."""
    return _act(request, handoff_id, take_over_handoff, done="It is yours now.")


@page(check_lead_handoffs)
@require_POST
def reassign(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Give a handoff to another rep; for those who lead Sales."""
    now = timezone.now()
    try:
        form = reassign_form(Handoff.objects.get(pk=handoff_id), request.POST, now=now)
    except Handoff.DoesNotExist as error:
        raise Http404("No such handoff.") from error
    if not form.is_valid():
        return show(request, handoff_id, reassign=form)
    given = form.cleaned_data
    to = User.objects.get(pk=given["rep"])

    def reassigned(**about: Any) -> Handoff:
        return reassign_handoff(to=to, override=given["override"], note=given["note"], **about)

    return _act(request, handoff_id, reassigned, done=f"It is {to.get_full_name() or to.email}'s now.")


def _act(
    request: HttpRequest,
    handoff_id: int,
    action: Callable[..., Handoff],
    *,
    done: str,
    form: Form | None = None,
    name: str = "",
) -> HttpResponse:
    """Run a move with what its form says and go to the handoff's page with what came of it."""
    if form is not None and not form.is_valid():
        return show(request, handoff_id, **{name: form})
    given = form.cleaned_data if form is not None else {}
    try:
        action(handoff_id=handoff_id, by=person_of(request), now=timezone.now(), **given)
    except Handoff.DoesNotExist as error:
        raise Http404("No such handoff.") from error
    except ValidationError as error:
        if form is None:
            messages.error(request, " ".join(error.messages))
            return redirect("handoff", handoff_id)
        add_errors(form, error)
        return show(request, handoff_id, **{name: form})
    except HandoffConflict as conflict:
        messages.warning(request, conflict.message)
    except PermissionDenied as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("handoff", handoff_id)


def _card(handoff_id: int, person: User, now: datetime) -> HandoffCard:
    rows = [handoffs_for_cards().get(pk=handoff_id)]
    (card,) = make_cards(rows, user=person, now=now, stale_days=sales_settings().stale_days)
    return card
