"""What people fill in and confirm: a form's answers as facts, consent as the form's words, double opt-in by mail."""

import copy
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext

from contacts.enums import ConsentAction, IdentityKind, SourceKind
from contacts.ingest.form_fields import traits_of
from contacts.ingest.identifiers import normalise_email
from contacts.ingest.incoming import IncomingEvent, Refused, dedupe_id, digest
from contacts.ingest.traits import clean_traits
from contacts.keys import hash_key
from contacts.models import Contact, Form, FormSubmission, Identity, Mail, Source
from contacts.selectors.consent import ledger_states
from contacts.services.consent import message_uuid, record_consent
from contacts.services.erased_names import keyed_hash
from contacts.services.forms import fields_of
from contacts.services.mailing import queue_mail
from contacts.services.record import internal_source, record_events
from contacts.services.suppression import lift_by_the_person, suppressed_among

CONFIRM_WITHIN: Final = timedelta(days=30)
# Whoever types somebody else's address again and again does not fill their mailbox.
MAILS_A_DAY: Final = 3
_SALT: Final = "ripen.confirm"
_HASH_DIGITS: Final = 32
_canonical: Final = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Submitted:
    """What came of a form that was sent; ``asks_to_confirm``: its sender is told to look for a mail."""

    contact_id: int
    asks_to_confirm: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A link that confirms: the submission, the contact it counts for, and the address that the link was mailed to."""

    submission: FormSubmission
    contact: Contact
    address: str

    @property
    def form(self) -> Form:
        """The form that was filled in."""
        return self.submission.form


class Expired(Exception):
    """The link is older than 30 days."""


def submit_form(
    *, form: Form, email: str, values: Mapping[str, Any], consented: bool, now: datetime, message_id: str = ""
) -> Submitted:
    """Record what somebody sent: the fact, what it says about them, and how their consent stands.

    Anybody may fill in a form under any name, so it counts as a public source's message whatever its source is: it
    fills what is not known and overwrites nothing, and consent is granted only when the address has confirmed it, or at
    once where the form goes without (``double_opt_in``).

    Args:
        form: an open one.
        email: the address as it was typed.
        values: by field name; others are not looked at.
        consented: whether the consent's box was ticked.
        now: the arrival.
        message_id: of this filling-in, so that sending it twice records it once.

    Raises:
        Refused: an answer cannot be taken; ``field`` names it.
    """
    address = normalise_email(email, "email")
    traits = clean_traits(traits_of(fields_of(form), values), "")
    consented = consented and form.purpose_id is not None
    source = _public(form.source)
    properties = {"form": form.name, "form_id": str(form.pk)} | ({"consent": consented} if form.purpose_id else {})
    body = digest(_canonical.encode([address, traits, consented]))
    with transaction.atomic():
        for name in (message_id or str(uuid.uuid4()), str(uuid.uuid4())):
            event = IncomingEvent(
                index=0,
                message_id=f"form:{form.pk}:{name}",
                kind=form.kind,
                occurred_at=now,
                email=address,
                traits=traits,
                properties=properties,
                body_digest=body,
            )
            receipt = record_events(source=source, events=[event], received_at=now)
            # They went back, changed an answer and sent it again: that is another filling-in.
            if not receipt.rejected or receipt.rejected[0].code != "conflict":
                break
        if receipt.rejected:
            raise _refusal(receipt.rejected[0].code, receipt.rejected[0].field, receipt.rejected[0].message)
        contact_id = receipt.contact_ids[0]
        message = dedupe_id(source.pk, event.message_id)
        if receipt.duplicates:
            known = FormSubmission.objects.filter(message=message).first()
            return Submitted(contact_id, bool(known and known.token_hash), is_new=False)
        contact = Contact.objects.select_for_update(no_key=True).get(pk=contact_id)
        submission = FormSubmission.objects.create(
            form=form,
            contact=contact,
            origin_contact_id=_origin_of(address),
            message=message,
            received_at=now,
            purpose=form.purpose if consented else None,
            consent_version=form.consent_version if consented else None,
            consent_text=form.consent_text if consented else "",
        )
        if form.double_opt_in:
            asks = _ask_to_confirm(submission, contact, address, consented=consented, now=now)
            return Submitted(contact_id, asks, is_new=True)
        if consented and not suppressed_among([contact.email]):
            _grant(submission, contact, now, confirmed="")
        return Submitted(contact_id, asks_to_confirm=False, is_new=True)


def find_confirmation(token: str, *, now: datetime) -> Confirmation | None:
    """Return what a link confirms; None where it is none of ours or the person is not known any more.

    Raises:
        Expired: it is too old, and nothing was confirmed by it.
    """
    try:
        _, address_hash = signing.Signer(salt=_SALT).unsign_object(token)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    submission = (
        FormSubmission.objects.select_related("form__purpose", "form__source", "contact")
        .filter(token_hash=hash_key(token), contact__present=True)
        .first()
    )
    if submission is None:
        return None
    if submission.confirmed_at is None and submission.received_at < now - CONFIRM_WITHIN:
        raise Expired
    addresses = Identity.objects.filter(contact_id=submission.contact_id, kind=IdentityKind.EMAIL)
    for address in addresses.values_list("value", flat=True):
        if keyed_hash("email", address)[:_HASH_DIGITS] == address_hash:
            return Confirmation(submission, submission.contact, address)
    return None


def confirm_submission(*, confirmation: Confirmation, now: datetime) -> bool:
    """Take somebody's word, given by the link in their mail: their details are confirmed, their consent is granted.

    Returns whether we may write to them now, as far as they agreed to that: a mailbox that is dead or complained of
    spam stays without mail.
    """
    with transaction.atomic():
        submission = FormSubmission.objects.select_for_update(of=("self",)).get(pk=confirmation.submission.pk)
        if submission.confirmed_at is not None:
            return True
        submission.confirmed_at = now
        submission.save(update_fields=["confirmed_at"])
        event = IncomingEvent(
            index=0,
            message_id=f"form-confirmed:{submission.pk}",
            kind="details_confirmed",
            occurred_at=now,
            id=submission.contact_id,
            email=confirmation.address,
            properties={"form": confirmation.form.name, "how": "double opt-in"},
        )
        receipt = record_events(source=internal_source(), events=[event], received_at=now)
        if receipt.rejected:
            raise ValueError(f"submission {submission.pk} cannot be confirmed: {receipt.rejected[0].message}")
        if submission.purpose_id is None:
            return True
        how = f"by the person, who confirmed form {submission.form_id}"
        contact = Contact.objects.get(pk=submission.contact_id)
        if not lift_by_the_person(address=confirmation.address, how=how, now=now):
            return False
        if suppressed_among([contact.email]):
            return False
        _grant(submission, contact, now, confirmed="double opt-in")
        return True


def _ask_to_confirm(
    submission: FormSubmission, contact: Contact, address: str, *, consented: bool, now: datetime
) -> bool:
    """Mail the link, unless there is nothing left to confirm; tell whether the sender is to look for a mail.

    The answer does not depend on what may be sent to the address: a stranger who types it learns nothing about it.
    """
    form = submission.form
    if contact.details_confirmed and not (consented and _is_missing(contact, form)):
        return False
    token = signing.Signer(salt=_SALT).sign_object([submission.pk, keyed_hash("email", address)[:_HASH_DIGITS]])
    submission.token_hash = hash_key(token)
    submission.save(update_fields=["token_hash"])
    # Of a mail that was sent the address is gone, so these are counted by contact.
    lately = Mail.objects.filter(contact=contact, purpose=None, created_at__gte=now - timedelta(days=1))
    if lately.count() < MAILS_A_DAY:
        link = settings.BASE_URL + reverse("form-confirm", args=[token])
        # In the language of the page on which it was filled in.
        said = [
            gettext("Hello,"),
            gettext("somebody, most likely you, has filled in “%(title)s” with this address.") % {"title": form.title},
            *((gettext("You agreed to this:"), f"    {form.consent_text}") if consented else ()),
            gettext("Please confirm that it was you:"),
            link,
            gettext("If it was not you, do nothing: you will get no further mail because of it."),
        ]
        subject = gettext("Please confirm: %(title)s") % {"title": form.title}
        queue_mail(contact=contact, address=address, subject=subject, body="\n\n".join(said) + "\n", now=now)
    return True


def _is_missing(contact: Contact, form: Form) -> bool:
    """Tell whether the consent that a form asks for is not held already."""
    states = ledger_states([contact.pk]).get(contact.pk, {})
    state = states.get(form.purpose.key) if form.purpose is not None else None
    return state is None or not state.is_granted or bool(suppressed_among([contact.email]))


def _grant(submission: FormSubmission, contact: Contact, now: datetime, *, confirmed: str) -> None:
    form, purpose = submission.form, submission.purpose
    if purpose is None:
        return
    proof = {
        "how": "form",
        "form": str(form.pk),
        "name": form.name,
        "text": submission.consent_text,
        "version": str(submission.consent_version),
        "submission": str(submission.message),
        "ticked_at": submission.received_at.isoformat(),
    }
    record_consent(
        contact_id=contact.pk,
        origin_id=submission.origin_contact_id,
        purpose=purpose.key,
        action=ConsentAction.GRANTED,
        proof=proof | ({"confirmed": confirmed} if confirmed else {}),
        at=now,
        now=now,
        source=form.source,
        message=message_uuid(form.source_id, f"form consent:{submission.pk}"),
    )


def _origin_of(address: str) -> int | None:
    """Return whose name the address was before a merge, where that is another contact."""
    found = Identity.objects.filter(kind=IdentityKind.EMAIL, value=address)
    return found.values_list("origin_contact_id", flat=True).first()


def _public(source: Source) -> Source:
    """Return the source as what a form is: something that the whole world can write to."""
    public = copy.copy(source)
    public.kind = SourceKind.PUBLIC
    return public


def _refusal(code: str, where: str, message: str) -> Refused:
    if code == "erased":
        # Neutral: whoever types an address learns nothing about its owner.
        return Refused(code, "email", gettext("We cannot take this address here. Please write to us instead."))
    return Refused(code, where.removeprefix("traits.").removeprefix("contact."), message)
