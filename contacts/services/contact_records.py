"""Contacts written as resources (REST, forms): one message each, through the one way in."""

from typing import Final

from django.contrib.auth.models import User

from contacts.ingest.incoming import IncomingEvent, Rejected
from contacts.models import Contact, Source
from contacts.permissions import check_create_contacts, check_edit_contact
from contacts.selectors.facts import owner_of_identity
from contacts.services.record import record_events

_IDENTITIES: Final = ("email", "external_id", "anonymous_id")


class ContactRefused(Exception):
    """The contact cannot be written so; ``rejected`` says why."""

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(rejected.message)
        self.rejected = rejected


class IdentityTaken(Exception):
    """The e-mail address or id names another contact already; ``field`` says which."""

    def __init__(self, field: str) -> None:
        super().__init__(f"This {field} names another contact.")
        self.field = field


def save_contact(*, source: Source, by: User | None, message: IncomingEvent) -> tuple[int, bool]:
    """Create a contact, or update the one that the message's identifiers name; return its id and whether it is new.

    Raises:
        PermissionDenied: ``by`` may not create contacts.
        ContactRefused: the source may not say this.
    """
    if by is not None:
        check_create_contacts(by)
    receipt = record_events(source=source, events=[message], received_at=message.occurred_at, by=by)
    if receipt.rejected:
        raise ContactRefused(receipt.rejected[0])
    contact_id = receipt.contact_ids[message.index]
    return contact_id, contact_id in receipt.created


def change_contact(*, contact: Contact, source: Source, by: User | None, message: IncomingEvent) -> None:
    """Change a contact.

    Raises:
        PermissionDenied: ``by`` may not edit this contact.
        IdentityTaken: an identifier names another contact; joining two is a merge, not a change.
        ContactRefused: the source may not say this.
    """
    if by is not None:
        check_edit_contact(by, contact)
    for name in _IDENTITIES:
        value = getattr(message, name)
        if value is not None and owner_of_identity(name, value) not in {None, contact.pk}:
            raise IdentityTaken(name)
    receipt = record_events(source=source, events=[message], received_at=message.occurred_at, by=by)
    if receipt.rejected:
        raise ContactRefused(receipt.rejected[0])
