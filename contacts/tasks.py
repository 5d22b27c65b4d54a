"""Celery entry points of the facts: thin, each one service call."""

from celery import shared_task
from django.utils import timezone

from contacts.services.imports.files import sweep_files
from contacts.services.jobs import work_off_jobs
from contacts.services.wake import clear_wake


@shared_task(name="contacts.jobs", ignore_result=True)
def jobs() -> None:
    """Do the long work that was ordered. Woken on commit of an order, and by the sweep every 5 s."""
    clear_wake("contacts.jobs")
    sweep_files(now=timezone.now())
    work_off_jobs()
