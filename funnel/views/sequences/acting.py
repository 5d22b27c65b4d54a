"""Starting, pausing, and taking contacts out."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from config.web.pages import page, person_of, safe_next
from funnel.enums import SequenceState
from funnel.models import Enrolment
from funnel.permissions import check_edit_sequences, check_enrol
from funnel.services.sequences.activating import (
    CannotActivate,
    NotActive,
    activate_sequence,
    activation_effects,
    pause_sequence,
)
from funnel.services.sequences.ending import NotUnderWay, stop_enrolment
from funnel.services.sequences.enrolling import CannotEnrol, enrol_contact
from funnel.views.sequences.shown import head_of, sequence_or_404

_LARGEST_ID = 2**63 - 1


@page(check_edit_sequences)
@require_http_methods(["GET", "HEAD", "POST"])
def sequence_activate(request: HttpRequest, sequence_id: int) -> HttpResponse:
    """Say what activating would do, and do it; ``backfill``: also for those who stand in the stage already."""
    found = sequence_or_404(sequence_id)
    if request.method != "POST":
        if found.state == SequenceState.ACTIVE:
            return redirect("sequence", found.pk)
        context = {**head_of(request, found, ""), "effects": activation_effects(found)}
        return render(request, "funnel/sequence_activate.html", context)
    backfill = request.POST.get("backfill") == "yes"
    try:
        activate_sequence(sequence_id=found.pk, backfill=backfill, by=person_of(request), now=timezone.now())
    except CannotActivate as refused:
        messages.error(request, refused.message)
        return redirect("sequence", found.pk)
    if backfill:
        said = gettext(
            "Active. Whoever enters the stage from now on is enrolled. "
            "Those who stand there already are being enrolled."
        )
    else:
        said = gettext("Active. Whoever enters the stage from now on is enrolled.")
    messages.success(request, said)
    return redirect("sequence", found.pk)


@page(check_edit_sequences)
@require_POST
def sequence_pause(request: HttpRequest, sequence_id: int) -> HttpResponse:
    """Let all clocks of a sequence stand still."""
    found = sequence_or_404(sequence_id)
    try:
        pause_sequence(sequence_id=found.pk, by=person_of(request), now=timezone.now())
    except NotActive:
        messages.warning(request, gettext("It is not active."))
    else:
        messages.success(
            request, gettext("Paused. Nothing is sent until it is activated again; the pause counts for no wait.")
        )
    return redirect("sequence", found.pk)


@page(check_enrol)
@require_POST
def contact_enrol(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Enrol a contact in the sequence named by ``sequence``, from the contact's own page."""
    given = request.POST.get("sequence", "")
    found = sequence_or_404(int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else 0)
    try:
        enrol_contact(sequence_id=found.pk, contact_id=contact_id, by=person_of(request), now=timezone.now())
    except CannotEnrol as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, gettext("Enrolled in %(found)s.") % {"found": found.name})
    return redirect(safe_next(request, f"/contacts/{contact_id}/journey/"))


@page(check_enrol)
@require_POST
def enrolment_stop(request: HttpRequest, enrolment_id: int) -> HttpResponse:
    """Take a contact out of a sequence."""
    try:
        stopped = stop_enrolment(enrolment_id=min(enrolment_id, _LARGEST_ID), by=person_of(request), now=timezone.now())
    except Enrolment.DoesNotExist:
        raise Http404(gettext("There is no such enrolment.")) from None
    except NotUnderWay:
        messages.warning(request, gettext("It had ended already."))
        return redirect(safe_next(request, "/sequences/"))
    messages.success(
        request,
        gettext("%(contact)s gets nothing more of %(sequence)s.")
        % {"contact": stopped.contact.display_name, "sequence": stopped.sequence.name},
    )
    return redirect(safe_next(request, f"/sequences/{stopped.sequence_id}/"))
