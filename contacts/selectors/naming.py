"""Finding the contact that a person means."""

from contacts.enums import IdentityKind
from contacts.models import Contact, Identity


def find_contact(name: str) -> Contact:
    """The contact with this id or e-mail address; of one that was merged away, the contact it became.

    Raises:
        Contact.DoesNotExist: when there is none.
    """
    text = name.strip()
    if text.isdecimal() and len(text) < 19:
        contact = Contact.objects.select_related("merged_into").get(pk=int(text))
    else:
        identities = Identity.objects.select_related("contact__merged_into")
        found = identities.filter(kind=IdentityKind.EMAIL, value=text.lower()).first()
        if found is None:
            raise Contact.DoesNotExist
        contact = found.contact
    return contact.merged_into or contact
