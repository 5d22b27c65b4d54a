"""Passing on what nobody can see to."""

from celery import shared_task
from django.utils import timezone

from funnel.services.stranded import release_stranded
from funnel.tasks.turns import take_turn


@shared_task(name="funnel.stranded")
def stranded() -> None:
    """Pass on the handoffs of whoever has left or is away; swept every 10 s."""
    take_turn("funnel.stranded", lambda: release_stranded(now=timezone.now()))
