"""A contact's consent: may we write, what was said with its proof, and a form to record what somebody says."""

import uuid
from datetime import datetime
from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_http_methods

from config.web.pages import page, person_of
from config.web.ui import Tone
from contacts.enums import ConsentAction
from contacts.forms import local_now
from contacts.forms.consent import ConsentForm
from contacts.ingest.incoming import Refused
from contacts.models import ConsentEntry
from contacts.permissions import (
    can_record_consent,
    can_suppress_addresses,
    check_record_consent,
    check_view_contacts,
)
from contacts.selectors.consent import all_purposes, ledger_of
from contacts.services.consent import consents_of, message_uuid, record_consent
from funnel.selectors.people import name_of
from funnel.services.may_contact import answer_for
from scoring.views.contact_head import contact_tabs, header_or_404

SHOWN: Final = 200
_HOW: Final = {
    "form": gettext_noop("Form"),
    "event": gettext_noop("Reported"),
    "recorded": gettext_noop("Recorded"),
    "preference page": gettext_noop("Preference page"),
    "suppressed": gettext_noop("Address suppressed"),
}


@page(check_view_contacts)
@require_http_methods(["GET", "HEAD", "POST"])
def contact_consent(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Show what a contact agreed to; record what they say. The form carries an id, so sending it twice records once."""
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    person = person_of(request)
    may_record = can_record_consent(person, header.contact)
    form = ConsentForm(now=now, initial={"at": local_now(now)})
    if request.method == "POST":
        check_record_consent(person, header.contact)
        form = ConsentForm(request.POST, now=now)
        if form.is_valid() and _record(request, contact_id, form, now):
            messages.success(request, gettext("Recorded. It holds from now on."))
            return redirect("contact-consent", contact_id)
    consent = consents_of([header.contact])[contact_id]
    purposes = all_purposes()
    answers = answer_for(header.contact, purposes, now=now, document=header.document, by=person)
    context = {
        "header": header,
        "tabs": contact_tabs(contact_id, "consent"),
        "rows": [(answer, consent.state(answer.purpose.key)) for answer in answers],
        "suppression": consent.suppression,
        "entries": [(entry, *_told(entry)) for entry in ledger_of(contact_id)[:SHOWN]],
        "shown": SHOWN,
        "form": form,
        "form_id": request.POST.get("form_id", "") or str(uuid.uuid4()),
        "may_record": may_record,
        "may_suppress": can_suppress_addresses(person),
    }
    return render(request, "funnel/consent.html", context, status=422 if form.errors else 200)


def _record(request: HttpRequest, contact_id: int, form: ConsentForm, now: datetime) -> bool:
    said = form.cleaned_data
    person = person_of(request)
    try:
        record_consent(
            contact_id=contact_id,
            purpose=said["purpose"],
            action=said["action"],
            proof={"how": "recorded", "text": said["proof"]},
            at=said["at"],
            now=now,
            by=person,
            message=message_uuid(0, f"by hand:{person.pk}:{request.POST.get('form_id', '')[:100] or uuid.uuid4()}"),
        )
    except Refused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, refused.message)
        return False
    return True


def _told(entry: ConsentEntry) -> tuple[str, str, Tone]:
    """Return who says so, the proof in words, and the tone of the entry."""
    proof = entry.proof if isinstance(entry.proof, dict) else {}
    said = [str(proof.get(key)) for key in ("text", "kind", "reason") if proof.get(key)]
    if proof.get("version"):
        said.append(gettext("version %(version)s") % {"version": proof["version"]})
    if proof.get("confirmed"):
        said.append(gettext("confirmed by %(how)s") % {"how": proof["confirmed"]})
    how = gettext(_HOW.get(str(proof.get("how")), _HOW["recorded"]))
    who = name_of(entry.by) if entry.by else (entry.source.name if entry.source else gettext("the person"))
    text = " \N{MIDDLE DOT} ".join(said)
    return (
        gettext("%(how)s by %(who)s") % {"how": how, "who": who},
        text,
        "good" if entry.action == ConsentAction.GRANTED else "bad",
    )
