"""A run while it goes, and the contacts behind a number of its result."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from config.web.formats import format_number
from config.web.pages import link_with, page, person_of
from contacts.permissions import can_run_definitions, check_run_definitions, check_see_definitions
from contacts.services.work import CannotRun
from contacts.views.progress import work_shown
from scoring.enums import RunKind
from scoring.models import Run
from scoring.selectors.runs import cell_contacts
from scoring.services.disagreements import both_verdicts
from scoring.services.runs import cancel_run, retry_run
from scoring.views.definition_head import head_of

_PAGE = 25

# Where a run is at home; the others (publication, roll-back) on the page that publishes.
PAGES = {
    RunKind.WHAT_IF: "definition-what-if",
    RunKind.COMPARE: "definition-compare",
    RunKind.BACKTEST: "definition-backtest",
    RunKind.LEARN: "definition-learn",
    RunKind.PUBLISH: "definition-publish",
    RunKind.ROLL_BACK: "definition-publish",
}


_STOPS = {
    RunKind.WHAT_IF: gettext_noop("The what-if stops at its next step."),
    RunKind.COMPARE: gettext_noop("The comparison stops at its next step."),
    RunKind.BACKTEST: gettext_noop("The backtest stops at its next step."),
    RunKind.LEARN: gettext_noop("The training stops at its next step."),
}


def run_url(run: Run) -> str:
    """The page on which the run is shown."""
    return f"{reverse(PAGES[RunKind(run.kind)], args=[run.definition_id])}?run={run.pk}"


def run_shown(found: Run | None) -> dict[str, Any]:
    """What ``scoring/run_progress.html`` needs of a run; nothing of none."""
    if found is None:
        return {"run": None}
    whole = found.kind in (RunKind.PUBLISH, RunKind.ROLL_BACK)
    return {
        "run": found,
        **work_shown(found),
        "progress_url": reverse("run-progress", args=[found.pk]),
        # A publication is not left half done.
        "cancel_url": "" if whole else reverse("run-cancel", args=[found.pk]),
    }


@page(check_see_definitions)
@require_safe
def run(request: HttpRequest, run_id: int) -> HttpResponse:
    """Lead to the page of a run."""
    return redirect(run_url(get_object_or_404(Run, pk=run_id)))


@page(check_see_definitions)
@require_safe
def run_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The progress of a run as a part of a page; once it has ended the page is loaded anew."""
    found = get_object_or_404(Run, pk=run_id)
    if not request.htmx:  # type: ignore[attr-defined]  # django-htmx adds it
        return redirect(run_url(found))
    if found.finished_at is not None:
        return HttpResponseClientRefresh()
    context = {**run_shown(found), "may_run": can_run_definitions(request.user)}
    return render(request, "scoring/run_progress.html", context)


@page(check_see_definitions)
@require_safe
def run_contacts(request: HttpRequest, run_id: int) -> HttpResponse:
    """List the contacts behind one number of a matrix, with both verdicts and their reasons."""
    found = get_object_or_404(Run.objects.select_related("definition", "other"), pk=run_id)
    if not found.result or "matrix" not in found.result:
        raise Http404
    origin, target = request.GET.get("from", ""), request.GET.get("to", "")
    number = sum(cell["contacts"] for cell in found.result["matrix"] if (cell["from"], cell["to"]) == (origin, target))
    after = request.GET.get("after", "")
    first = int(after) if _is_id(after) else 0
    ids = cell_contacts(found.pk, origin=origin, target=target, after=first, limit=_PAGE + 1) if number else []
    shown = ids[:_PAGE]
    context = {
        **head_of(found.definition, tab=PAGES[RunKind(found.kind)]),
        "run": found,
        "run_url": run_url(found),
        "origin": _stage(found, "from", origin),
        "target": _stage(found, "to", target),
        "number": number,
        "summary": gettext("%(shown)s of %(number)s")
        % {"shown": format_number(len(shown)), "number": format_number(number)},
        "rows": both_verdicts(found, origin=origin, contact_ids=shown),
        "next_url": link_with(request.GET, after=str(shown[-1])) if len(ids) > _PAGE else "",
        "first_url": link_with(request.GET) if after else "",
    }
    return render(request, "scoring/run_contacts.html", context)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _stage(found: Run, side: str, key: str) -> tuple[str, str]:
    """Key and label of a stage as the run knew it."""
    stages = found.result["stages"][side] if found.result else []
    labels = {stage["key"]: stage["label"] for stage in stages}
    return key, labels.get(key, key.replace("_", " ").capitalize())


@page(check_run_definitions)
@require_POST
def run_cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Ask a run to stop."""
    get_object_or_404(Run, pk=run_id)
    try:
        found = cancel_run(run_id=run_id, by=person_of(request), now=timezone.now())
    except CannotRun as error:
        messages.error(request, str(error))
        found = Run.objects.get(pk=run_id)
    else:
        messages.success(request, gettext(_STOPS.get(RunKind(found.kind), _STOPS[RunKind.WHAT_IF])))
    return redirect(run_url(found))


@page(check_run_definitions)
@require_POST
def run_retry(request: HttpRequest, run_id: int) -> HttpResponse:
    """Order a failed run once more."""
    found = get_object_or_404(Run, pk=run_id)
    try:
        retry_run(run_id=run_id, by=person_of(request), now=timezone.now())
    except CannotRun as error:
        messages.error(request, str(error))
    return redirect(run_url(found))
