"""Watching Ripen itself."""

from celery import shared_task
from django.utils import timezone

from contacts.services.meters import forget_signs
from funnel.services.troubles import mail_troubles, watch_operation


@shared_task(name="funnel.watch_operation")
def watch() -> None:
    """Tell administrators of what stays wrong. Each worker's main process asks its own pool for it every 30 s."""
    watch_operation(now=timezone.now())
    mail_troubles(now=timezone.now())
    forget_signs()
