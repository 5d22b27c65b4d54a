"""How mails that wait as rows go out: taken for a while, sent outside of any transaction, tried again ever more rarely.

Shared by the tables that hold such rows: each has ``state``, ``due_at`` and ``attempts`` as ``contacts_mail`` does.
"""

import logging
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.db.models import F, Model, QuerySet

from contacts.enums import MailState

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)

BACK_OFF: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
)
# Whoever dies while sending has this long; then another worker tries, and at worst a mail arrives twice.
LEASE: Final = timedelta(minutes=5)
AT_ONCE: Final = 20

_TAKE: Final = """
UPDATE {table} SET due_at = %(until)s, attempts = attempts + 1
WHERE id IN (
    SELECT id FROM {table} WHERE state = 'waiting' AND due_at <= %(now)s
    ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of one attempt.

    ``state``: what the mail is now. ``error``: the kind and code of what went wrong, never its text, which often quotes
    the address. ``due_at``: when to try again. ``nobody_answers``: no mail at all can be sent at the moment.
    """

    state: MailState
    error: str = ""
    due_at: datetime | None = None
    nobody_answers: bool = False


def post_due(rows: "QuerySet[M]", send: Callable[[M, BaseEmailBackend], Posted], *, now: datetime) -> int:
    """Let ``send`` send those of ``rows`` that are due, some at a time, until nothing is; return how many were sent.

    Each is taken for five minutes before it is sent, outside of any transaction. ``send`` writes down what became of
    it; ``rows`` says what comes with each.
    """
    sent = 0
    while taken := _take(rows, now):
        mailer = get_connection()
        try:
            for number, mail in enumerate(taken):
                posted = send(mail, mailer)
                sent += posted.state is MailState.SENT
                if posted.nobody_answers:
                    # The worker has better to do than to ask for each of them.
                    left = rows.filter(pk__in=[mail.pk for mail in taken[number + 1 :]], state=MailState.WAITING)
                    left.update(due_at=now + BACK_OFF[0], attempts=F("attempts") - 1)
                    return sent
        finally:
            mailer.close()
    return sent


def _take(rows: "QuerySet[M]", now: datetime) -> list[M]:
    table = rows.model._meta.db_table  # noqa: SLF001  Django's public name for it
    with connection.cursor() as cursor:
        cursor.execute(_TAKE.format(table=table), {"now": now, "until": now + LEASE, "limit": AT_ONCE})
        ids = [mail_id for (mail_id,) in cursor.fetchall()]
    return list(rows.filter(pk__in=ids).order_by("pk")) if ids else []


def post(message: EmailMessage, *, attempts: int, number: int, now: datetime) -> Posted:
    """Hand one mail to the mail server; ``attempts`` counts this one, ``number`` is its id for the log.

    What cannot be sent is tried again after a minute, then ever more rarely, six times in all; a recipient that the
    server refuses for good is given up at once.
    """
    try:
        message.send()
    except Exception as error:  # noqa: BLE001  whatever a provider's library raises, the mail is tried again
        code = _code_of(error)
        said = f"{type(error).__name__} {code}".strip()
        logger.warning("mail_not_sent", extra={"mail": number, "error": said, "attempts": attempts})
        refused = isinstance(error, smtplib.SMTPRecipientsRefused)
        if attempts > len(BACK_OFF) or (refused and code.startswith("5")):
            return Posted(MailState.FAILED, said)
        nobody = isinstance(error, OSError) and not refused
        return Posted(MailState.WAITING, said, now + BACK_OFF[attempts - 1], nobody)
    return Posted(MailState.SENT)


def _code_of(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next((str(code) for code, _ in error.recipients.values()), "")
    return str(getattr(error, "smtp_code", None) or getattr(error, "status_code", None) or "")
