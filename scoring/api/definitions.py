"""Definitions over HTTP: all their versions, and drafts made, changed and discarded."""

import re
from collections.abc import Mapping
from typing import Any, Final

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.errors import ApiError
from config.web.filtering import StrictFilterBackend, check_parameters
from config.web.pagination import KeysetPagination
from config.web.schema import ErrorSerializer
from contacts.enums import Scope
from contacts.permissions import check_edit_definitions
from contacts.scopes import HasScope
from scoring.api.bodies import caller_of, read_document_of, read_object, unsound, wrong
from scoring.api.definition_serializers import (
    DefinitionDetailSerializer,
    DefinitionSerializer,
    DraftChangeSerializer,
    DraftSerializer,
)
from scoring.api.run_serializers import RunSerializer
from scoring.definition import DefinitionError
from scoring.enums import DefinitionState
from scoring.models import Definition, Run
from scoring.selectors import published_definition
from scoring.selectors.runs import run_view
from scoring.services.drafts import DraftConflict, NotADraft, change_draft, copy_to_draft, discard_draft, store_draft

_ID: Final = re.compile(r"[1-9][0-9]{0,17}")
_TAG: Final = re.compile(r'"([1-9][0-9]{0,8})"')

READ_AND_WRITE: Final[Mapping[str, Scope]] = {
    "GET": Scope.DEFINITIONS_READ,
    "POST": Scope.DEFINITIONS_WRITE,
    "PATCH": Scope.DEFINITIONS_WRITE,
    "DELETE": Scope.DEFINITIONS_WRITE,
}
INVALID: Final = OpenApiResponse(ErrorSerializer, "The body or a parameter cannot be read.")
UNSOUND: Final = OpenApiResponse(ErrorSerializer, "The definition is not sound: `fields` has each problem by its path.")
_CONFLICT: Final = OpenApiResponse(
    ErrorSerializer, "It is published, or somebody saved it since; the message says who."
)
ORDERED: Final[dict[int, Any]] = {
    202: OpenApiResponse(RunSerializer, "Ordered; `Location` is where to ask how far it is."),
    400: INVALID,
}


class DefinitionFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of ``/definitions/``."""

    key = django_filters.CharFilter()
    state = django_filters.ChoiceFilter(choices=DefinitionState.choices)

    class Meta:
        model = Definition
        fields = ()


def definition_or_404(pk: int) -> Definition:
    """Return a definition with what its JSON shows, or answer 404."""
    found = _rows().filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise Http404
    return found


def definition_json(row: Definition) -> dict[str, Any]:
    """Return a definition as the detail endpoint shows it."""
    context = {"in_force": published_definition()[0].pk}
    return dict(DefinitionDetailSerializer(row, context=context).data)


def ordered(request: Request, run: Run) -> Response:
    """Return the 202 of a run that was ordered."""
    location = request.build_absolute_uri(reverse("run-detail", args=[run.pk]))
    return Response(RunSerializer(run_view(run)).data, status=202, headers={"Location": location})


def _rows() -> "QuerySet[Definition]":
    return Definition.objects.select_related("edited_by")


class DefinitionListView(generics.ListAPIView[Definition]):
    """All versions of all definitions, newest first."""

    serializer_class = DefinitionSerializer
    permission_classes = (HasScope,)
    scopes = READ_AND_WRITE
    filter_backends = (StrictFilterBackend,)
    filterset_class = DefinitionFilters
    pagination_class = KeysetPagination
    ordering = ("-id",)
    queryset = Definition.objects.none()

    def get_queryset(self) -> "QuerySet[Definition]":
        """All of them."""
        return _rows()

    def get_serializer_context(self) -> dict[str, Any]:
        """Tell the serializer which version is in force."""
        return {**super().get_serializer_context(), "in_force": published_definition()[0].pk}

    @extend_schema(
        operation_id="definitions_create",
        summary="Create a draft",
        description="The next version of the document's key. Nothing unsound is stored.",
        request=DraftSerializer,
        responses={201: DefinitionDetailSerializer, 400: INVALID, 422: UNSOUND},
    )
    def post(self, request: Request) -> Response:
        """Store a draft."""
        check_parameters(request)
        by = caller_of(request, check_edit_definitions)
        body = read_object(request, ("document", "yaml", "copy_of"))
        if len(body) != 1:
            raise ApiError(400, "invalid", "Give exactly one of “document”, “yaml” and “copy_of”.")
        try:
            if "copy_of" in body:
                row = copy_to_draft(definition_id=_id_in(body, "copy_of"), by=by)
            else:
                row = store_draft(document=read_document_of(body), by=by)
        except Definition.DoesNotExist:
            raise wrong("copy_of", "There is no such definition.") from None
        except DefinitionError as error:
            raise unsound(error) from None
        headers = {"Location": request.build_absolute_uri(reverse("definition-detail", args=[row.pk]))}
        return definition_answer(row.pk, status=201, headers=headers)


def definition_answer(pk: int, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a definition with all that is known of it now, and its revision as ``ETag``."""
    row = definition_or_404(pk)
    return Response(definition_json(row), status=status, headers={"ETag": f'"{row.revision}"', **(headers or {})})


