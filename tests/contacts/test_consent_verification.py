"""Invariant 7: the proof that suppressed addresses hold no consent and no pending message, and what it catches."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from contacts.models import ConsentEntry, Contact, Mail, Purpose
from contacts.services.consent import record_consent
from contacts.services.consent_facts import suppress_address
from contacts.services.consent_verification import verify_consent, verify_mails
from tests.factories import make_contact, make_event, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
ADDRESS = "ann@acme.example"


@pytest.fixture
def ann() -> Contact:
    contact = make_contact(email=ADDRESS)
    record_consent(
        contact_id=contact.pk, purpose="newsletter", action="granted", proof={"text": "yes"}, at=NOW, now=NOW
    )
    return contact


def violations() -> list[str]:
    return [str(violation) for violation in (*verify_consent(), *verify_mails())]


def test_it_holds_after_every_way_to_refuse(ann: Contact) -> None:
    assert violations() == []
    record(make_event("unsubscribed", contact={"email": ADDRESS}))
    assert violations() == []


def test_a_grant_behind_its_back_is_found(ann: Contact) -> None:
    suppress_address(address=ADDRESS, now=datetime.now(UTC))
    later = datetime.now(UTC) + timedelta(minutes=1)
    ConsentEntry.objects.create(
        contact=ann, purpose=Purpose.objects.get(key="marketing"), action="granted", at=later, message=uuid.uuid4()
    )
    assert violations() == [
        f"invariant 7: contact {ann.pk}: holds consent to marketing although its address is suppressed"
    ]


def test_a_mail_behind_its_back_is_found_and_an_answer_to_a_request_is_none(ann: Contact) -> None:
    suppress_address(address=ADDRESS, reason="unsubscribed", now=datetime.now(UTC) - timedelta(minutes=5))
    mail = Mail.objects.create(contact=ann, address=ADDRESS, subject="Please confirm", body="", due_at=NOW)
    assert violations() == []
    mail.purpose = Purpose.objects.get(key="newsletter")
    mail.save()
    assert violations() == [f"invariant 7: contact {ann.pk}: mail {mail.pk} waits to be sent to a suppressed address"]
