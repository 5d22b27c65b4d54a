"""Long work on facts: ordered as a row, done by a worker one at a time, watched and cancelled while it goes."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import JobKind, WorkState
from contacts.models import Contact, Job
from contacts.services.acts import act_on_contacts
from contacts.services.auditing import audited
from contacts.services.duplicates import find_duplicates
from contacts.services.erasing import erase_person
from contacts.services.imports.working import perform_import
from contacts.services.person_export import export_person
from contacts.services.wake import wake
from contacts.services.work import CannotRun, Progress, Workshop, ask_to_stop, order_again

TASK: Final = "contacts.jobs"

# Does one job and returns its JSON-ready result.
Perform = Callable[[Job, Progress], Mapping[str, Any]]
_WORK: dict[JobKind, Perform] = {
    JobKind.IMPORT_CONTACTS: perform_import,
    JobKind.IMPORT_EVENTS: perform_import,
    JobKind.FIND_DUPLICATES: find_duplicates,
    JobKind.ERASE: erase_person,
    JobKind.EXPORT_PERSON: export_person,
    JobKind.ACT: act_on_contacts,
}
# What goes on where it stopped, and does not begin again.
_GOING_ON: Final = frozenset({JobKind.IMPORT_CONTACTS, JobKind.IMPORT_EVENTS, JobKind.ACT})
# What is not left half done once it has begun.
_WHOLE: Final = frozenset({JobKind.ERASE})


def order_job(
    *,
    kind: JobKind,
    by: User | None,
    contact: Contact | None = None,
    parameters: Mapping[str, Any] | None = None,
    unit: str = "contacts",
) -> Job:
    """Order a job and wake the worker. Permission is the caller's to check."""
    job = Job.objects.create(kind=kind, requested_by=by, contact=contact, parameters=dict(parameters or {}), unit=unit)
    wake(TASK)
    return job


@audited(AuditAct.JOB_CANCELLED, "result", keep=["result.kind"])
def cancel_job(*, job_id: int, now: datetime) -> Job:
    """Ask a job to stop: one that waits is cancelled at once, one under way at its next chunk.

    What it did stays done. A finished job stays finished. Raises Job.DoesNotExist; CannotRun for an erasure.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update(of=("self",)).get(pk=job_id)
        if job.kind in _WHOLE:
            raise CannotRun(gettext("An erasure is not left half done."))
        ask_to_stop(job, now=now)
        return job


@audited(AuditAct.JOB_RESUMED, "result", keep=["result.kind"])
def resume_job(*, job_id: int) -> Job:
    """Order a failed or cancelled job once more: it goes on where it stopped.

    Raises:
        CannotRun: it has neither failed nor been cancelled.
        Job.DoesNotExist: there is no such job.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update(of=("self",)).get(pk=job_id)
        if job.state not in {WorkState.FAILED, WorkState.CANCELLED}:
            raise CannotRun(
                gettext("This job is %(state)s; nothing is to be resumed.") % {"state": job.get_state_display()}
            )
        if job.kind in _GOING_ON:
            # How fast it goes is told by what is done from here on.
            job.parameters = {**job.parameters, "done_before": job.done}
            job.save(update_fields=["parameters"])
        order_again(job)
        wake(TASK)
        return job


def _perform(job: Job, progress: Progress) -> Mapping[str, Any]:
    return _WORK[JobKind(job.kind)](job, progress)


JOBS: Final = Workshop(
    model=Job,
    lock=0x4A4F4253,  # "JOBS" in ASCII
    perform=_perform,
    # People who asked for their rights wait for one job at most, not for a queue of imports.
    first=Q(kind__in=(JobKind.ERASE, JobKind.EXPORT_PERSON)),
    related=("contact", "requested_by"),
    # Of the workers that do long work at most one is at a job, so that runs never wait behind an import.
    alone=True,
)


def work_off_jobs() -> int:
    """Do every job that waits and every one whose worker died; returns how many, 0 where another worker is at it."""
    return JOBS.work_off()
