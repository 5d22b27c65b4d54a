"""Celery entry points of the facts: thin, each one service call."""

from celery import shared_task
from django.utils import timezone

from contacts.services.imports.files import sweep_files
from contacts.services.jobs import work_off_jobs
from contacts.services.mailing import forget_mails, send_mails
from contacts.services.merging import merge_left_behind
from contacts.services.person_files import sweep_export_files
from contacts.services.problems import forget_problems
from contacts.services.wake import clear_wake


@shared_task(name="contacts.jobs", ignore_result=True)
def jobs() -> None:
    """Do the long work that was ordered. Woken on commit of an order, and by the sweep every 5 s."""
    clear_wake("contacts.jobs")
    sweep_files(now=timezone.now())
    work_off_jobs()


@shared_task(name="contacts.merges", ignore_result=True)
def merges() -> None:
    """Merge what messages named together and whoever recorded them did not get to. Swept every 10 s."""
    merge_left_behind(now=timezone.now())


@shared_task(name="contacts.mail", ignore_result=True)
def mail() -> None:
    """Send the mail that is due. Woken on commit of one, and by the sweep every 5 s."""
    clear_wake("contacts.mail")
    send_mails(now=timezone.now())


@shared_task(name="contacts.forget_mail", ignore_result=True)
def forget_mail() -> None:
    """Delete what was mailed long ago. Swept every 10 minutes."""
    forget_mails(now=timezone.now())


@shared_task(name="contacts.forget_problems", ignore_result=True)
def forget_rejected() -> None:
    """Delete rejected messages of long ago. Swept every 10 minutes."""
    forget_problems(now=timezone.now())


@shared_task(name="contacts.forget_exports", ignore_result=True)
def forget_exports() -> None:
    """Remove files of people's data whose seven days are over. Swept every 10 minutes."""
    sweep_export_files(now=timezone.now())
