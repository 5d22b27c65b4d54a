"""An import before it begins: what the columns mean, and what it would do."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_http_methods

from config.web.pages import page, person_of
from contacts.forms.imports import MappingForm, ModeForm, change_words
from contacts.ingest.csv import CsvFileError
from contacts.ingest.csv_mapping import MappingError
from contacts.models import ImportRun, Kind
from contacts.permissions import check_import
from contacts.services.imports.ordering import start_import
from contacts.services.imports.previewing import preview_import
from contacts.services.imports.receiving import inspect, save_mapping, what_of
from contacts.services.work import CannotRun

_DELIMITERS = {
    ",": gettext_noop("comma"),
    ";": gettext_noop("semicolon"),
    "\t": gettext_noop("tab"),
    "|": gettext_noop("bar"),
}
_ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
}


@page(check_import)
@require_http_methods(["GET", "HEAD", "POST"])
def import_mapping(request: HttpRequest, import_id: int) -> HttpResponse:
    """Say what the columns of an uploaded file mean: guessed, or as the last file with this header was mapped."""
    run = get_object_or_404(ImportRun, pk=import_id)
    if run.job_id is not None or run.finished_at is not None:
        return redirect("import", run.pk)
    what = what_of(run)
    try:
        found = inspect(run)
    except (CannotRun, CsvFileError) as error:
        return _cannot(request, error)
    if found.format != "csv":
        return redirect("import-preview", run.pk)
    kinds = Kind.objects.filter(system=False).order_by("name").values_list("name", flat=True)
    form = MappingForm(request.POST or None, what=what, document=found.mapping, header=found.header, kinds=kinds)
    if request.method == "POST" and form.is_valid():
        try:
            save_mapping(run=run, mapping=form.document(), by=person_of(request))
        except (CannotRun, MappingError, CsvFileError) as error:
            form.add_error(None, str(error))
        else:
            return redirect("import-preview", run.pk)
    context = {
        "run": run,
        "what": what,
        "step": 2,
        "form": form,
        "rows": form.rows(found.guesses, found.samples, guessed=not run.mapping and not found.is_saved),
        "is_saved": found.is_saved,
        "size": found.rows,
        "encoding": _ENCODINGS.get(found.encoding, found.encoding),
        "delimiter": gettext(_DELIMITERS.get(found.delimiter, repr(found.delimiter))),
    }
    return render(request, "contacts/import_mapping.html", context, status=422 if form.errors else 200)


@page(check_import)
@require_http_methods(["GET", "HEAD", "POST"])
def import_preview(request: HttpRequest, import_id: int) -> HttpResponse:
    """Show what an import would do, and order it."""
    run = get_object_or_404(ImportRun, pk=import_id)
    if run.job_id is not None or run.finished_at is not None:
        return redirect("import", run.pk)
    now = timezone.now()
    form = ModeForm(request.POST if request.method == "POST" else request.GET or None)
    mode = form.cleaned_data["mode"] if form.is_valid() else "upsert"
    try:
        if request.method == "POST" and form.is_valid():
            start_import(run=run, mode=mode, by=person_of(request), now=now)
            return redirect("import", run.pk)
        preview = preview_import(run=run, now=now, mode=mode)
    except MappingError as error:
        messages.error(request, str(error))
        return redirect("import-mapping", run.pk)
    except (CannotRun, CsvFileError) as error:
        return _cannot(request, error)
    context = {
        "run": run,
        "what": what_of(run),
        "step": 3,
        "mode": mode,
        "modes": ModeForm.MODES if what_of(run) == "contacts" else (),
        "preview": preview,
        "groups": _groups(preview.samples),
        "conflict_rows": [
            (row, gettext(_CONFLICT_WORDS.get(row.code, row.code.replace("_", " ")))) for row in preview.conflict_rows
        ],
    }
    return render(request, "contacts/import_preview.html", context)


_CONFLICT_WORDS = {
    "merge_pending": gettext_noop("names two contacts"),
    "erased": gettext_noop("was erased"),
    "suppressed": gettext_noop("is suppressed"),
    "contradicts_itself": gettext_noop("contradicts itself"),
    "company_contradicts_domain": gettext_noop("company and domain disagree"),
    "conflict": gettext_noop("message id used twice"),
    "email_kept": gettext_noop("e-mail kept"),
}


def _groups(samples: dict[str, list[Any]]) -> list[tuple[str, str, str, list[Any]]]:
    """Sample rows by what would become of them: key, title, tone, rows with their changes in people's words."""
    titles = (
        ("created", gettext("Would be created"), "good"),
        ("updated", gettext("Would be updated"), "note"),
        ("rejected", gettext("Would be rejected"), "bad"),
        ("unchanged", gettext("Say nothing new"), ""),
    )
    groups = []
    for key, title, tone in titles:
        rows = [
            (row, sorted((*change_words(change.name), change.old, change.new) for change in row.changes))
            for row in samples.get(key, [])
        ]
        if rows:
            groups.append((key, title, tone, rows))
    return groups


def _cannot(request: HttpRequest, error: Exception) -> HttpResponse:
    messages.error(request, str(error))
    return redirect("imports")
