"""Imports: the list, a new one, and one while it goes and when it has ended."""

from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from config.web.formats import format_number
from config.web.pages import page, person_of
from contacts.enums import WorkState
from contacts.forms.imports import UploadForm
from contacts.ingest.csv import CsvFileError
from contacts.models import ImportRun
from contacts.permissions import check_import
from contacts.selectors.imports import imports_in_full, latest_imports
from contacts.services.imports.files import errors_of, upload_of
from contacts.services.imports.receiving import receive_file
from contacts.services.jobs import cancel_job, resume_job
from contacts.services.work import CannotRun
from contacts.views.progress import work_shown

_LONGEST_ID = 18


@page(check_import)
@require_safe
def imports(request: HttpRequest) -> HttpResponse:
    """List imports, latest first: what became of each."""
    before = request.GET.get("before", "")
    first = int(before) if before.isascii() and before.isdecimal() and len(before) <= _LONGEST_ID else None
    rows, following = latest_imports(before=first)
    context = {
        "rows": [(row, _state(row)) for row in rows],
        "summary": ngettext("%(number)s import", "%(number)s imports", len(rows))
        % {"number": format_number(len(rows))},
        "next_url": f"?before={following}" if following else "",
        "first_url": "?" if first else "",
    }
    return render(request, "contacts/imports.html", context)


@page(check_import)
@require_http_methods(["GET", "HEAD", "POST"])
def import_new(request: HttpRequest) -> HttpResponse:
    """Take a file in, and go on to what its columns mean."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            run = receive_file(
                stream=upload.file,
                file_name=upload.name,
                what=form.cleaned_data["what"],
                by=person_of(request),
                now=timezone.now(),
            )
        except CsvFileError as error:
            form.add_error("file", str(error))
        else:
            return redirect("import-mapping" if _has_columns(run) else "import-preview", run.pk)
    return render(request, "contacts/import_new.html", {"form": form, "step": 1}, status=422 if form.errors else 200)


@page(check_import)
@require_safe
def import_page(request: HttpRequest, import_id: int) -> HttpResponse:
    """Show an import: on its way, or what came of it. One that was not ordered yet goes on where it was left."""
    run = get_object_or_404(imports_in_full(), pk=import_id)
    if run.job is None and run.finished_at is None:
        return redirect("import-mapping" if _has_columns(run) else "import-preview", run.pk)
    return render(request, "contacts/import.html", _shown(run))


@page(check_import)
@require_safe
def import_progress(request: HttpRequest, import_id: int) -> HttpResponse:
    """The moving part of an import's page; once it has ended the page is loaded anew."""
    run = get_object_or_404(imports_in_full(), pk=import_id)
    if not request.htmx:  # type: ignore[attr-defined]  # django-htmx adds it
        return redirect("import", run.pk)
    if run.job is None or run.job.finished_at is not None:
        return HttpResponseClientRefresh()
    return render(request, "contacts/import_progress.html", _shown(run))


@page(check_import)
@require_safe
def import_errors(request: HttpRequest, import_id: int) -> HttpResponseBase:
    """Download the rejected rows as a file that can be mended and imported again."""
    run = get_object_or_404(ImportRun, pk=import_id)
    path = errors_of(run)
    if path is None:
        raise Http404(gettext("There is no errors file, or it was removed after 30 days."))
    stem, _, suffix = run.file_name.rpartition(".")
    name = f"{stem or suffix}-errors.{'jsonl' if suffix in {'jsonl', 'ndjson'} else 'csv'}"
    headers = {"Cache-Control": "private, no-store"}
    return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type="text/csv", headers=headers)


@page(check_import)
@require_POST
def import_cancel(request: HttpRequest, import_id: int) -> HttpResponse:
    """Ask an import to stop; what it did stays done."""
    run = get_object_or_404(ImportRun, pk=import_id, job__isnull=False)
    assert run.job_id is not None  # noqa: S101  asked for above
    job = cancel_job(job_id=run.job_id, now=timezone.now())
    if job.finished_at is None:
        messages.success(request, gettext("The import stops at its next step. What it did stays done."))
    return redirect("import", run.pk)


@page(check_import)
@require_POST
def import_resume(request: HttpRequest, import_id: int) -> HttpResponse:
    """Let a failed or cancelled import go on where it stopped."""
    run = get_object_or_404(ImportRun, pk=import_id, job__isnull=False)
    assert run.job_id is not None  # noqa: S101  asked for above
    if upload_of(run) is None:
        messages.error(request, gettext("The uploaded file was removed: upload it again."))
        return redirect("import", run.pk)
    try:
        resume_job(job_id=run.job_id)
    except CannotRun as error:
        messages.error(request, str(error))
    return redirect("import", run.pk)


def _shown(run: ImportRun) -> dict[str, Any]:
    job = run.job
    return {
        "run": run,
        # The fourth step is done, too, once it is over.
        "step": 5 if run.finished_at else 4,
        "title": gettext("Importing %(file)s") % {"file": run.file_name},
        "state": _state(run),
        "job": job,
        "is_over": job is None or job.finished_at is not None,
        "may_resume": job is not None
        and job.state in {WorkState.FAILED, WorkState.CANCELLED}
        and upload_of(run) is not None,
        "has_errors": errors_of(run) is not None,
        "progress_url": reverse("import-progress", args=[run.pk]),
        "cancel_url": reverse("import-cancel", args=[run.pk]),
        **(work_shown(job) if job is not None else {}),
    }


def _state(run: ImportRun) -> tuple[str, str, str]:
    """What the state of an import is called, its tone and icon."""
    if run.job is None:
        return (
            (gettext("finished"), "good", "circle-check")
            if run.finished_at
            else (gettext("not begun"), "note", "pencil-line")
        )
    words: dict[str, tuple[str, str, str]] = {
        WorkState.QUEUED: (gettext("waiting"), "note", "clock"),
        WorkState.RUNNING: (gettext("running"), "note", "loader-circle"),
        WorkState.FINISHED: (gettext("finished"), "good", "circle-check"),
        WorkState.FAILED: (gettext("failed"), "bad", "circle-x"),
        WorkState.CANCELLED: (gettext("cancelled"), "warn", "ban"),
    }
    return words[run.job.state]


def _has_columns(run: ImportRun) -> bool:
    """JSON lines say themselves what they are; what a CSV's columns mean has to be settled."""
    return not run.file_name.lower().endswith((".jsonl", ".ndjson"))
