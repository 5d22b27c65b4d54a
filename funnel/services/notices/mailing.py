"""What is told by mail: at once (what came within half a minute together), or in a person's digest.

The rows say which things go with which mail; the text is written when it is sent, from what is known and allowed then,
and kept nowhere. So an erased person is in no mail that goes out later, and what was read meanwhile is left out.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import Min, Q
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext, ngettext

from config.web.formats import format_number
from contacts.enums import MailState
from contacts.services.posting import Posted, post, post_due
from contacts.services.suppression import suppressed_among
from contacts.services.wake import wake
from funnel.enums import MailMode, NoticeKind
from funnel.models import DigestPlan, NoticeMail, NotificationItem
from funnel.notice_kinds import KINDS, kinds_for
from funnel.selectors.notices import NoticeLine, item_lines
from funnel.services.notices.digests import next_digest, zones_of
from funnel.services.notices.staff import load_staff

# What comes right after each other is one mail.
GATHERED_FOR: Final = timedelta(seconds=30)
KEPT_FOR: Final = timedelta(days=30)
# Of one kind, in one mail; the rest is counted.
MOST_LINES: Final = 20

_TO_MAIL: Final = Q(mail=None) & ~Q(mail_mode=MailMode.NEVER)


def queue_mails(*, now: datetime, limit: int = 100) -> int:
    """Make a mail of what is to be mailed at once and has been gathered, for up to ``limit`` people; how many mails."""
    with transaction.atomic():
        waiting = NotificationItem.objects.filter(_TO_MAIL, mail_mode=MailMode.AT_ONCE)
        ripe = waiting.values("user").annotate(first=Min("told_at")).filter(first__lte=now - GATHERED_FOR)
        user_ids = sorted(ripe.values_list("user", flat=True)[:limit])
        return _mail(user_ids, MailMode.AT_ONCE, now=now)


def queue_digests(*, now: datetime, limit: int = 100) -> int:
    """Make the digests that are due, for up to ``limit`` people; return how many plans were seen to.

    When the next one is due is written with it, so a worker that dies sends it once all the same, and a later start
    sends what a stop has missed. Who has nothing to be told gets none.
    """
    with transaction.atomic():
        due = DigestPlan.objects.filter(due_at__lte=now).order_by("due_at", "pk")
        plans = list(due.select_for_update(skip_locked=True, no_key=True)[:limit])
        if not plans:
            return 0
        user_ids = [plan.user_id for plan in plans]
        told = set(
            NotificationItem.objects.filter(_TO_MAIL, user__in=user_ids, mail_mode=MailMode.DIGEST).values_list(
                "user", flat=True
            )
        )
        zones = zones_of(user_ids)
        _mail(sorted(told), MailMode.DIGEST, now=now)
        for plan in plans:
            zone = zones[plan.user_id]
            if plan.user_id in told:
                plan.sent_on = now.astimezone(ZoneInfo(zone)).date()
            plan.due_at = next_digest(after=now, zone=zone, hour=plan.hour, days=plan.days, sent_on=plan.sent_on)
        DigestPlan.objects.bulk_update(plans, ["due_at", "sent_on"])
        return len(plans)


def _mail(user_ids: Sequence[int], mode: MailMode, *, now: datetime) -> int:
    """Put everything that waits for these people and way into a mail each; those that another worker is at are left."""
    rows = NotificationItem.objects.filter(_TO_MAIL, user__in=user_ids, mail_mode=mode).order_by("pk")
    items = list(rows.select_for_update(skip_locked=True, no_key=True).only("user"))
    mails = NoticeMail.objects.bulk_create(
        NoticeMail(user_id=user_id, is_digest=mode is MailMode.DIGEST, due_at=now)
        for user_id in sorted({item.user_id for item in items})
    )
    by_user = {mail.user_id: mail for mail in mails}
    for item in items:
        item.mail = by_user[item.user_id]
    NotificationItem.objects.bulk_update(items, ["mail"], batch_size=1_000)
    if mails:
        wake("funnel.notice_mail")
    return len(mails)


def send_notice_mails(*, now: datetime) -> int:
    """Send what is due, again and ever more rarely where it fails; return how many were sent."""
    return post_due(
        NoticeMail.objects.select_related("user__preferences"), lambda mail, mailer: _send(mail, mailer, now), now=now
    )


def forget_notice_mails(*, now: datetime) -> int:
    """Delete what went out, was dropped or given up 30 days ago; return how many."""
    return NoticeMail.objects.exclude(state=MailState.WAITING).filter(created_at__lt=now - KEPT_FOR).delete()[0]


def _send(mail: NoticeMail, mailer: BaseEmailBackend, now: datetime) -> Posted:
    message = _written(mail)
    if message is None:
        posted = Posted(MailState.DROPPED)
    else:
        message.connection = mailer
        posted = post(message, attempts=mail.attempts, number=mail.pk, now=now)
    waiting = NoticeMail.objects.filter(pk=mail.pk, state=MailState.WAITING)
    if posted.state is MailState.WAITING:
        waiting.update(due_at=posted.due_at, error=posted.error)
    else:
        sent_at = now if posted.state is MailState.SENT else None
        waiting.update(state=posted.state, sent_at=sent_at, error=posted.error)
    return posted


def _written(mail: NoticeMail) -> EmailMessage | None:
    """Write the mail as of now; None where there is nobody to write to, or nothing left to say."""
    roles = load_staff([mail.user_id]).roles.get(mail.user_id, frozenset())
    address = mail.user.email
    if not roles or not address or suppressed_among([address]):
        return None
    rows = list(
        NotificationItem.objects.filter(mail=mail, notification__read_at=None, notification__kind__in=kinds_for(roles))
        .select_related("notification")
        .order_by("pk")
    )
    if not rows:
        return None
    # A worker speaks English; a mail speaks as its reader does.
    with translation.override(_language_of(mail.user)):
        return _worded(mail, rows, address)


def _language_of(user: User) -> str:
    return getattr(getattr(user, "preferences", None), "language", "") or settings.LANGUAGE_CODE


def _worded(mail: NoticeMail, rows: Sequence[NotificationItem], address: str) -> EmailMessage:
    kinds = {row.notification_id: NoticeKind(row.notification.kind) for row in rows}
    lines = item_lines(rows, kinds=kinds)
    by_kind: dict[NoticeKind, list[NoticeLine]] = {}
    for row, line in zip(rows, lines, strict=True):
        by_kind.setdefault(kinds[row.notification_id], []).append(line)
    return EmailMessage(
        subject=_subject(mail, lines),
        body=_body(mail.user, by_kind),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[address],
        headers={"Auto-Submitted": "auto-generated"},
    )


def _subject(mail: NoticeMail, lines: Sequence[NoticeLine]) -> str:
    number = len(lines)
    if mail.is_digest:
        said = ngettext("Ripen: %(number)s thing to know", "Ripen: %(number)s things to know", number)
        text = said % {"number": format_number(number)}
    elif number == 1:
        text = lines[0].text
    else:
        text = gettext("%(first)s, and %(number)s more") % {
            "first": lines[0].text,
            "number": format_number(number - 1),
        }
    return " ".join(text.split())[:200]


def _body(user: User, by_kind: dict[NoticeKind, list[NoticeLine]]) -> str:
    parts = [gettext("Hello %(name)s,") % {"name": user.first_name or user.email}]
    for kind in [kind for kind in KINDS if kind in by_kind]:
        lines = by_kind[kind]
        said = [
            f"* {line.text}" + (f"\n  {settings.BASE_URL}{line.url}" if line.url else "") for line in lines[:MOST_LINES]
        ]
        if len(lines) > MOST_LINES:
            more = {
                "number": format_number(len(lines) - MOST_LINES),
                "url": f"{settings.BASE_URL}{reverse('notifications')}",
            }
            said.append(gettext("and %(number)s more: %(url)s") % more)
        parts.append("\n".join([str(kind.label), *said]))
    place = {"url": f"{settings.BASE_URL}{reverse('notification-settings')}"}
    parts.append("--\n" + gettext("Choose what Ripen tells you, and how: %(url)s") % place + "\n")
    return "\n\n".join(parts)
