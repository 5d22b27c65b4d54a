"""Trying a definition over HTTP: what-if, comparison, backtest. Each orders a run."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.permissions import check_run_definitions
from contacts.services.work import CannotRun
from scoring.api.bodies import caller_of, read_object, read_text, wrong
from scoring.api.definition_serializers import BacktestSerializer, ComparisonSerializer
from scoring.api.definitions import ORDERED, DefinitionView, definition_or_404, ordered
from scoring.definition import DefinitionDocument
from scoring.enums import RunKind
from scoring.matching import load_kinds
from scoring.models import Definition
from scoring.selectors import definition_document, find_definition
from scoring.services.observing import HORIZON_DAYS, LONGEST_HORIZON_DAYS, MODES, read_outcome
from scoring.services.runs import start_run


class DefinitionWhatIfView(DefinitionView):
    """What publishing a definition now would do."""

    @extend_schema(
        operation_id="definitions_what_if",
        summary="Order a what-if",
        description="Judges every contact as publishing the definition now would, and writes nothing.",
        request=None,
        responses=ORDERED,
    )
    def post(self, request: Request, pk: int) -> Response:
        """Order a what-if."""
        return _order(request, pk, RunKind.WHAT_IF)


def _order(
    request: Request,
    pk: int,
    kind: RunKind,
    *,
    other: Definition | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Response:
    by = caller_of(request, check_run_definitions)
    row = definition_or_404(pk)
    if kind == RunKind.WHAT_IF:
        read_object(request, ())
    return ordered(request, start_run(kind=kind, definition=row, by=by, other=other, parameters=parameters))


class DefinitionCompareView(DefinitionView):
    """Two definitions over the same contacts."""

    @extend_schema(
        operation_id="definitions_compare",
        summary="Order a comparison",
        description="Each definition as if it had always been in force: where they disagree, and about whom.",
        request=ComparisonSerializer,
        responses=ORDERED,
    )
    def post(self, request: Request, pk: int) -> Response:
        """Order a comparison."""
        caller_of(request, check_run_definitions)
        row = definition_or_404(pk)
        body = read_object(request, ("with",))
        try:
            other = find_definition(read_text(body, "with"))
        except Definition.DoesNotExist as error:
            raise wrong("with", str(error)[:200]) from None
        if other.pk == row.pk:
            raise wrong("with", "That is the same definition.")
        return _order(request, pk, RunKind.COMPARE, other=other)


class DefinitionBacktestView(DefinitionView):
    """A definition against what really happened."""

    FIELDS: ClassVar = ("mode", "horizon_days", "since", "until", "outcome")

    @extend_schema(
        operation_id="definitions_backtest",
        summary="Order a backtest",
        description="Judges every contact at moments of its past, with only what was known then.",
        request=BacktestSerializer,
        responses=ORDERED,
    )
    def post(self, request: Request, pk: int) -> Response:
        """Order a backtest."""
        caller_of(request, check_run_definitions)
        row = definition_or_404(pk)
        parameters = _look_back(read_object(request, self.FIELDS), definition_document(row))
        return _order(request, pk, RunKind.BACKTEST, parameters=parameters)


def _look_back(body: Mapping[str, Any], document: DefinitionDocument) -> dict[str, Any]:
    """The parameters of a backtest, as its page orders it; what was left out is as by default."""
    mode, days = body.get("mode", MODES[0]), body.get("horizon_days", HORIZON_DAYS)
    if mode not in MODES:
        raise wrong("mode", f"It is {' or '.join(MODES)}.")
    if isinstance(days, bool) or not isinstance(days, int) or not 0 < days <= LONGEST_HORIZON_DAYS:
        raise wrong("horizon_days", f"It is a number from 1 to {LONGEST_HORIZON_DAYS:,}.")
    parameters: dict[str, Any] = {"mode": mode, "horizon_days": days}
    for name in ("since", "until"):
        if body.get(name) is not None:
            parameters[name] = _day(body, name).isoformat()
    if parameters.get("since", "") > parameters.get("until", "9"):
        raise wrong("until", "The period ends before it begins; choose a later day.")
    if "outcome" in body:
        parameters["outcome"] = read_text(body, "outcome")
        try:
            read_outcome(parameters["outcome"], document).events(document, load_kinds())
        except CannotRun as error:
            raise wrong("outcome", str(error)[:300]) from None
    return parameters


def _day(body: Mapping[str, Any], name: str) -> date:
    try:
        day = datetime.strptime(str(body[name]), "%Y-%m-%d").date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        raise wrong(name, "A day such as 2026-03-01.") from None
    if day.year < 2000:
        raise wrong(name, "Nothing is judged before the year 2000.")
    return day
