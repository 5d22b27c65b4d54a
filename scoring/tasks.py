"""Celery entry points of the judgement: thin, each one service call."""

from celery import shared_task
from django.utils import timezone

from contacts.services.wake import clear_wake
from scoring.services.evaluate import drain_due
from scoring.services.watching import watch_models
from scoring.services.work import work_off_runs


@shared_task(name="scoring.drain", ignore_result=True)
def drain() -> None:
    """Judge everything that is due. Woken on commit of new facts, and by the sweep every 2 s."""
    clear_wake("scoring.drain")
    while drain_due(now=timezone.now(), clock=timezone.now):
        pass


@shared_task(name="scoring.runs", ignore_result=True)
def runs() -> None:
    """Do the long work that was ordered. Woken on commit of an order, and by the sweep every 5 s."""
    clear_wake("scoring.runs")
    work_off_runs()


@shared_task(name="scoring.watch", ignore_result=True)
def watch() -> None:
    """Check the learned scores that were not checked for a day. Swept every 10 minutes."""
    watch_models(now=timezone.now())
