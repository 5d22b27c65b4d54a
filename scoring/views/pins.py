"""Pinning a contact to a stage, and taking that back."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from config.web.formats import format_day
from config.web.pages import page, person_of, safe_next
from config.web.ui import UNDO
from contacts.permissions import check_pin_stage
from contacts.services.pinning import CannotPin, pin_stage, undo_pin, unpin_stage
from scoring.forms.pins import PinForm
from scoring.selectors.header import ContactHeader
from scoring.selectors.pins import gates_of
from scoring.views.contact_head import contact_tabs, header_or_404


@page(check_pin_stage)
@require_http_methods(["GET", "HEAD", "POST"])
def contact_pin(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Show what pinning would do, and pin."""
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    stages = [(stage.key, stage.label) for stage in header.document.stages]
    initial = {"stage": header.pin.stage.key, "note": header.pin.pin.note} if header.pin else {}
    if not initial and header.standing:
        initial = {"stage": header.document.stage(header.standing.furthest_stage).key}
    form = PinForm(request.POST or None, stages=stages, now=now, initial=initial)
    if request.method == "POST" and form.is_valid() and _pin(request, header, form, now):
        return redirect(safe_next(request, reverse("contact", args=[contact_id])))
    gates = {gate.key: gate.label for gate in header.document.gates}
    context = {
        "header": header,
        "tabs": contact_tabs(contact_id, ""),
        "form": form,
        "gated": [
            (stage.label, ", ".join(gates[key] for key in gates_of(stage)))
            for stage in header.document.stages
            if gates_of(stage)
        ],
        "next": request.POST.get("next", ""),
    }
    return render(request, "scoring/pin.html", context, status=422 if form.errors else 200)


def _pin(request: HttpRequest, header: ContactHeader, form: PinForm, now: datetime) -> bool:
    """Pin as the form says; False, with the reason beside the field, where that cannot be."""
    contact_id = header.contact.pk
    said = form.cleaned_data
    try:
        facts = pin_stage(
            contact_ids=[contact_id],
            stage=said["stage"],
            note=said["note"],
            until=form.end(),
            by=person_of(request),
            now=now,
        )
    except CannotPin as error:
        form.add_error(error.field or None, str(error))
        return False
    text = gettext("%(name)s is pinned to “%(stage)s” until %(day)s.") % {
        "name": header.contact.display_name,
        "stage": header.document.stage(said["stage"]).label,
        "day": format_day(form.end(), now=now),
    }
    _say(request, text, contact_id, facts)
    return True


@page(check_pin_stage)
@require_POST
def contact_unpin(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Take the pin back; the judged stage is shown again."""
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    facts = unpin_stage(contact_ids=[contact_id], by=person_of(request), now=now)
    if facts:
        text = gettext("The pin of %(name)s is taken back.") % {"name": header.contact.display_name}
        _say(request, text, contact_id, facts)
    else:
        messages.info(request, gettext("There was no pin any more."))
    return redirect(safe_next(request, reverse("contact", args=[contact_id])))


@page(check_pin_stage)
@require_POST
def contact_pin_undo(request: HttpRequest, contact_id: int, event_id: int) -> HttpResponse:
    """Make the pin what it was before the fact ``event_id``."""
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    try:
        pin = undo_pin(contact_id=contact_id, event_id=event_id, by=person_of(request), now=now)
    except CannotPin as error:
        messages.error(request, str(error))
    else:
        if pin is None:
            messages.success(request, gettext("Undone: no pin, the judged stage is shown."))
        else:
            label = header.document.stage(pin.stage).label
            messages.success(request, gettext("Undone: pinned to “%(stage)s” as before.") % {"stage": label})
    return redirect(safe_next(request, reverse("contact", args=[contact_id])))


def _say(request: HttpRequest, text: str, contact_id: int, facts: dict[int, int]) -> None:
    """Say what was done, with a way back."""
    tags = ""
    if contact_id in facts:
        tags = UNDO + reverse("contact-pin-undo", args=[contact_id, facts[contact_id]])
    messages.success(request, text, extra_tags=tags)
