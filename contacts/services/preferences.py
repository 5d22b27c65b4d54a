"""What people decide about our mail themselves, by a signed link in it: preferences, and one-click unsubscribing.

A link names a contact and, by a keyed hash, the address it was sent to; who has it reads that mailbox. It never
expires, leads on to the contact that its own was merged into, and is dead once the person is erased.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext

from contacts.enums import ConsentAction, ConsentBasis, IdentityKind
from contacts.ingest.consent import State
from contacts.ingest.incoming import IncomingEvent
from contacts.models import Contact, Identity, Purpose
from contacts.selectors.consent import all_purposes, ledger_states
from contacts.services.consent import record_consent
from contacts.services.erased_names import keyed_hash
from contacts.services.record import internal_source, record_events
from contacts.services.suppression import lift_by_the_person, suppressed_among

_SALT: Final = "ripen.preferences"
_HASH_DIGITS: Final = 32


class StaysSuppressed(Exception):
    """The address stays without mail for a reason that the person cannot take back here; the text names it."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who holds a link: a present contact, and the address that the link was sent to."""

    contact: Contact
    address: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One purpose as the preference page shows it. A contract's purpose is told, not chosen."""

    purpose: Purpose
    is_on: bool
    may_choose: bool


def preferences_url(contact_id: int, address: str) -> str:
    """Return the address of a contact's preference page, for a mail to ``address``."""
    return settings.BASE_URL + reverse("preferences", args=[sign_link(contact_id, address)])


def unsubscribe_url(contact_id: int, address: str) -> str:
    """Return the address that unsubscribes ``address`` by one POST (RFC 8058)."""
    return settings.BASE_URL + reverse("unsubscribe", args=[sign_link(contact_id, address)])


def sign_link(contact_id: int, address: str) -> str:
    """Return what a link to the preferences of a contact says, signed."""
    return signing.Signer(salt=_SALT).sign_object([contact_id, keyed_hash("email", address)[:_HASH_DIGITS]])


def read_link(signed: str) -> Recipient | None:
    """Return who holds a link; None where it is not one of ours, or nobody has that address any more."""
    try:
        contact_id, address_hash = signing.Signer(salt=_SALT).unsign_object(signed)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    contact = Contact.objects.filter(pk=contact_id).first()
    while contact is not None and contact.merged_into_id is not None:
        contact = Contact.objects.get(pk=contact.merged_into_id)
    if contact is None or not contact.present:
        return None
    addresses = Identity.objects.filter(contact=contact, kind=IdentityKind.EMAIL).values_list("value", flat=True)
    for address in addresses:
        if keyed_hash("email", address)[:_HASH_DIGITS] == address_hash:
            return Recipient(contact, address)
    return None


def choices_of(recipient: Recipient) -> list[Choice]:
    """Return every purpose with whether the person is written to for it; nothing is while the address is suppressed."""
    states = ledger_states([recipient.contact.pk]).get(recipient.contact.pk, {})
    suppressed = bool(suppressed_among([recipient.address]))
    return [
        Choice(
            purpose,
            is_on=not suppressed and _is_on(purpose, states.get(purpose.key)),
            may_choose=purpose.basis != ConsentBasis.CONTRACT,
        )
        for purpose in all_purposes()
    ]


def save_preferences(*, recipient: Recipient, wanted: Mapping[str, bool], now: datetime) -> None:
    """Record what the person switched on and off; what stays as it is is not said again.

    ``wanted``: by purpose key; one that is left out stays. Switching something on lifts what the person themselves had
    said against all mail.

    Raises:
        StaysSuppressed: the address was suppressed for another reason; nothing is recorded.
    """
    with transaction.atomic():
        # Two clicks at once: the second sees what the first has said.
        Contact.objects.select_for_update(no_key=True).get(pk=recipient.contact.pk)
        changed = [
            choice
            for choice in choices_of(recipient)
            if choice.may_choose and wanted.get(choice.purpose.key, choice.is_on) != choice.is_on
        ]
        on = [choice.purpose for choice in changed if not choice.is_on]
        if on and not lift_by_the_person(
            address=recipient.address, how="by the person, on the preference page", now=now
        ):
            reason = suppressed_among([recipient.address])[recipient.address].get_reason_display()
            raise StaysSuppressed(gettext("Nothing is sent to this address any more: %(reason)s.") % {"reason": reason})
        for choice in changed:
            if choice.is_on:
                _unsubscribe(recipient, now, {"purpose": choice.purpose.key, "how": "preference page"})
        for purpose in on:
            record_consent(
                contact_id=recipient.contact.pk,
                purpose=purpose.key,
                action=ConsentAction.GRANTED,
                proof={"how": "preference page", "text": f"{purpose.label}: {purpose.description}"},
                at=now,
                now=now,
            )


def unsubscribe_from_all(*, recipient: Recipient, how: str, now: datetime) -> None:
    """Send nothing to the address any more and withdraw everything; done already, nothing more is said.

    ``how``: ``one-click`` (RFC 8058), ``unsubscribe page`` or ``preference page``.
    """
    if not suppressed_among([recipient.address]):
        _unsubscribe(recipient, now, {"how": how})


def _unsubscribe(recipient: Recipient, now: datetime, properties: dict[str, str]) -> None:
    """Record the fact; recording it acts on it (contacts/services/consent_facts.py)."""
    event = IncomingEvent(
        index=0,
        message_id=f"unsubscribe:{uuid.uuid4()}",
        kind="unsubscribed",
        occurred_at=now,
        id=recipient.contact.pk,
        email=recipient.address,
        properties=properties,
    )
    receipt = record_events(source=internal_source(), events=[event], received_at=now)
    if receipt.rejected:
        raise ValueError(f"contact {recipient.contact.pk} could not unsubscribe: {receipt.rejected[0].message}")


def _is_on(purpose: Purpose, state: State | None) -> bool:
    """Tell whether somebody is written to for a purpose: by consent, or because nobody objected to what needs none."""
    if state is not None:
        return state.is_granted
    return purpose.basis != ConsentBasis.CONSENT
