"""Adding what people know to a contact's facts: calls, meetings, notes."""

import uuid
from typing import cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from config.web.moved import Moved
from config.web.pages import page, person_of
from contacts.forms import ActivityForm, local_now
from contacts.models import Contact
from contacts.permissions import check_log_activity, check_view_contacts
from contacts.selectors.naming import present_id
from contacts.services.record import record_fact


@page(check_view_contacts)
@require_http_methods(["GET", "HEAD", "POST"])
def log_activity(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Show the form, or record a call, meeting or note and go back to the timeline; a merged contact's leads on.

    The form carries an id, so that sending it twice records it once.
    """
    became = present_id(contact_id) or contact_id
    if became != contact_id and request.method != "POST":
        raise Moved(request.get_full_path().replace(f"/contacts/{contact_id}/", f"/contacts/{became}/", 1))
    contact = get_object_or_404(Contact.objects.select_related("standing", "company"), pk=became, present=True)
    person = person_of(request)
    check_log_activity(person, contact)
    now = timezone.now()
    name = person.get_full_name() or person.email
    if request.method == "POST":
        form = ActivityForm(request.POST, now=now)
        if form.is_valid():
            return _record(request, contact, form, message_id=request.POST.get("form_id", ""))
    else:
        chosen = request.GET.get("kind", "")
        kind = chosen if chosen in dict(ActivityForm.KINDS) else "call_connected"
        form = ActivityForm(now=now, initial={"kind": kind, "occurred_at": local_now(now), "with_person": name})
    context = {"contact": contact, "form": form, "form_id": _form_id(request)}
    return render(request, "contacts/log.html", context, status=200 if request.method != "POST" else 422)


def _record(request: HttpRequest, contact: Contact, form: ActivityForm, *, message_id: str) -> HttpResponse:
    person = person_of(request)
    kind = cast(str, form.cleaned_data["kind"])
    try:
        token = str(uuid.UUID(message_id))
    except ValueError:
        token = str(uuid.uuid4())
    try:
        record_fact(
            contact_id=contact.pk,
            kind=kind,
            by=person,
            occurred_at=form.cleaned_data["occurred_at"],
            properties=form.properties(),
            message_id=f"logged:{person.pk}:{token}",
            now=timezone.now(),
        )
    except ValueError as error:
        raise PermissionDenied(f"That could not be recorded: {error}") from error
    messages.success(request, f"{dict(ActivityForm.KINDS)[kind]} recorded. The judgement follows within seconds.")
    return redirect("contact", contact.pk)


def _form_id(request: HttpRequest) -> str:
    return request.POST.get("form_id", "") or str(uuid.uuid4())
