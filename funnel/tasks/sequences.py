"""Moving contacts through sequences."""

from celery import shared_task
from django.utils import timezone

from contacts.services.wake import clear_wake
from funnel.services.sequences.enrolling import backfill_sequences
from funnel.services.sequences.sending import send_due_steps
from funnel.services.sequences.steering import reconcile_sequences

# A sweep gives its worker back after so many batches; the next goes on where it stopped.
MOST_BATCHES = 20


@shared_task(name="funnel.sequences", ignore_result=True)
def sequences() -> None:
    """Enrol who stood in a stage already, and do the steps that are due. Woken on commit; swept every 5 s."""
    clear_wake("funnel.sequences")
    for _ in range(MOST_BATCHES):
        if not backfill_sequences(now=timezone.now()):
            break
    for _ in range(MOST_BATCHES):
        if not send_due_steps(now=timezone.now()):
            break


@shared_task(name="funnel.stray_enrolments", ignore_result=True)
def stray_enrolments() -> None:
    """Stop who replied, or is in conversation with Sales, before their next step is due. Swept every 30 s."""
    for _ in range(MOST_BATCHES):
        if not reconcile_sequences(now=timezone.now()):
            break
