"""Jobs: the list of all long work on facts, and one of them while it goes and when it has ended."""

from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from config.web.formats import format_number
from config.web.pages import link_with, page, person_of
from config.web.ui import Tab
from contacts.api.jobs import send_export_file
from contacts.enums import ErasureReason, JobKind, WorkState
from contacts.models import ImportRun, Job
from contacts.permissions import can_export_person, can_steer_job, check_export_person, check_see_jobs, check_steer_job
from contacts.selectors.jobs import job_view, jobs_in_full, latest_jobs
from contacts.services.jobs import cancel_job, resume_job
from contacts.services.person_files import export_file_of
from contacts.services.work import CannotRun
from contacts.views.progress import unit_words, work_shown

_LONGEST_ID: Final = 18
_ICONS: Final = {
    JobKind.IMPORT_CONTACTS: "upload",
    JobKind.IMPORT_EVENTS: "upload",
    JobKind.FIND_DUPLICATES: "copy",
    JobKind.ERASE: "eraser",
    JobKind.EXPORT_PERSON: "file-down",
    JobKind.ACT: "list-checks",
}
_TONES: Final = {
    WorkState.FINISHED: ("good", "circle-check"),
    WorkState.FAILED: ("bad", "circle-x"),
    WorkState.CANCELLED: ("warn", "ban"),
    WorkState.RUNNING: ("note", "loader-circle"),
    WorkState.QUEUED: ("", "hourglass"),
}
# What the results of jobs count most often; anything else is said by its name.
_COUNTED: Final = {
    "rows": gettext_noop("rows"),
    "created": gettext_noop("created"),
    "updated": gettext_noop("updated"),
    "unchanged": gettext_noop("unchanged"),
    "rejected": gettext_noop("rejected"),
}


@page(check_see_jobs)
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """List jobs, latest first: who ordered what when, and what came of it; filter ``kind``."""
    before, kind = request.GET.get("before", ""), request.GET.get("kind", "")
    first = int(before) if before.isascii() and before.isdecimal() and len(before) <= _LONGEST_ID else None
    rows, following = latest_jobs(kind=kind, before=first)
    kinds = [("", gettext("All")), *((one.value, one.label.capitalize()) for one in JobKind)]
    context = {
        "rows": [(row, _head(row), _ordered_by(row)) for row in rows],
        "tabs": [Tab(label, link_with(request.GET, kind=value or None), kind == value) for value, label in kinds],
        "summary": ngettext("%(number)s job", "%(number)s jobs", len(rows)) % {"number": format_number(len(rows))},
        "next_url": f"{link_with(request.GET)}&before={following}" if following else "",
        "first_url": link_with(request.GET) if first else "",
    }
    return render(request, "contacts/jobs.html", context)


@page(check_see_jobs)
@never_cache
@require_safe
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show a job: how far it is, or what came of it."""
    return render(request, "contacts/job.html", _shown(request, _job_or_404(job_id)))


@page(check_see_jobs)
@require_safe
def job_progress(request: HttpRequest, job_id: int) -> HttpResponse:
    """The moving part of a job's page; once it has ended the page is loaded anew."""
    found = _job_or_404(job_id)
    if not request.htmx:  # type: ignore[attr-defined]  # django-htmx adds it
        return redirect("job", found.pk)
    if found.finished_at is not None:
        return HttpResponseClientRefresh()
    return render(request, "components/work.html", _shown(request, found))


@page(check_see_jobs)
@require_POST
def job_cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask a job to stop; what it did stays done."""
    found = _job_or_404(job_id)
    check_steer_job(request.user, found.kind)
    try:
        cancel_job(job_id=found.pk, now=timezone.now())
    except CannotRun as error:
        messages.error(request, str(error))
    return redirect("job", found.pk)


@page(check_see_jobs)
@require_POST
def job_resume(request: HttpRequest, job_id: int) -> HttpResponse:
    """Let a failed or cancelled job go on."""
    found = _job_or_404(job_id)
    check_steer_job(request.user, found.kind)
    try:
        resume_job(job_id=found.pk)
    except CannotRun as error:
        messages.error(request, str(error))
    return redirect("job", found.pk)


@page(check_export_person)
@never_cache
@require_safe
def job_file(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Send the file that an export of a person's data made."""
    return send_export_file(_job_or_404(job_id))


def _job_or_404(job_id: int) -> Job:
    return get_object_or_404(jobs_in_full(), pk=job_id)


def _head(found: Job) -> dict[str, str]:
    """How a job is told at a glance."""
    kind, state = JobKind(found.kind), WorkState(found.state)
    tone, icon = _TONES[state]
    return {
        "kind": kind.label.capitalize(),
        "kind_icon": _ICONS[kind],
        "state": str(state.label),
        "tone": tone,
        "icon": icon,
        "summary": _summary(found),
    }


def _ordered_by(found: Job) -> str:
    """Who ordered it: a person, an integration, or whoever sat at the shell."""
    return str(job_view(found)["requested_by"] or found.parameters.get("source") or gettext("the shell"))


def _summary(found: Job) -> str:
    """What came of it, in a line."""
    if found.error:
        return gettext(found.error)
    result = found.result or {}
    if found.kind == JobKind.ERASE:
        reason = ErasureReason(found.parameters["reason"]).label if found.parameters.get("reason") else ""
        return reason.capitalize()
    if found.kind == JobKind.EXPORT_PERSON and result:
        rows = sum(result.get("rows", {}).values())
        return ngettext("%(number)s row", "%(number)s rows", rows) % {"number": format_number(rows)}
    return f"{format_number(found.done)} {unit_words(found.unit)}" if found.done else ""


def _shown(request: HttpRequest, found: Job) -> dict[str, Any]:
    may_steer = can_steer_job(request.user, found.kind)
    over = found.finished_at is not None
    stops = may_steer and not over and found.kind != JobKind.ERASE
    run = ImportRun.objects.filter(job=found).first()
    file_there = found.kind == JobKind.EXPORT_PERSON and export_file_of(found.pk, now=timezone.now()) is not None
    return {
        "job": found,
        "head": _head(found),
        "is_over": over,
        "title": JobKind(found.kind).label.capitalize(),
        "url": reverse("job-progress", args=[found.pk]),
        "cancel_url": reverse("job-cancel", args=[found.pk]) if stops else "",
        "may_resume": may_steer and found.state in {WorkState.FAILED, WorkState.CANCELLED},
        "figures": _figures(found),
        "import_url": reverse("import", args=[run.pk]) if run is not None else "",
        "file_url": reverse("job-file", args=[found.pk]) if file_there and can_export_person(request.user) else "",
        "ordered_by": _ordered_by(found),
        "contact": found.contact if found.contact is not None and found.contact.present else None,
        "person": person_of(request),
        **work_shown(found),
    }


def _figures(found: Job) -> list[tuple[str, int]]:
    """The counts of a result, by what was counted."""
    result = found.result or {}
    counts = result.get("rows", {}) if found.kind == JobKind.EXPORT_PERSON else result
    if not isinstance(counts, dict):
        return []
    return [
        (gettext(_COUNTED[name]) if name in _COUNTED else str(name).replace("_", " "), number)
        for name, number in counts.items()
        if isinstance(number, int)
    ]
