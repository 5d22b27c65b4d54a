"""Drawing consequences of what was judged."""

from celery import shared_task
from django.utils import timezone

from contacts.services.wake import clear_wake
from funnel.services.consequences import draw_consequences, reconcile_standings
from funnel.services.counting import count_due

# A drain gives its worker back after so many batches; the sweep goes on where it stopped.
MOST_BATCHES = 50


@shared_task(name="funnel.drain")
def drain() -> None:
    """Draw the consequences of new transitions, then count whoever changed without one (another country, say).

    Woken on commit; the 2 s sweep finds what a lost wake-up left.
    """
    # Cleared before reading: a wake-up that comes while we read starts another drain.
    clear_wake("funnel.drain")
    for _ in range(MOST_BATCHES):
        if not draw_consequences(now=timezone.now()):
            break
    for _ in range(MOST_BATCHES):
        if not count_due(now=timezone.now()):
            break


@shared_task(name="funnel.reconcile")
def reconcile() -> None:
    """Bring handoffs in line with standings that no transition announced; swept every 5 s."""
    for _ in range(MOST_BATCHES):
        if not reconcile_standings(now=timezone.now()):
            break
