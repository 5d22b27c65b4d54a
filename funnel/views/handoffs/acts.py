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
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from config.web.pages import add_errors, page, person_of, safe_next
from funnel.errors import HandoffConflict
from funnel.forms import OutcomeForm, ReleaseForm, ReturnForm, WinForm
from funnel.models import Handoff
from funnel.permissions import check_lead_handoffs, check_see_handoffs
from funnel.selectors.cards import HandoffCard, handoffs_for_cards, make_cards
from funnel.selectors.working import sales_settings
from funnel.services.claiming import claim_handoff, reassign_handoff, take_over_handoff
from funnel.services.claiming import claim_next as claim_first
from funnel.services.handoffs import accept_handoff, return_handoff, win_handoff
from funnel.services.outcomes import record_outcome
from funnel.services.releasing import release_handoff
from funnel.views.handoffs.lists import queue_row
from funnel.views.handoffs.page import reassign_form, show


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
        if taken is not None:
            return queue_row(request, card, refused=taken.message, said=taken.message, tone="warn")
        return queue_row(request, card, said=gettext("Claimed. It is under My prospects now."), tone="good")
    if taken is None:
        messages.success(request, gettext("Claimed. Get in touch, then accept or return."))
        return redirect("handoff", handoff_id)
    messages.warning(request, taken.message)
    return redirect(safe_next(request, "/queue/"))


@page(check_see_handoffs)
@require_POST
def claim_next(request: HttpRequest) -> HttpResponse:
    """Claim the queue's next card and go to its page; ``kept=me``: the next of those that are kept for oneself.

    Where there is none, or no room for it, the queue says so.
    """
    only_kept = request.POST.get("kept", "") == "me"
    try:
        handoff_id = claim_first(by=person_of(request), only_kept=only_kept, now=timezone.now())
    except HandoffConflict as conflict:
        messages.warning(request, conflict.message)
        target = "/queue/?kept=me" if only_kept else "/queue/"
    else:
        messages.success(request, gettext("Claimed. Get in touch, then accept or return."))
        target = reverse("handoff", args=[handoff_id])
    # By htmx for its button's sake alone, which a second click does not press.
    return HttpResponseClientRedirect(target) if request.htmx else redirect(target)  # type: ignore[attr-defined]


@page(check_see_handoffs)
@require_POST
def accept(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Accept a claimed handoff and stay on its page."""
    return _act(
        request,
        handoff_id,
        accept_handoff,
        done=gettext("Accepted: it qualifies. The conversation stays open until you record how it ends."),
    )


@page(check_see_handoffs)
@require_http_methods(["GET", "HEAD", "POST"])
def outcome(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Record an interim result and the date to go on.

    Asked for by htmx it is the form alone, which one's own prospects show in place (``place=mine``); else its page.
    """
    in_place = bool(request.htmx)  # type: ignore[attr-defined]  # set by its middleware
    if request.method != "POST":
        if not in_place:
            return redirect(f"{reverse('handoff', args=[handoff_id])}?do=outcome#outcome")
        form = OutcomeForm(prefix="outcome", auto_id=_ids(handoff_id), now=timezone.now())
        return _outcome_in_place(request, handoff_id, form)
    if in_place and request.POST.get("place") == "mine":
        form = OutcomeForm(request.POST, prefix="outcome", auto_id=_ids(handoff_id), now=timezone.now())
        if not form.is_valid():
            return _outcome_in_place(request, handoff_id, form)
        _act(request, handoff_id, record_outcome, form=form, name="outcome", done=gettext("Recorded. It stays open."))
        return HttpResponseClientRefresh()
    form = OutcomeForm(request.POST, prefix="outcome", now=timezone.now())
    done = gettext("Recorded. It stays open.")
    return _act(request, handoff_id, record_outcome, form=form, name="outcome", done=done)


def _ids(handoff_id: int) -> str:
    return f"id_{handoff_id}_%s"


def _outcome_in_place(request: HttpRequest, handoff_id: int, form: OutcomeForm) -> HttpResponse:
    return render(request, "funnel/outcome_in_place.html", {"form": form, "handoff_id": handoff_id})


@page(check_see_handoffs)
@require_POST
def hand_back(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Return a handoff to Marketing with a reason; a form that says too little comes back with its words."""
    form = ReturnForm(request.POST, prefix="return")
    done = gettext("Returned to Marketing, with the reason on record.")
    return _act(request, handoff_id, return_handoff, form=form, name="return", done=done)


@page(check_see_handoffs)
@require_POST
def win(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Close a handoff as won; a form without a note comes back."""
    form = WinForm(request.POST, prefix="win")
    done = gettext("Won. The contact becomes a customer with the next judgement, within seconds.")
    return _act(request, handoff_id, win_handoff, form=form, name="win", done=done)


@page(check_see_handoffs)
@require_POST
def release(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Put a handoff back into the queue; asked for by a row of the queue (``place=queue``), that row answers."""
    form = ReleaseForm(request.POST, prefix="release")
    done = gettext("Released: it is in the queue again.")
    if request.POST.get("place") == "queue" and request.htmx:  # type: ignore[attr-defined]  # set by its middleware
        return _release_in_row(request, handoff_id, done)
    return _act(request, handoff_id, release_handoff, form=form, name="release", done=done)


@page(check_lead_handoffs)
@require_POST
def take_over(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Take a handoff over; for those who lead Sales."""
    return _act(request, handoff_id, take_over_handoff, done=gettext("It is yours now."))


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

    def reassigned(**about: Any) -> None:
        reassign_handoff(to=to, override=given["override"], note=given["note"], **about)

    done = gettext("It is %(name)s's now.") % {"name": to.get_full_name() or to.email}
    return _act(request, handoff_id, reassigned, done=done)


def _act(
    request: HttpRequest,
    handoff_id: int,
    action: Callable[..., None],
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


def _release_in_row(request: HttpRequest, handoff_id: int, done: str) -> HttpResponse:
    person, now, refused = person_of(request), timezone.now(), ""
    try:
        release_handoff(handoff_id=handoff_id, by=person, now=now)
    except Handoff.DoesNotExist as error:
        raise Http404("No such handoff.") from error
    except HandoffConflict as conflict:
        refused = conflict.message
    except PermissionDenied as error:
        refused = str(error)
    card = _card(handoff_id, person, now)
    return queue_row(request, card, refused=refused, said=refused or done, tone="warn" if refused else "good")


def _card(handoff_id: int, person: User, now: datetime) -> HandoffCard:
    rows = [handoffs_for_cards().get(pk=handoff_id)]
    (card,) = make_cards(rows, user=person, now=now, stale_days=sales_settings().stale_days)
    return card
