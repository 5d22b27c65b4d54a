"""Judgements over HTTP: why a contact stands where it stands, and the changes of stage."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import CharField, F, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat
from django.http import Http404
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.errors import ApiError
from config.web.filtering import StrictFilterBackend, check_parameters
from config.web.pagination import CURSOR, KeysetPagination
from contacts.enums import Scope
from contacts.models import Contact
from contacts.scopes import HasScope
from contacts.selectors.naming import present_id
from scoring.api.serializers import TransitionSerializer, WhySerializer
from scoring.models import Definition, Transition
from scoring.selectors import find_definition
from scoring.selectors.moves import with_notice_facts
from scoring.services.contrast import contrast_contacts
from scoring.services.explain import LEDGER_LINES, explain_contact

_LONGEST_ID = 18
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class WhyView(APIView):
    """Why a contact stands where it stands."""

    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ}

    @extend_schema(
        operation_id="contacts_why",
        parameters=[
            OpenApiParameter("at", str, description="Moment, ISO 8601; now when left out."),
            OpenApiParameter(
                "definition",
                str,
                description="A definition's key, or key@version: judged as if it had always been in force.",
            ),
            OpenApiParameter(
                "compare_with", str, description="Id of another contact: adds `contrast`, what sets the two apart."
            ),
            OpenApiParameter(
                "ledger",
                str,
                enum=["all"],
                description="`all`: a ledger line for each event, also where there are more than 200.",
            ),
        ],
        responses=WhySerializer,
    )
    def get(self, request: Request, contact_id: int) -> Response:
        """Explain the contact's stage: sentence, ledger, criteria, what is missing and what comes next."""
        check_parameters(request, ("at", "definition", "compare_with", "ledger"))
        at = _moment(request.query_params.get("at"))
        definition = _definition(request.query_params.get("definition"))
        other_id = _other(request.query_params.get("compare_with"))
        most = _ledger_lines(request.query_params.get("ledger"))
        contact_id = present_id(contact_id) or contact_id
        try:
            told = explain_contact(contact_id=contact_id, at=at, definition=definition, ledger_lines=most)
        except Contact.DoesNotExist:
            raise Http404 from None
        if other_id is not None:
            try:
                contrast = contrast_contacts(contact_id=contact_id, other_id=other_id, at=at, definition=definition)
            except Contact.DoesNotExist:
                raise _no_other() from None
            told = {**told, "contrast": contrast}
        return Response(told)


def _ledger_lines(text: str | None) -> int | None:
    if text is None:
        return LEDGER_LINES
    if text != "all":
        raise ApiError(400, "invalid", "ledger: all, or nothing.", {"ledger": "all, or nothing."})
    return None


def _other(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_ID:
        raise _no_other()
    return int(text)


def _no_other() -> ApiError:
    message = "There is no such contact."
    return ApiError(400, "invalid", f"compare_with: {message}", {"compare_with": message})


def _moment(text: str | None) -> datetime:
    if text is None:
        return timezone.now()
    # A plus sign in an address arrives as a space.
    try:
        moment = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment is None or not _EARLIEST <= moment <= _LATEST:
        message = "A moment in ISO 8601 from 1970 to 2200, such as 2026-09-01T12:00:00Z."
        raise ApiError(400, "invalid", f"at: {message}", {"at": message})
    return moment


def _definition(name: str | None) -> Definition | None:
    if name is None:
        return None
    try:
        return find_definition(name)
    except Definition.DoesNotExist as error:
        raise ApiError(400, "invalid", f"definition: {error}", {"definition": str(error)}) from error


def _transitions() -> "QuerySet[Transition]":
    version = Concat(F("definition__key"), Value("@"), F("definition__version"), output_field=CharField())
    return with_notice_facts(Transition.objects.annotate(definition_version=version))


class ContactTransitionsView(generics.ListAPIView[Transition]):
    """Every stage one contact held, oldest first, corrected ones included."""

    serializer_class = TransitionSerializer
    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ}
    filter_backends = (StrictFilterBackend,)
    pagination_class = KeysetPagination
    ordering = ("effective_at", "id")

    def get_queryset(self) -> "QuerySet[Transition]":
        """The contact's transitions, or 404."""
        if getattr(self, "swagger_fake_view", False):
            return Transition.objects.none()
        contact_id = present_id(self.kwargs["contact_id"])
        if contact_id is None:
            raise Http404
        return _transitions().filter(contact_id=contact_id)


class FeedPagination(KeysetPagination):
    """A feed's page: also ``cursor``, from which to go on later when ``next`` is null."""

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        """Return one page and remember where it ended."""
        rows = super().paginate_queryset(queryset, request, view)
        names = [name.lstrip("-") for name in getattr(view, "ordering", self.default_ordering)]
        self._cursor = self.cursor_at(rows[-1], names) if rows else request.query_params.get(CURSOR)
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page's answer."""
        response = super().get_paginated_response(data)
        response.data["cursor"] = self._cursor
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the page's answer for OpenAPI."""
        described = super().get_paginated_response_schema(schema)
        described["properties"]["cursor"] = {
            "type": "string",
            "nullable": True,
            "description": "Position after the last row: pass it as `cursor` later to go on without loss.",
        }
        return described


class TransitionFeedView(generics.ListAPIView[Transition]):
    """All transitions in commit order, newest last.

    Ordered by (transaction id, id) and showing only rows of transactions below the oldest one still running,
    so that a row never appears behind a cursor that has passed it.
    """

    serializer_class = TransitionSerializer
    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ}
    filter_backends = (StrictFilterBackend,)
    pagination_class = FeedPagination
    ordering = ("xid", "id")

    def get_queryset(self) -> "QuerySet[Transition]":
        """Every transition that no running transaction can precede any more."""
        oldest_running = RawSQL("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", ())
        return _transitions().filter(xid__lt=oldest_running)
