"""Ripen's own mail: sent once, tried again, dropped when somebody refuses, forgotten when it is gone."""

import smtplib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from contacts.models import Contact, Mail, Purpose
from contacts.services.consent_facts import suppress_address
from contacts.services.mailing import forget_mails, queue_mail, send_mails
from contacts.services.posting import BACK_OFF
from tests.factories import make_contact

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
ADDRESS = "ann@acme.example"


class Refusing(BaseEmailBackend):
    """A mail server that raises what it is told to, and counts."""

    error: Exception = OSError("connection refused")
    asked = 0

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        type(self).asked += 1
        raise self.error


@pytest.fixture
def ann() -> Contact:
    return make_contact(email=ADDRESS)


@pytest.fixture
def refusing(settings: Any) -> type[Refusing]:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    Refusing.asked = 0
    return Refusing


def queue(contact: Contact, purpose: str = "", subject: str = "Hello") -> Mail | None:
    about = Purpose.objects.get(key=purpose) if purpose else None
    return queue_mail(contact=contact, address=contact.email, subject=subject, body="Text", now=NOW, purpose=about)


def test_a_mail_about_a_purpose_carries_a_way_out_of_one_click(ann: Contact) -> None:
    queue(ann, "newsletter")
    assert send_mails(now=NOW) == 1
    (sent,) = mail.outbox
    assert sent.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/unsubscribe/" in sent.extra_headers["List-Unsubscribe"]
    assert "/preferences/" in str(sent.body)
    assert send_mails(now=NOW + timedelta(days=1)) == 0


def test_a_subject_is_one_line(ann: Contact) -> None:
    queue(ann, subject="Please confirm:\r\nBcc: everybody@acme.example")
    send_mails(now=NOW)
    assert mail.outbox[0].subject == "Please confirm: Bcc: everybody@acme.example"
    assert mail.outbox[0].recipients() == [ADDRESS]


@pytest.mark.parametrize("purpose", ["newsletter", "service"])
def test_to_a_suppressed_address_nothing_is_even_queued(ann: Contact, purpose: str) -> None:
    suppress_address(address=ADDRESS, reason="unsubscribed", now=NOW)
    assert queue(ann, purpose) is None
    assert queue(ann) is not None, "the answer to what they have just asked for"
    suppress_address(address=ADDRESS, reason="complained", now=NOW)
    assert queue(ann) is None


def test_what_cannot_be_sent_is_tried_ever_more_rarely_and_then_given_up(
    ann: Contact, refusing: type[Refusing]
) -> None:
    queue(ann)
    now = NOW
    for number, pause in enumerate(BACK_OFF, 1):
        assert send_mails(now=now) == 0
        row = Mail.objects.get()
        assert (row.state, row.attempts, row.due_at, row.error) == ("waiting", number, now + pause, "OSError")
        assert send_mails(now=now + pause / 2) == 0
        now += pause
    send_mails(now=now)
    row = Mail.objects.get()
    assert (row.state, row.address, row.body) == ("failed", "", "")
    assert refusing.asked == len(BACK_OFF) + 1


def test_when_nobody_answers_the_others_are_not_asked_for(ann: Contact, refusing: type[Refusing]) -> None:
    for _ in range(3):
        queue(ann)
    send_mails(now=NOW)
    assert refusing.asked == 1
    assert sorted(Mail.objects.values_list("attempts", flat=True)) == [0, 0, 1]


def test_an_address_that_the_server_refuses_is_given_up_and_kept_out_of_the_row(
    ann: Contact, refusing: type[Refusing]
) -> None:
    refusing.error = smtplib.SMTPRecipientsRefused({ADDRESS: (550, b"no such user ann@acme.example")})
    queue(ann)
    send_mails(now=NOW)
    row = Mail.objects.get()
    assert (row.state, row.error) == ("failed", "SMTPRecipientsRefused 550")
    refusing.error = OSError("connection refused")


def test_a_worker_that_died_leaves_the_mail_to_another(ann: Contact) -> None:
    queue(ann)
    Mail.objects.update(attempts=1, due_at=NOW + timedelta(minutes=5))
    assert send_mails(now=NOW) == 0
    assert send_mails(now=NOW + timedelta(minutes=5)) == 1


def test_what_is_gone_is_forgotten_after_thirty_days(ann: Contact) -> None:
    queue(ann)
    send_mails(now=NOW)
    Mail.objects.update(created_at=NOW)
    assert forget_mails(now=NOW + timedelta(days=29)) == 0
    assert forget_mails(now=NOW + timedelta(days=31)) == 1
