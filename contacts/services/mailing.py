"""Mail that Ripen itself sends: rows as an outbox, sent by the worker, tried again, forgotten once they are gone.

Ripen sends no campaigns. What goes out is what a person just asked for (the link that confirms a form) and, where a
purpose is named, what they may be written to about; that carries a way out of one click.
"""

import logging
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.db.models import F

from contacts.enums import MailState
from contacts.models import Contact, Mail, Purpose, Suppression
from contacts.services.preferences import preferences_url, unsubscribe_url
from contacts.services.suppression import LIFTED_BY_THE_PERSON, suppressed_among
from contacts.services.wake import wake

logger = logging.getLogger(__name__)

BACK_OFF: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
)
KEPT_FOR: Final = timedelta(days=30)
# Whoever dies while sending has this long; then another worker tries, and at worst a mail arrives twice.
_LEASE: Final = timedelta(minutes=5)
_AT_ONCE: Final = 20
_GONE: Final = {"address": "", "body": "", "headers": {}}

TAKE: Final = """
UPDATE contacts_mail SET due_at = %(until)s, attempts = attempts + 1
WHERE id IN (
    SELECT id FROM contacts_mail WHERE state = 'waiting' AND due_at <= %(now)s
    ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be queued; ``purpose`` None means the answer to what its reader has just asked for."""

    contact: Contact
    address: str
    subject: str
    body: str
    purpose: Purpose | None = None


def queue_mail(
    *, contact: Contact, address: str, subject: str, body: str, now: datetime, purpose: Purpose | None = None
) -> Mail | None:
    """Let a mail be sent once the current transaction has committed; None where nothing may be sent to the address.

    ``purpose`` None means the answer to what its reader has just asked for. Only such a mail goes to somebody who had
    unsubscribed: it is how they take that back.
    """
    return queue_mails(letters=[Letter(contact, address, subject, body, purpose)], now=now)[0]


def queue_mails(*, letters: Sequence[Letter], now: datetime) -> list[Mail | None]:
    """Let mails be sent once the current transaction has committed, as ``queue_mail`` does; two statements in all."""
    suppressed = suppressed_among({letter.address for letter in letters})
    kept = [letter if not _keeps_back(suppressed.get(letter.address), letter.purpose) else None for letter in letters]
    mails = iter(Mail.objects.bulk_create(_mail_of(letter, now) for letter in kept if letter is not None))
    if any(kept):
        wake("contacts.mail")
    return [next(mails) if letter is not None else None for letter in kept]


def _mail_of(letter: Letter, now: datetime) -> Mail:
    headers, body = {"Auto-Submitted": "auto-generated"}, letter.body
    if letter.purpose is not None:
        headers |= {
            "List-Unsubscribe": f"<{unsubscribe_url(letter.contact.pk, letter.address)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        body = f"{body}\n\n--\nChoose what we write about: {preferences_url(letter.contact.pk, letter.address)}\n"
    return Mail(
        contact=letter.contact,
        address=letter.address,
        subject=" ".join(letter.subject.split())[:255],
        body=body,
        headers=headers,
        purpose=letter.purpose,
        due_at=now,
    )


def send_mails(*, now: datetime) -> int:
    """Send what is due, some at a time, until nothing is; return how many were sent.

    Each is taken for five minutes before it is sent, outside of any transaction, and looked up in the suppressions
    right before. What cannot be sent is tried again after a minute, then ever more rarely, six times in all.
    """
    sent = 0
    while taken := _take(now):
        mailer = get_connection()
        try:
            for number, mail in enumerate(taken):
                outcome = _send(mail, mailer, now)
                sent += outcome is MailState.SENT
                if outcome is None:
                    # Nobody answers: the worker has better to do than to ask for each of them.
                    _put_back(taken[number + 1 :], now)
                    return sent
        finally:
            mailer.close()
    return sent


def forget_mails(*, now: datetime) -> int:
    """Delete what was sent, dropped or given up 30 days ago; return how many. Addresses and texts are long gone."""
    return Mail.objects.exclude(state=MailState.WAITING).filter(created_at__lt=now - KEPT_FOR).delete()[0]


def _take(now: datetime) -> list[Mail]:
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"now": now, "until": now + _LEASE, "limit": _AT_ONCE})
        ids = [mail_id for (mail_id,) in cursor.fetchall()]
    return list(Mail.objects.filter(pk__in=ids).select_related("purpose").order_by("pk")) if ids else []


def _send(mail: Mail, mailer: BaseEmailBackend, now: datetime) -> MailState | None:
    """Send one mail; return what it is now, None where no mail at all can be sent at the moment."""
    waiting = Mail.objects.filter(pk=mail.pk, state=MailState.WAITING)
    if _keeps_back(suppressed_among([mail.address]).get(mail.address), mail.purpose):
        waiting.update(state=MailState.DROPPED, subject="", error="", **_GONE)
        return MailState.DROPPED
    message = EmailMessage(
        subject=mail.subject,
        body=mail.body,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[mail.address],
        headers=dict(mail.headers),
        connection=mailer,
    )
    try:
        message.send()
    except Exception as error:  # noqa: BLE001  whatever a provider's library raises, the mail is tried again
        return _put_off(mail, error, now)
    waiting.update(state=MailState.SENT, sent_at=now, error="", **_GONE)
    return MailState.SENT


def _put_off(mail: Mail, error: Exception, now: datetime) -> MailState | None:
    """Try again later, or give up. What a server says often quotes the address, so only its kind and code are kept."""
    code = _code_of(error)
    said = f"{type(error).__name__} {code}".strip()
    logger.warning("mail_not_sent", extra={"mail": mail.pk, "error": said, "attempts": mail.attempts})
    waiting = Mail.objects.filter(pk=mail.pk, state=MailState.WAITING)
    refused = isinstance(error, smtplib.SMTPRecipientsRefused)
    if mail.attempts > len(BACK_OFF) or (refused and code.startswith("5")):
        waiting.update(state=MailState.FAILED, error=said, **_GONE)
        return MailState.FAILED
    waiting.update(due_at=now + BACK_OFF[mail.attempts - 1], error=said)
    return MailState.WAITING if refused or not isinstance(error, OSError) else None


def _put_back(mails: Sequence[Mail], now: datetime) -> None:
    ids = [mail.pk for mail in mails]
    again = {"due_at": now + BACK_OFF[0], "attempts": F("attempts") - 1}
    Mail.objects.filter(pk__in=ids, state=MailState.WAITING).update(**again)


def _code_of(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next((str(code) for code, _ in error.recipients.values()), "")
    return str(getattr(error, "smtp_code", None) or getattr(error, "status_code", None) or "")


def _keeps_back(suppression: Suppression | None, purpose: Purpose | None) -> bool:
    if suppression is None:
        return False
    return purpose is not None or suppression.reason not in LIFTED_BY_THE_PERSON
