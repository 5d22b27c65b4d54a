"""Runs over HTTP: how far they are, what came of them, who is behind each number."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from config.web.errors import ApiError
from config.web.filtering import StrictFilterBackend, check_parameters
from config.web.pagination import CURSOR, LIMIT, KeysetPagination
from config.web.schema import ErrorSerializer
from contacts.enums import Scope, WorkState
from contacts.permissions import check_run_definitions
from contacts.scopes import HasScope
from contacts.services.work import CannotRun
from scoring.api.bodies import caller_of, read_object
from scoring.api.definitions import READ_AND_WRITE, ordered
from scoring.api.run_serializers import BothVerdictsSerializer, CellPageSerializer, RunSerializer
from scoring.enums import RunKind
from scoring.models import Run
from scoring.selectors.runs import cell_contacts, run_view, runs_with_names
from scoring.services.disagreements import both_verdicts
from scoring.services.runs import cancel_run, retry_run

_PAGE: Final = 50
_LONGEST_PAGE: Final = 100
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_CONFLICT: Final = OpenApiResponse(ErrorSerializer, "It is not in a state for that; the message says why.")


class RunFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of ``/runs/``."""

    kind = django_filters.ChoiceFilter(choices=RunKind.choices)
    state = django_filters.ChoiceFilter(choices=WorkState.choices)
    definition = django_filters.CharFilter(method="by_definition", help_text="Id of the definition.")

    class Meta:
        model = Run
        fields = ()

    def by_definition(self, queryset: "QuerySet[Run]", name: str, value: str) -> "QuerySet[Run]":
        """Narrow by definition; what is no id of ours matches nothing."""
        return queryset.filter(definition_id=int(value)) if _NUMBER.fullmatch(value) else queryset.none()


class RunListView(generics.ListAPIView[Run]):
    """What-ifs, comparisons, backtests, publications and roll-backs, newest first."""

    serializer_class = RunSerializer
    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {"GET": Scope.DEFINITIONS_READ}
    filter_backends = (StrictFilterBackend,)
    filterset_class = RunFilters
    pagination_class = KeysetPagination
    ordering = ("-id",)
    queryset = Run.objects.none()

    def get_queryset(self) -> "QuerySet[Run]":
        """All that are kept."""
        return runs_with_names()

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """The serializer of their views."""
        if args:
            now = timezone.now()
            args = ([run_view(run, now=now) for run in args[0]], *args[1:])
        return super().get_serializer(*args, **kwargs)


def run_or_404(pk: int) -> Run:
    """Return a run with what its JSON shows, or answer 404."""
    found = runs_with_names().filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise Http404
    return found


class RunDetailView(APIView):
    """One run."""

    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {"GET": Scope.DEFINITIONS_READ}

    @extend_schema(operation_id="runs_retrieve", summary="Read a run", responses=RunSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """How far it is, and what came of it."""
        check_parameters(request)
        return Response(RunSerializer(run_view(run_or_404(pk))).data)


class RunCancelView(APIView):
    """Stopping a run."""

    permission_classes = (HasScope,)
    scopes = READ_AND_WRITE

    @extend_schema(
        operation_id="runs_cancel",
        summary="Cancel a run",
        description="One that waits at once, one under way at its next step; one that has ended stays as it is.",
        request=None,
        responses={200: RunSerializer, 409: _CONFLICT},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Cancel it."""
        check_parameters(request)
        by = caller_of(request, check_run_definitions)
        run_or_404(pk)
        read_object(request, ())
        try:
            cancel_run(run_id=pk, by=by, now=timezone.now())
        except CannotRun as error:
            raise ApiError(409, "cannot_cancel", str(error)) from None
        return Response(RunSerializer(run_view(run_or_404(pk))).data)


class RunRetryView(APIView):
    """Trying a failed run again."""

    permission_classes = (HasScope,)
    scopes = READ_AND_WRITE

    @extend_schema(
        operation_id="runs_retry",
        summary="Try a failed run again",
        description="A publication or a roll-back goes on where it stopped, any other run begins again.",
        request=None,
        responses={202: RunSerializer, 409: _CONFLICT},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Order it once more."""
        check_parameters(request)
        by = caller_of(request, check_run_definitions)
        run_or_404(pk)
        read_object(request, ())
        try:
            retry_run(run_id=pk, by=by, now=timezone.now())
        except CannotRun as error:
            raise ApiError(409, "cannot_retry", str(error)) from None
        return ordered(request, run_or_404(pk))


class RunContactsView(APIView):
    """The contacts behind one number of a what-if or a comparison."""

    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ}

    @extend_schema(
        operation_id="runs_contacts",
        summary="List the contacts behind a cell",
        description=(
            "With both verdicts and their reasons: as it stands and under the draft, or under the two definitions."
            " Contacts that are gone since are left out."
        ),
        parameters=[
            OpenApiParameter("from", str, required=True, description="Key of the first stage, a row of the matrix."),
            OpenApiParameter("to", str, required=True, description="Key of the second stage, a column of the matrix."),
            OpenApiParameter(LIMIT, int, description=f"Rows of the page, at most {_LONGEST_PAGE}."),
            OpenApiParameter(CURSOR, str, description="From `next`."),
        ],
        responses={200: CellPageSerializer, 400: OpenApiResponse(ErrorSerializer), 409: _CONFLICT},
    )
    def get(self, request: Request, pk: int) -> Response:
        """One page, in the order of the contacts' ids."""
        check_parameters(request, ("from", "to", LIMIT, CURSOR))
        run = run_or_404(pk)
        asked = request.query_params
        for name in ("from", "to"):
            if not asked.get(name):
                raise ApiError(400, "invalid", f"{name}: A stage's key is required.", {name: "A stage's key."})
        limit, after = _limit(asked.get(LIMIT)), _after(asked.get(CURSOR))
        found = cell_contacts(run.pk, origin=asked["from"], target=asked["to"], after=after, limit=limit + 1)
        shown = found[:limit]
        try:
            rows = both_verdicts(run, origin=asked["from"], contact_ids=shown)
        except CannotRun as error:
            raise ApiError(409, "no_contacts", str(error)) from None
        following = None
        if len(found) > limit:
            following = replace_query_param(request.build_absolute_uri(), CURSOR, _cursor(shown[-1]))
        return Response({"results": BothVerdictsSerializer(rows, many=True).data, "next": following})


def _limit(text: str | None) -> int:
    if text is None:
        return _PAGE
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= _LONGEST_PAGE:
        message = f"A number from 1 to {_LONGEST_PAGE}."
        raise ApiError(400, "invalid", f"{LIMIT}: {message}", {LIMIT: message})
    return int(text)


def _cursor(contact_id: int) -> str:
    return base64.urlsafe_b64encode(str(contact_id).encode()).decode().rstrip("=")


def _after(text: str | None) -> int:
    if not text:
        return 0
    try:
        known = base64.urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}".encode("ascii")).decode("ascii")
    except (ValueError, binascii.Error):
        known = ""
    if not _NUMBER.fullmatch(known):
        raise ApiError(400, "invalid_cursor", "This cursor is none of ours.", {CURSOR: "Take it from `next`."})
    return int(known)
