"""Checking the invariants all the time."""

from celery import shared_task
from django.utils import timezone

from funnel.services.proving import prove_sample


@shared_task(name="funnel.prove", ignore_result=True)
def prove() -> None:
    """Check the invariants on a sample and raise an alarm where one does not hold. Swept every 10 minutes."""
    prove_sample(now=timezone.now())
