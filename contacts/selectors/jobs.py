"""Reads of jobs: who ordered which long work when, how far it is, and what came of it."""

from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from contacts.enums import JobKind
from contacts.models import Job
from contacts.selectors.work import work_view

PAGE_SIZE: Final = 50
# What says who ordered it and why; anything else in the parameters is between the job and its work.
_TOLD: Final = ("reason", "source")


def jobs_in_full() -> "QuerySet[Job]":
    """Jobs with all that ``job_view`` shows: one query."""
    return Job.objects.select_related("requested_by", "contact")


def latest_jobs(*, kind: str = "", before: int | None = None, limit: int = PAGE_SIZE) -> tuple[list[Job], int | None]:
    """Return a page of jobs, latest first, and the id to go on before, None on the last page; one query."""
    rows = jobs_in_full().order_by("-id")
    if kind in JobKind.values:
        rows = rows.filter(kind=kind)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: limit + 1])
    return found[:limit], found[limit - 1].pk if len(found) > limit else None


def job_view(job: Job, *, now: datetime | None = None) -> dict[str, Any]:
    """A job as page and API show it: what ``work_view`` says, and ``kind``, ``contact`` and ``parameters``.

    ``contact`` is the id of whom an erasure or export is about, as text; after the erasure that of the husk.
    """
    return {
        **work_view(job, now=now),
        "kind": job.kind,
        "contact": str(job.contact_id) if job.contact_id is not None else None,
        "parameters": {name: job.parameters[name] for name in _TOLD if name in job.parameters},
    }
