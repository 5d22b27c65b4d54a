"""Telling webhooks: in a worker of its own, for it waits for other people's machines."""

from celery import shared_task
from celery.worker import state
from django.utils import timezone

from contacts.services.wake import clear_wake
from funnel.services.hooks.forgetting import forget_hooks as forget_old
from funnel.services.hooks.sending import send_hooks


@shared_task(name="funnel.hooks")
def hooks() -> None:
    """Make messages of what was announced and send what is due. Woken on commit; the 2 s sweep finds what is left."""
    clear_wake("funnel.hooks")
    send_hooks(clock=timezone.now, stop=_is_stopping)


@shared_task(name="funnel.forget_hooks")
def forget_hooks() -> None:
    """Delete messages and announcements whose time is over; swept every ten minutes."""
    forget_old(now=timezone.now())


def _is_stopping() -> bool:
    """Whether this worker was asked to end: then nothing more is taken, and what is on its way gets a moment."""
    return any(asked is not None and asked is not False for asked in (state.should_stop, state.should_terminate))
