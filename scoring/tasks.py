"""Celery entry points of the judgement: thin, each one service call."""

import time
from typing import Final

from celery import shared_task
from django.utils import timezone

from contacts.services.wake import clear_wake, wake
from scoring.services.evaluate import drain_due
from scoring.services.watching import watch_models
from scoring.services.work import work_off_runs

BATCH: Final = 1000
# A drain gives its process back after so many seconds, so that a long queue keeps no other work waiting.
TURN_SECONDS: Final = 2.0
# The hint of a drain for another one, apart from that of new facts.
_ANOTHER: Final = "scoring.drain:another"


@shared_task(name="scoring.drain", ignore_result=True)
def drain() -> None:
    """Judge everything that is due. Woken on commit of new facts, and by the sweep every 2 s.

    The hint stands while we work: what comes meanwhile is judged by us with the next batch, not by another process in
    small ones. Whoever finds a full batch wakes another drain before going on, and that one the next: a long queue is
    drained by as many processes, on as many hosts, as have nothing else to do. One hint for another waits at a time.
    """
    clear_wake(_ANOTHER)
    until, is_over = time.monotonic() + TURN_SECONDS, False
    while not is_over and (judged := _drain()):
        is_over = time.monotonic() > until
        if judged == BATCH or is_over:
            wake("scoring.drain", hint=_ANOTHER)
    clear_wake("scoring.drain")
    # Once more after clearing: what was committed before it found the hint standing and sent none.
    if not is_over and _drain():
        wake("scoring.drain")


def _drain() -> int:
    return drain_due(now=timezone.now(), limit=BATCH, clock=timezone.now)


@shared_task(name="scoring.runs", ignore_result=True)
def runs() -> None:
    """Do the long work that was ordered. Woken on commit of an order, and by the sweep every 5 s."""
    clear_wake("scoring.runs")
    work_off_runs()


@shared_task(name="scoring.watch", ignore_result=True)
def watch() -> None:
    """Check the learned scores that were not checked for a day. Swept every 10 minutes."""
    watch_models(now=timezone.now())
