"""Moving contacts through sequences."""

from celery import shared_task
from django.utils import timezone

from funnel.services.sequences.enrolling import backfill_sequences
from funnel.services.sequences.sending import send_due_steps
from funnel.services.sequences.steering import reconcile_sequences
from funnel.tasks.turns import take_turn


@shared_task(name="funnel.sequences", ignore_result=True)
def sequences() -> None:
    """Enrol who stood in a stage already, and do the steps that are due. Woken on commit; swept every 5 s."""
    take_turn(
        "funnel.sequences",
        lambda: backfill_sequences(now=timezone.now()),
        lambda: send_due_steps(now=timezone.now()),
    )


@shared_task(name="funnel.stray_enrolments", ignore_result=True)
def stray_enrolments() -> None:
    """Stop who replied, or is in conversation with Sales, before their next step is due. Swept every 30 s."""
    take_turn("funnel.stray_enrolments", lambda: reconcile_sequences(now=timezone.now()))
