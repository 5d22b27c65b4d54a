"""Two contacts side by side: what they have in common, where they differ, and whose word would count of one person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Prefetch
from django.utils.translation import gettext, gettext_noop

from contacts.ingest.csv_escaping import as_cell
from contacts.models import AttributeChange, Contact, Identity, Standing
from contacts.selectors.facts import events_of_contact
from contacts.selectors.naming import find_contact
from contacts.selectors.search import search_candidates

EVENTS_COUNTED: Final = 10_000
FOUND_AT_ONCE: Final = 20
Side = Literal["", "one", "other"]

_COLUMNS: Final[Mapping[str, str]] = {
    "first_name": gettext_noop("First name"),
    "last_name": gettext_noop("Last name"),
    "email": gettext_noop("E-mail"),
    "phone": gettext_noop("Phone"),
    "job_title": gettext_noop("Job title"),
    "role": gettext_noop("Role"),
    "company": gettext_noop("Company"),
    "country": gettext_noop("Country"),
    "means": gettext_noop("Means"),
    "authority": gettext_noop("Authority"),
}


@dataclass(frozen=True, slots=True)
class FieldOfTwo:
    """One field of two contacts, as text. ``kept``: whose value the merged contact shows, where they differ."""

    label: str
    one: str
    other: str
    kept: Side = ""

    @property
    def differs(self) -> bool:
        """Whether both say something, and not the same."""
        return bool(self.one and self.other) and self.one != self.other


@dataclass(frozen=True, slots=True)
class CardOfTwo:
    """What a person looks at to tell one contact from another; ``events`` stops at EVENTS_COUNTED."""

    contact: Contact
    standing: Standing | None
    events: int
    names: tuple[Identity, ...]

    @property
    def more_events(self) -> bool:
        """Whether there are more events than were counted."""
        return self.events > EVENTS_COUNTED

    @property
    def is_known(self) -> bool:
        """Whether an e-mail address or an id names the contact, so that it is more than a visitor."""
        return any(name.kind != "anonymous_id" for name in self.names)


def card_of(contact: Contact) -> CardOfTwo:
    """Return a contact for comparing; load it by ``contacts_to_compare`` to spare queries. One query."""
    events = events_of_contact(contact.pk).order_by().values("pk")[: EVENTS_COUNTED + 1].count()
    try:
        standing = contact.standing
    except ObjectDoesNotExist:
        standing = None
    return CardOfTwo(contact, standing, events, tuple(contact.identities.all()))


def contacts_to_compare(contact_ids: Iterable[int]) -> dict[int, Contact]:
    """Return the present ones of these contacts with all that comparing needs, by id: two queries."""
    names = Prefetch("identities", Identity.objects.order_by("kind", "id"))
    rows = Contact.objects.filter(present=True).select_related("company", "standing__owner").prefetch_related(names)
    return rows.in_bulk(list(contact_ids))


def fields_of_two(one: Contact, other: Contact) -> list[FieldOfTwo]:
    """Return what is known of both, field by field, with whose word is the later one. One query."""
    said = _latest_words((one.pk, other.pk))
    rows = [
        _field(gettext(label), name, _text(getattr(one, name)), _text(getattr(other, name)), said, (one.pk, other.pk))
        for name, label in _COLUMNS.items()
    ]
    for key in sorted({*one.attributes, *other.attributes}):
        texts = (as_cell(one.attributes.get(key)), as_cell(other.attributes.get(key)))
        rows.append(_field(key, f"attributes.{key}", *texts, said, (one.pk, other.pk)))
    return [row for row in rows if row.one or row.other]


def find_others(contact_id: int, text: str) -> list[Contact]:
    """Return contacts that somebody may mean by ``text`` (a name, an address, an id), without this one.

    At most ten queries.
    """
    candidates, _ = search_candidates(text, FOUND_AT_ONCE + 1)
    rows = Contact.objects.filter(pk__in=candidates).exclude(pk=contact_id).select_related("company", "standing")
    found = list(rows.order_by("pk")[:FOUND_AT_ONCE])
    try:
        named = find_contact(text)
    except Contact.DoesNotExist:
        return found
    exact = [named] if named.pk != contact_id and named.present else []
    return [*exact, *(contact for contact in found if contact not in exact)][:FOUND_AT_ONCE]


Words = Mapping[tuple[int, str], tuple[datetime, Any]]


def _latest_words(contact_ids: Sequence[int]) -> Words:
    """When each of the contacts was last told of each field, by (contact, field), leaving aside what only fills."""
    rows = (
        AttributeChange.objects.filter(contact__in=contact_ids, weak=False)
        .order_by("contact_id", "name", "-effective_at", "-message")
        .distinct("contact_id", "name")
        .values_list("contact_id", "name", "effective_at", "message")
    )
    return {(contact_id, name): (at, message) for contact_id, name, at, message in rows}


def _field(label: str, name: str, one: str, other: str, said: Words, ids: tuple[int, int]) -> FieldOfTwo:
    kept: Side = ""
    if one != other and one and other:
        first, second = said.get((ids[0], name)), said.get((ids[1], name))
        if first is not None and (second is None or first > second):
            kept = "one"
        elif second is not None:
            kept = "other"
    elif one != other:
        kept = "one" if one else "other"
    return FieldOfTwo(label, one, other, kept)


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return "" if text == "unknown" else text
