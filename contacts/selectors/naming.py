"""Finding the contact that a person means."""

from contacts.enums import IdentityKind
from contacts.models import Contact, Identity
from contacts.selectors.merges import roots_of


def find_contact(name: str) -> Contact:
    """The contact with this id or e-mail address; of one that was merged away, the contact it became.

    Raises:
        Contact.DoesNotExist: when there is none.
    """
    text = name.strip()
    if text.isdecimal() and len(text) < 19:
        contact_id = present_id(int(text))
        if contact_id is None:
            raise Contact.DoesNotExist
        return Contact.objects.get(pk=contact_id)
    # A merge gives the names of one to the other, so whom a name names is a contact of today.
    found = Identity.objects.select_related("contact").filter(kind=IdentityKind.EMAIL, value=text.lower()).first()
    if found is None:
        raise Contact.DoesNotExist
    return found.contact


def present_id(contact_id: int) -> int | None:
    """Return the id of the contact that goes by ``contact_id``: its own, or that of whom it became part of.

    None where there is none, or it was erased.
    """
    return roots_of([contact_id]).get(contact_id)
