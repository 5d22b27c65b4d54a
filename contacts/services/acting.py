"""Ordering acts on many contacts: a page's worth is done at once, more by a worker."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction

from contacts.audit import AuditAct
from contacts.enums import JobKind
from contacts.models import Job
from contacts.services.acts import act_parameters, undo_parameters
from contacts.services.auditing import record_act
from contacts.services.jobs import JOBS, order_job

# So many are done while one waits.
AT_ONCE: Final = 50


def order_act(*, act: str, contact_ids: Sequence[int], options: Mapping[str, Any], by: User) -> Job:
    """Do an act to contacts; returns the job, which has ended already where they are few.

    Raises:
        PermissionDenied: ``by`` may not do it.
        CannotRun: nobody is chosen, or too many.
    """
    return _order(act_parameters(act=act, contact_ids=contact_ids, options=options, by=by), by)


def undo_act(*, job: Job, by: User) -> Job:
    """Take back what an act did, where something takes it back; returns the job that does.

    Raises:
        PermissionDenied: ``by`` may not do it.
        CannotRun: it cannot be undone, was undone already, or did nothing.
    """
    return _order(undo_parameters(job, by=by), by)


def _order(parameters: dict[str, Any], by: User) -> Job:
    def note(job: Job) -> Job:
        act = AuditAct.BULK_ACT_UNDONE if parameters.get("undoes") else AuditAct.BULK_ACT
        chosen = parameters["contacts"]
        record_act(act, by=by, about=job, act=parameters["act"], number=len(chosen), contacts=chosen)
        return job

    if len(parameters["contacts"]) > AT_ONCE:
        with transaction.atomic():
            return note(order_job(kind=JobKind.ACT, by=by, parameters=parameters))
    return JOBS.do_now(lambda: note(Job.objects.create(kind=JobKind.ACT, requested_by=by, parameters=parameters)))
