"""Telling people what happened, and mailing it."""

from celery import shared_task
from django.utils import timezone

from contacts.services.wake import clear_wake, wake
from funnel.services.notices.keeping import forget_notices
from funnel.services.notices.looking_out import look_out
from funnel.services.notices.mailing import forget_notice_mails, queue_digests, queue_mails, send_notice_mails
from funnel.services.notices.telling import tell_announcements
from funnel.tasks.turns import take_turn


@shared_task(name="funnel.tell")
def tell() -> None:
    """Tell people of new announcements, then machines (``funnel.hooks``). Woken on commit of one; swept every 2 s."""
    if take_turn("funnel.tell", lambda: tell_announcements(now=timezone.now())):
        # After us: both take the same rows, and whoever comes second would find them taken.
        wake("funnel.hooks")


@shared_task(name="funnel.look_out")
def look() -> None:
    """Tell reps whose day has come, of whom nothing was heard, and what their contacts did. Swept every 20 s."""
    look_out(now=timezone.now())


@shared_task(name="funnel.notice_mail")
def notice_mail() -> None:
    """Make mails of what was gathered and digests that are due, and send what waits. Swept every 5 s."""
    clear_wake("funnel.notice_mail")
    now = timezone.now()
    while queue_mails(now=now):
        pass
    while queue_digests(now=now):
        pass
    send_notice_mails(now=now)


@shared_task(name="funnel.forget_notices")
def forget_told() -> None:
    """Delete what people were told long ago. Swept every 10 minutes."""
    now = timezone.now()
    while forget_notices(now=now):
        pass
    forget_notice_mails(now=now)
