"""Letting a worker import an uploaded file."""

from datetime import datetime
from typing import get_args

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import JobKind
from contacts.models import ImportRun, Job
from contacts.services.auditing import audited
from contacts.services.imports.contact_rows import Mode
from contacts.services.imports.receiving import settled_mapping, what_of
from contacts.services.jobs import order_job
from contacts.services.work import CannotRun


@audited(AuditAct.IMPORT_STARTED, "run", keep=["mode", "result"])
def start_import(*, run: ImportRun, mode: str = "upsert", by: User | None, now: datetime) -> Job:
    """Order the import of an uploaded file; what it says is true as of ``now``. Returns the job to watch.

    ``mode``: ``add`` leaves known contacts alone, ``update`` makes no new ones, ``upsert`` does both.

    Raises:
        CannotRun: it has been ordered already, or the file was removed.
        MappingError: the mapping does not fit the file.
    """
    if mode not in get_args(Mode):
        raise CannotRun(gettext("An import adds, updates or does both; “%(mode)s” is none of these.") % {"mode": mode})
    _check_new(run)
    mapping = settled_mapping(run)
    with transaction.atomic():
        run = ImportRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
        _check_new(run)
        kind = JobKind.IMPORT_EVENTS if what_of(run) == "events" else JobKind.IMPORT_CONTACTS
        job = order_job(kind=kind, by=by, parameters={"run": run.pk}, unit="rows")
        run.job, run.mapping, run.mode, run.started_at, run.started_by = job, mapping, mode, now, by
        run.save(update_fields=["job", "mapping", "mode", "started_at", "started_by"])
    return job


def _check_new(run: ImportRun) -> None:
    if run.job_id is not None or run.finished_at is not None:
        raise CannotRun(gettext("This file has been imported already, or its import is under way."))
