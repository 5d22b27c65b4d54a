"""Drawing consequences of what was judged."""

import time
from typing import Final

from celery import shared_task
from django.utils import timezone

from contacts.services.wake import clear_wake, wake
from funnel.services.consequences import draw_consequences, reconcile_standings
from funnel.services.counting import count_due
from funnel.tasks import turns

# Contacts at a time: they are held for a batch, and facts that would change them wait so long.
BATCH: Final = 200


@shared_task(name="funnel.drain")
def drain() -> None:
    """Draw the consequences of new transitions.

    Woken on commit; the 2 s sweep finds what a lost wake-up left. The hint stands while we work: of all processes one
    at a time draws consequences because it was woken, the others judge.
    """
    _, is_left = turns.work_off(_draw, until=time.monotonic() + turns.TURN_SECONDS)
    clear_wake("funnel.drain")
    # Once more after clearing: what was committed before it found the hint standing and sent none.
    if _draw() or is_left:
        wake("funnel.drain")


@shared_task(name="funnel.reconcile")
def reconcile() -> None:
    """Bring handoffs in line with standings that no transition announced; swept every 5 s."""
    turns.take_turn("funnel.reconcile", lambda: reconcile_standings(now=timezone.now(), limit=BATCH))


@shared_task(name="funnel.count")
def count() -> None:
    """Count whoever changed for the funnel's figures; swept every 2 s.

    Nothing wakes it: nobody waits for a figure as for an offer, and moves that are counted together share their cells.
    """
    turns.take_turn("funnel.count", lambda: count_due(now=timezone.now()))


def _draw() -> int:
    return draw_consequences(now=timezone.now(), limit=BATCH)
