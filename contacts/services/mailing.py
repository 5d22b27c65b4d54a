"""Mail that Ripen itself sends: rows as an outbox, sent by the worker, tried again, forgotten once they are gone.

Ripen sends no campaigns. What goes out is what a person just asked for (the link that confirms a form) and, where a
purpose is named, what they may be written to about; that carries a way out of one click.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from contacts.enums import MailState
from contacts.models import Contact, Mail, Purpose, Suppression
from contacts.services.posting import Posted, post, post_due
from contacts.services.preferences import preferences_url, unsubscribe_url
from contacts.services.suppression import LIFTED_BY_THE_PERSON, suppressed_among
from contacts.services.wake import wake

KEPT_FOR: Final = timedelta(days=30)
_GONE: Final = {"address": "", "body": "", "headers": {}}


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

    Each is looked up in the suppressions right before. What cannot be sent is tried again after a minute, then ever
    more rarely, six times in all.
    """
    return post_due(Mail.objects.select_related("purpose"), lambda mail, mailer: _send(mail, mailer, now), now=now)


def forget_mails(*, now: datetime) -> int:
    """Delete what was sent, dropped or given up 30 days ago; return how many. Addresses and texts are long gone."""
    return Mail.objects.exclude(state=MailState.WAITING).filter(created_at__lt=now - KEPT_FOR).delete()[0]


def _send(mail: Mail, mailer: BaseEmailBackend, now: datetime) -> Posted:
    """Send one mail, or drop it where nothing may be sent to its address any more; return what it is now."""
    waiting = Mail.objects.filter(pk=mail.pk, state=MailState.WAITING)
    if _keeps_back(suppressed_among([mail.address]).get(mail.address), mail.purpose):
        waiting.update(state=MailState.DROPPED, subject="", error="", **_GONE)
        return Posted(MailState.DROPPED)
    message = EmailMessage(
        subject=mail.subject,
        body=mail.body,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[mail.address],
        headers=dict(mail.headers),
        connection=mailer,
    )
    posted = post(message, attempts=mail.attempts, number=mail.pk, now=now)
    if posted.state is MailState.WAITING:
        waiting.update(due_at=posted.due_at, error=posted.error)
    else:
        sent_at = now if posted.state is MailState.SENT else None
        waiting.update(state=posted.state, sent_at=sent_at, error=posted.error, **_GONE)
    return posted


def _keeps_back(suppression: Suppression | None, purpose: Purpose | None) -> bool:
    if suppression is None:
        return False
    return purpose is not None or suppression.reason not in LIFTED_BY_THE_PERSON
