"""Trying a definition before it judges: what-if, comparison, backtest. Each page orders a run and shows the latest."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from config.web import charts
from config.web.formats import format_exact
from config.web.pages import page, person_of
from contacts.enums import WorkState
from contacts.permissions import can_run_definitions, check_run_definitions, check_see_definitions
from scoring.enums import RunKind
from scoring.models import Definition, Run
from scoring.selectors.runs import runs_with_names
from scoring.services.runs import start_run
from scoring.views.definition_head import head_of, in_force_id
from scoring.views.matrix import matrix_of, score_chart
from scoring.views.runs import PAGES, run_shown, run_url
from scoring.views.trial_forms import BacktestForm, CompareForm

_SHOWN = 10

Result = Mapping[str, Any]
Shown = Callable[[Run, Result], dict[str, Any]]


@page(check_see_definitions)
@require_http_methods(["GET", "HEAD", "POST"])
def what_if(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Show what publishing the definition now would do; a POST tries it on every contact."""
    row = get_object_or_404(Definition, pk=definition_id)
    if request.method == "POST":
        check_run_definitions(request.user)
        return order(request, row, RunKind.WHAT_IF)
    return show(request, row, RunKind.WHAT_IF, shown=_what_if_shown)


@page(check_see_definitions)
@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Show where two definitions disagree; a POST compares this one with another."""
    row = get_object_or_404(Definition, pk=definition_id)
    posted = request.method == "POST"
    form = CompareForm(request.POST if posted else None, definition=row, in_force=in_force_id())
    if posted:
        check_run_definitions(request.user)
        if form.is_valid():
            return order(request, row, RunKind.COMPARE, other=form.cleaned_data["other"])
    return show(request, row, RunKind.COMPARE, shown=_matrix_shown, form=form)


@page(check_see_definitions)
@require_http_methods(["GET", "HEAD", "POST"])
def backtest(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Show how the definition would have done on what really happened; a POST looks back."""
    row = get_object_or_404(Definition, pk=definition_id)
    form = BacktestForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        check_run_definitions(request.user)
        if form.is_valid():
            return order(request, row, RunKind.BACKTEST, parameters=form.parameters())
    return show(request, row, RunKind.BACKTEST, shown=_backtest_shown, form=form)


def order(
    request: HttpRequest,
    row: Definition,
    kind: RunKind,
    *,
    other: Definition | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """Start a run and lead to the page that shows it."""
    run = start_run(kind=kind, definition=row, by=person_of(request), other=other, parameters=parameters)
    return redirect(run_url(run))


def show(
    request: HttpRequest,
    row: Definition,
    kind: RunKind,
    *,
    shown: Shown | None = None,
    form: Form | None = None,
    extra: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """Render the kind's page with the run that is asked for, else the latest; ``extra`` joins the context."""
    runs = list(runs_with_names().filter(definition=row, kind=kind).order_by("-id")[:_SHOWN])
    asked = request.GET.get("run", "")
    run = next((one for one in runs if str(one.pk) == asked), runs[0] if runs else None)
    context: dict[str, Any] = {
        **head_of(row, tab=PAGES[kind]),
        "form": form,
        "may_run": can_run_definitions(request.user),
        "runs": runs,
        "busy": any(one.finished_at is None for one in runs),
        **run_shown(run),
        **(extra or {}),
    }
    if shown is not None and run is not None and run.state == WorkState.FINISHED and run.result:
        # A draft that was edited since is not what was tried.
        outdated = run.revision != row.revision
        context |= {"result": run.result, "outdated": outdated, "aside": _aside(run), **shown(run, run.result)}
    status = 422 if form is not None and form.is_bound and form.errors else 200
    return render(request, f"scoring/{kind.value}.html", context, status=status)


def _aside(run: Run) -> str:
    by = run.requested_by.get_full_name() or run.requested_by.email if run.requested_by else "the shell"
    return f"{format_exact(run.finished_at)}, by {by}" if run.finished_at else ""


def _matrix_shown(run: Run, result: Result) -> dict[str, Any]:
    return {"matrix": matrix_of(run.pk, result), "differ": result["contacts"] - result["agree"]}


def _what_if_shown(run: Run, result: Result) -> dict[str, Any]:
    return {"matrix": matrix_of(run.pk, result), "scores": score_chart(result["scores"])}


def _backtest_shown(run: Run, result: Result) -> dict[str, Any]:
    thresholds = result["thresholds"]
    rows = [(key, name, [point[key] for point in thresholds]) for key, name in _CURVES]
    period = result["population"]
    return {
        "curves": charts.curves([f"{point['at_least']:g}" for point in thresholds], rows),
        "first": period["first"] and datetime.fromisoformat(period["first"]),
        "last": period["last"] and datetime.fromisoformat(period["last"]),
    }


_CURVES = (("precision", "Precision"), ("recall", "Recall"))
