"""Facts as the API shows them: contacts, events and companies with all that one row of JSON needs."""

from collections.abc import Mapping

from django.db.models import Prefetch, Q, QuerySet

from contacts.models import Company, Contact, Event, Identity

# The conditions of the two partial indexes that cover every event; only a query that says both can use them.
_JUDGED = Q(retracted_at=None, suspect_reason="")


def contacts_in_full() -> QuerySet[Contact]:
    """Contacts with company, standing, owner and identities: two queries, however many rows."""
    return (
        Contact.objects.filter(present=True)
        .select_related("company", "standing__owner")
        .prefetch_related(Prefetch("identities", Identity.objects.order_by("kind", "id")))
    )


def events_in_full() -> QuerySet[Event]:
    """Events with kind and source: one query."""
    return Event.objects.select_related("kind", "source")


def events_of_contact(contact_id: int) -> QuerySet[Event]:
    """Events of one contact, by its indexes."""
    return events_in_full().filter(_JUDGED | ~_JUDGED, contact_id=contact_id)


def companies_in_full() -> QuerySet[Company]:
    """Companies: one query."""
    return Company.objects.all()


def owner_of_identity(kind: str, value: str) -> int | None:
    """Return the id of the contact that an identity names, None when it names nobody."""
    return Identity.objects.filter(kind=kind, value=value).values_list("contact_id", flat=True).first()


def names_of_contact(contact_id: int) -> Mapping[str, set[str]]:
    """Return the identities of a contact by kind."""
    names: dict[str, set[str]] = {}
    for kind, value in Identity.objects.filter(contact_id=contact_id).values_list("kind", "value"):
        names.setdefault(kind, set()).add(value)
    return names
