"""Trying a definition before it judges: what-if, comparison, backtest. Each page orders a run and shows the latest."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_http_methods

from config.web import charts
from config.web.formats import format_exact
from config.web.pages import page, person_of
from contacts.enums import WorkState
from contacts.permissions import can_run_definitions, check_run_definitions, check_see_definitions
from scoring.definition import stored_document
from scoring.enums import RunKind
from scoring.models import Definition, Run
from scoring.selectors import definition_document
from scoring.selectors.runs import runs_with_names
from scoring.services.runs import start_run
from scoring.views.definition_head import head_of, in_force_id
from scoring.views.matrix import handoffs_of, matrix_of, score_chart
from scoring.views.runs import PAGES, run_shown, run_url
from scoring.views.trial_forms import BacktestForm, CompareForm
from scoring.wording import amount

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
    if run.finished_at is None:
        return ""
    person = run.requested_by
    by = person.get_full_name() or person.email if person else gettext("the shell")
    return gettext("%(when)s, by %(person)s") % {"when": format_exact(run.finished_at), "person": by}


def _matrix_shown(run: Run, result: Result) -> dict[str, Any]:
    return {"matrix": matrix_of(run.pk, result), "differ": result["contacts"] - result["agree"]}


def _what_if_shown(run: Run, result: Result) -> dict[str, Any]:
    key, _, version = result["against"].partition("@")
    against = Definition.objects.filter(key=key, version=version).first()
    opened, left = handoffs_of(
        run.pk,
        result,
        current=definition_document(against) if against else None,
        tried=stored_document(run.document),
    )
    labels = {stage["key"]: stage["label"] for stage in result["stages"]["to"]}
    return {
        "matrix": matrix_of(run.pk, result),
        "scores": score_chart(result["scores"]),
        "opened": opened,
        "left": left,
        "flags": [
            (flag["stage"], labels.get(flag["stage"], flag["stage"]), flag["contacts"]) for flag in result["flags"]
        ],
    }


def _backtest_shown(run: Run, result: Result) -> dict[str, Any]:
    thresholds = result["thresholds"]
    rows = [(key, gettext(name), [point[key] for point in thresholds]) for key, name in _CURVES]
    period = result["population"]
    return {
        "curves": charts.curves([amount(point["at_least"]) for point in thresholds], rows),
        # As thousandths, which the bar of a table's cell takes.
        "lifts": [(amount(point["at_least"]), point, round((point["lift"] or 0) * 1_000)) for point in thresholds],
        "lift_most": max((round((point["lift"] or 0) * 1_000) for point in thresholds), default=0),
        "waits": _waits(result["lead"]),
        "first": period["first"] and datetime.fromisoformat(period["first"]),
        "last": period["last"] and datetime.fromisoformat(period["last"]),
    }


_CURVES = (("precision", gettext_noop("Precision")), ("recall", gettext_noop("Recall")))


def _waits(lead: Mapping[str, Any]) -> charts.Columns | None:
    """Contacts by days between reaching the stage and the purchase; None while nobody had reached it before."""
    bands = lead["waits"]
    if not any(band["contacts"] for band in bands):
        return None
    labels = [
        f"{amount(band['from'])}+" if band["to"] is None else f"{amount(band['from'])}–{amount(band['to'])}"
        for band in bands
    ]
    values = tuple(int(band["contacts"]) for band in bands)
    return charts.columns(labels, [charts.Series("customer", gettext("Contacts"), values)], stacked=False)
