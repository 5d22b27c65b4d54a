"""Passing on what nobody can see to."""

from celery import shared_task
from django.utils import timezone

from funnel.services.stranded import release_stranded

MOST_BATCHES = 20


@shared_task(name="funnel.stranded")
def stranded() -> None:
    """Pass on the handoffs of whoever has left or is away; swept every 10 s."""
    for _ in range(MOST_BATCHES):
        if not release_stranded(now=timezone.now()):
            break
