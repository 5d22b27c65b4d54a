"""Filling a new installation by COPY: fast, but not at the price of broken references."""

import pytest
from django.db import IntegrityError, connection, transaction

from contacts.models import Contact, Event, Source
from contacts.services.bulk import (
    NotEmpty,
    allocate_ids,
    claim_empty_installation,
    copy_rows,
    give_back_ids,
    references_checked_at_once,
)

pytestmark = pytest.mark.django_db

FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
WHERE contype = 'f' AND conrelid IN ('contacts_event'::regclass, 'contacts_attributechange'::regclass) ORDER BY 1, 2
"""
MESSAGE = "0197a2b0-0000-7000-8000-00000000000"


def foreign_keys() -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(FOREIGN_KEYS)
        return list(cursor.fetchall())


def event_line(contact_id: int, number: int = 1) -> str:
    source = Source.objects.get(name="ripen").pk
    at, message = "2026-03-01T09:00:00Z", f"{MESSAGE}{number}"
    return f"{contact_id}\t{contact_id}\t14\t{at}\t{at}\t\t{source}\t{message}\t{message}\t0\t{{}}\t\\N\t\n"


def copy_and_check(line: str) -> None:
    copy_rows("event", [line])
    connection.check_constraints()


def test_the_references_are_back_in_force_afterwards() -> None:
    before = foreign_keys()
    contact = Contact.objects.create()
    with transaction.atomic(), references_checked_at_once():
        copy_rows("event", [event_line(contact.pk)])
        assert len(foreign_keys()) < len(before)
    assert foreign_keys() == before
    assert Event.objects.get().contact == contact
    with pytest.raises(IntegrityError), transaction.atomic():
        copy_and_check(event_line(contact.pk + 1, 2))


def test_a_row_that_leads_nowhere_undoes_everything() -> None:
    before = foreign_keys()
    with pytest.raises(IntegrityError), transaction.atomic(), references_checked_at_once():
        copy_rows("event", [event_line(999_999)])
    assert foreign_keys() == before
    assert not Event.objects.exists()


def test_ids_set_aside_are_given_to_nobody_else() -> None:
    first = allocate_ids("contacts_contact", 10)
    assert Contact.objects.create().pk == first + 10
    assert allocate_ids("contacts_contact", 5) == first + 11
    give_back_ids("contacts_contact", first + 12)
    assert Contact.objects.create().pk == first + 12


def test_only_an_empty_installation_can_be_filled() -> None:
    with transaction.atomic():
        claim_empty_installation()
    Contact.objects.create()
    with pytest.raises(NotEmpty), transaction.atomic():
        claim_empty_installation()