def _id_in(body: Mapping[str, Any], name: str) -> int:
    given = body[name]
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise wrong(name, "There is no such definition.")
    return int(text)


class DefinitionView(APIView):
    """What the endpoints of one definition share."""

    permission_classes = (HasScope,)
    scopes = READ_AND_WRITE

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse parameters: none of these endpoints has any."""
        super().initial(request, *args, **kwargs)
        check_parameters(request)


class DefinitionDetailView(DefinitionView):
    """One version of a definition."""

    @extend_schema(
        operation_id="definitions_retrieve",
        summary="Read a definition",
        description="With its document, and the word of each team that must agree. `ETag` is its revision.",
        responses=DefinitionDetailSerializer,
    )
    def get(self, request: Request, pk: int) -> Response:
        """One version with its document."""
        return definition_answer(pk)

    @extend_schema(
        operation_id="definitions_partial_update",
        summary="Change a draft",
        description=(
            "Puts another document in its place; what teams agreed to before is void. Say which revision was changed,"
            " so that nobody overwrites what they have not seen: `revision`, or `If-Match` with the `ETag`."
        ),
        parameters=[OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The `ETag` of the draft.")],
        request=DraftChangeSerializer,
        responses={
            200: DefinitionDetailSerializer,
            400: INVALID,
            409: _CONFLICT,
            422: UNSOUND,
            428: OpenApiResponse(ErrorSerializer, "Neither `revision` nor `If-Match` was given."),
        },
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Change a draft."""
        by = caller_of(request, check_edit_definitions)
        definition_or_404(pk)
        body = read_object(request, ("document", "yaml", "revision"))
        revision = _revision_of(request, body)
        try:
            change_draft(
                definition_id=pk, document=read_document_of(body), by=by, revision=revision, now=timezone.now()
            )
        except DefinitionError as error:
            raise unsound(error) from None
        except DraftConflict as conflict:
            raise ApiError(409, "conflict", str(conflict), {"revision": str(conflict)}) from None
        except NotADraft as error:
            raise ApiError(409, "not_a_draft", str(error)) from None
        return definition_answer(pk)

    @extend_schema(
        operation_id="definitions_destroy",
        summary="Discard a draft",
        description="With its approvals and trial runs; cannot be undone.",
        responses={204: None, 409: _CONFLICT},
    )
    def delete(self, request: Request, pk: int) -> Response:
        """Discard a draft."""
        by = caller_of(request, check_edit_definitions)
        definition_or_404(pk)
        try:
            discard_draft(definition_id=pk, by=by)
        except NotADraft as error:
            raise ApiError(409, "not_a_draft", str(error)) from None
        return Response(status=204)


def _revision_of(request: Request, body: Mapping[str, Any]) -> int | None:
    """The revision that a change was made from; None overwrites whatever is there (``If-Match: *``)."""
    if "revision" in body:
        revision = body["revision"]
        if isinstance(revision, bool) or not isinstance(revision, int) or not 0 < revision < 2**31:
            raise wrong("revision", "It is a number from 1 on.")
        return revision
    tag = request.headers.get("If-Match")
    if tag is None:
        message = "Say which revision was changed: “revision”, or If-Match with the ETag."
        raise ApiError(428, "revision_required", message, {"revision": message})
    if tag.strip() == "*":
        return None
    found = _TAG.fullmatch(tag.strip())
    # A tag that was never ours is of another state than this one.
    return int(found[1]) if found else 0
