"""Sequences over HTTP: the same services as the pages, one call each."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from config.web.errors import ApiError
from config.web.filtering import check_parameters
from config.web.pagination import KeysetPagination
from config.web.schema import ErrorSerializer
from contacts.enums import Scope
from contacts.scopes import HasScope, person_of
from contacts.selectors.naming import present_id
from funnel.api.filters import as_id
from funnel.api.sequence_serializers import (
    ActivationSerializer,
    EnrolmentSerializer,
    EnrolSerializer,
    FiguresSerializer,
    SequenceChangeSerializer,
    SequencePlanSerializer,
    SequenceSerializer,
    figures_json,
)
from funnel.enums import EnrolmentState
from funnel.models import Enrolment, Sequence
from funnel.selectors.sequences import enrolments_in_full, figures_of
from funnel.services.sequences.activating import CannotActivate, NotActive, activate_sequence, pause_sequence
from funnel.services.sequences.drafting import (
    InUse,
    SequencePlan,
    StaleEdit,
    StepPlan,
    create_sequence,
    delete_sequence,
    plan_of,
    save_sequence,
    steps_of,
)
from funnel.services.sequences.ending import NotUnderWay, stop_enrolment
from funnel.services.sequences.enrolling import CannotEnrol, enrol_contact

_LARGEST_ID = 2**63 - 1


@extend_schema_view(
    list=extend_schema(summary="List sequences", description="The latest first."),
    retrieve=extend_schema(summary="One sequence with its steps"),
)
class SequenceViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Sequence]):
    """What contacts of a stage are sent, step by step."""

    queryset = Sequence.objects.none()
    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {
        "GET": Scope.DEFINITIONS_READ,
        "POST": Scope.DEFINITIONS_WRITE,
        "PATCH": Scope.DEFINITIONS_WRITE,
        "DELETE": Scope.DEFINITIONS_WRITE,
    }
    serializer_class: type[BaseSerializer[Any]] = SequenceSerializer
    pagination_class = KeysetPagination
    ordering = ("-id",)
    filter_backends = ()

    def get_queryset(self) -> "QuerySet[Sequence]":
        """All of them, with purpose and steps."""
        return Sequence.objects.select_related("purpose").prefetch_related("steps")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of them."""
        check_parameters(request)
        return super().list(request, *args, **kwargs)

    @extend_schema(
        summary="Write a draft",
        request=SequencePlanSerializer,
        responses={201: SequenceSerializer, 400: ErrorSerializer, 403: ErrorSerializer},
    )
    def create(self, request: Request) -> Response:
        """Write a draft. Nobody is sent anything before it is activated. 400 names each field that is wrong."""
        check_parameters(request)
        plan = SequencePlan(**self._given(request, None))
        try:
            made = create_sequence(plan=plan, by=person_of(request), now=timezone.now())
        except ValidationError as error:
            raise _invalid(error) from error
        return self._answer(made.pk, status=201)

    @extend_schema(
        summary="Change a sequence",
        request=SequenceChangeSerializer(partial=True),
        responses={200: SequenceSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        """Make it its next version; `version` is the one that was read, 409 `stale` where there is another by now.

        `steps`, where given, are all there are to be: one with the `key` of a step stays that step, others are new.
        Whoever is under way goes on with them by their place.
        """
        check_parameters(request)
        found = self._found(pk)
        given = self._given(request, found)
        version = given.pop("version", found.version)
        plan = SequencePlan(**{**_as_is(found), **given})
        try:
            save_sequence(sequence_id=found.pk, plan=plan, version=version, by=person_of(request), now=timezone.now())
        except StaleEdit:
            raise ApiError(409, "stale", "Somebody changed this sequence since you read it.") from None
        except ValidationError as error:
            raise _invalid(error) from error
        return self._answer(found.pk)

    @extend_schema(summary="Delete a draft", responses={204: None, 403: ErrorSerializer, 409: ErrorSerializer})
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a sequence that nobody went through; 409 `in_use` otherwise."""
        check_parameters(request)
        try:
            delete_sequence(sequence_id=self._found(pk).pk, by=person_of(request))
        except InUse as error:
            raise ApiError(409, "in_use", str(error)) from error
        return Response(status=204)

    @extend_schema(
        summary="Activate",
        request=ActivationSerializer,
        responses={200: SequenceSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: int) -> Response:
        """Enrol whoever enters the stage from now on; with `backfill`, those who stand there already, too.

        409 `already_active`, `another_active` (one a stage), `no_steps` or `unsound` (the definition changed since).
        """
        check_parameters(request)
        body = ActivationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = self._found(pk)
        try:
            activate_sequence(
                sequence_id=found.pk,
                backfill=body.validated_data["backfill"],
                by=person_of(request),
                now=timezone.now(),
            )
        except CannotActivate as refused:
            raise ApiError(409, refused.code, refused.message) from refused
        return self._answer(found.pk)

    @extend_schema(
        summary="Pause", request=None, responses={200: SequenceSerializer, 403: ErrorSerializer, 409: ErrorSerializer}
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: int) -> Response:
        """Let all its clocks stand still. 409 `not_active`."""
        check_parameters(request)
        found = self._found(pk)
        try:
            pause_sequence(sequence_id=found.pk, by=person_of(request), now=timezone.now())
        except NotActive:
            raise ApiError(409, "not_active", f"{found.name} is {found.get_state_display()}.") from None
        return self._answer(found.pk)

    @extend_schema(
        summary="The report of a sequence",
        parameters=[
            OpenApiParameter("days", int, default=30, description="Within how many days moved on counts, 1 to 365.")
        ],
        responses={200: FiguresSerializer, 400: ErrorSerializer},
    )
    @action(detail=True, methods=["get"])
    def figures(self, request: Request, pk: int) -> Response:
        """Who was enrolled, what became of each step and why, who completed it, and who moved on."""
        check_parameters(request, ("days",))
        given = request.query_params.get("days", "30")
        if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= 365:
            raise ApiError(400, "invalid", "days: From 1 to 365.", {"days": "From 1 to 365."})
        figures = figures_of(self._found(pk), now=timezone.now(), days=int(given))
        return Response(FiguresSerializer(figures_json(figures)).data)

    def _found(self, pk: int) -> Sequence:
        found = self.get_queryset().filter(pk=min(int(pk), _LARGEST_ID)).first()
        if found is None:
            raise Http404
        return found

    def _answer(self, pk: int, status: int = 200) -> Response:
        return Response(SequenceSerializer(self._found(pk)).data, status=status)

    def _given(self, request: Request, found: Sequence | None) -> dict[str, Any]:
        partial = found is not None
        body = (SequenceChangeSerializer if partial else SequencePlanSerializer)(data=request.data, partial=partial)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        if "steps" in given:
            given["steps"] = tuple(StepPlan(**step) for step in given["steps"])
        return given


class EnrolmentViewSet(mixins.ListModelMixin, GenericViewSet[Enrolment]):
    """Who goes through a sequence, or went."""

    queryset = Enrolment.objects.none()
    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ, "POST": Scope.CONTACTS_WRITE}
    serializer_class: type[BaseSerializer[Any]] = EnrolmentSerializer
    pagination_class = KeysetPagination
    ordering = ("-id",)
    filter_backends = ()

    def get_queryset(self) -> "QuerySet[Enrolment]":
        """Those of the sequence that the address names, narrowed by `state` and `contact`."""
        rows = enrolments_in_full()
        if "sequence_id" in self.kwargs:
            rows = rows.filter(sequence=min(self.kwargs["sequence_id"], _LARGEST_ID))
        state, contact = (self.request.query_params.get(name, "") for name in ("state", "contact"))
        if state:
            if state not in EnrolmentState.values:
                known = ", ".join(EnrolmentState.values)
                raise ApiError(400, "invalid", f"state: One of {known}.", {"state": f"One of {known}."})
            rows = rows.filter(state=state)
        return rows.filter(contact=as_id("contact", contact)) if contact else rows

    @extend_schema(
        summary="Who goes through a sequence",
        description="The latest first.",
        parameters=[
            OpenApiParameter("state", enum=EnrolmentState.values, description="Only those that stand so."),
            OpenApiParameter("contact", description="A contact's id."),
        ],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of them."""
        check_parameters(request, ("state", "contact"))
        if not Sequence.objects.filter(pk=min(self.kwargs["sequence_id"], _LARGEST_ID)).exists():
            raise Http404
        return super().list(request, *args, **kwargs)

    @extend_schema(
        summary="Enrol a contact",
        request=EnrolSerializer,
        responses={201: EnrolmentSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    def create(self, request: Request, sequence_id: int) -> Response:
        """Enrol a contact by hand, also one who went through it before.

        409 `not_active`, `not_in_stage`, `in_conversation` or `already_enrolled`; 400 `unknown_contact`.
        """
        check_parameters(request)
        body = EnrolSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        contact_id = as_id("contact", body.validated_data["contact"])
        try:
            made = enrol_contact(
                sequence_id=min(sequence_id, _LARGEST_ID),
                contact_id=present_id(contact_id) or contact_id,
                by=person_of(request),
                now=timezone.now(),
            )
        except Sequence.DoesNotExist:
            raise Http404 from None
        except CannotEnrol as refused:
            unknown = refused.code == "unknown_contact"
            fields = {"contact": refused.message} if unknown else {}
            raise ApiError(400 if unknown else 409, refused.code, refused.message, fields) from refused
        return Response(EnrolmentSerializer(enrolments_in_full().get(pk=made.pk)).data, status=201)

    @extend_schema(
        summary="Take a contact out",
        request=None,
        responses={200: EnrolmentSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    def stop(self, request: Request, pk: int) -> Response:
        """Stop an enrolment: nothing more is sent. 409 `not_under_way` where it has ended already."""
        check_parameters(request)
        try:
            stopped = stop_enrolment(enrolment_id=min(int(pk), _LARGEST_ID), by=person_of(request), now=timezone.now())
        except Enrolment.DoesNotExist:
            raise Http404 from None
        except NotUnderWay:
            raise ApiError(409, "not_under_way", "It has ended already.") from None
        return Response(EnrolmentSerializer(enrolments_in_full().get(pk=stopped.pk)).data)


def _as_is(found: Sequence) -> dict[str, Any]:
    plan = plan_of(found, steps_of(found))
    return {name: getattr(plan, name) for name in SequencePlan.__slots__}


def _invalid(error: ValidationError) -> ApiError:
    fields = {name: " ".join(map(str, texts)) for name, texts in error.message_dict.items()}
    first = next(iter(fields))
    return ApiError(400, "invalid", f"{first}: {fields[first]}", fields)
