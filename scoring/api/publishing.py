"""Putting a definition in force over HTTP and taking it back, and the word of the teams."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.web.errors import ApiError
from config.web.schema import ErrorSerializer
from contacts.permissions import check_publish_definitions
from contacts.scopes import person_of
from scoring.api.bodies import caller_of, read_flag, read_object, unsound, wrong
from scoring.api.definition_serializers import AgreementSerializer, DefinitionDetailSerializer, PublicationSerializer
from scoring.api.definitions import (
    INVALID,
    ORDERED,
    UNSOUND,
    DefinitionView,
    definition_answer,
    definition_or_404,
    ordered,
)
from scoring.definition import DefinitionError
from scoring.enums import Team
from scoring.selectors import published_definition
from scoring.services.approvals import NotPublishable, approve_definition, withdraw_approval
from scoring.services.publish import order_publication, order_roll_back


class DefinitionPublishView(DefinitionView):
    """Putting a definition in force."""

    @extend_schema(
        operation_id="definitions_publish",
        summary="Publish a definition",
        description="In force from now on; the run judges every contact by it.",
        request=PublicationSerializer,
        responses={
            **ORDERED,
            409: OpenApiResponse(ErrorSerializer, "It is in force already, or not every team has agreed."),
            422: UNSOUND,
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        """Publish a definition."""
        by = caller_of(request, check_publish_definitions)
        definition_or_404(pk)
        quiet = read_flag(read_object(request, ("quiet",)), "quiet", default=False)
        try:
            run = order_publication(definition_id=pk, by=by, now=timezone.now(), quiet=quiet)
        except NotPublishable as error:
            raise ApiError(409, "not_publishable", str(error)) from None
        except DefinitionError as error:
            raise unsound(error) from None
        return ordered(request, run)


class DefinitionRollBackView(DefinitionView):
    """Taking the publication in force back."""

    @extend_schema(
        operation_id="definitions_rollback",
        summary="Roll a publication back",
        description="As if it had not happened; only of the definition that is in force. The run judges contacts anew.",
        request=None,
        responses={
            **ORDERED,
            409: OpenApiResponse(ErrorSerializer, "It is not in force, or there is none to go back to."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        """Roll back."""
        by = caller_of(request, check_publish_definitions)
        row = definition_or_404(pk)
        read_object(request, ())
        if published_definition()[0].pk != row.pk:
            raise ApiError(409, "not_in_force", f"{row} is not in force; nothing was taken back.")
        try:
            return ordered(request, order_roll_back(by=by, now=timezone.now()))
        except NotPublishable as error:
            raise ApiError(409, "not_publishable", str(error)) from None


class DefinitionApproveView(DefinitionView):
    """The word of a team."""

    @extend_schema(
        operation_id="definitions_approve",
        summary="Agree to a draft for a team",
        description="Only people agree, by their personal token: a source speaks for nobody.",
        request=AgreementSerializer,
        responses={
            200: DefinitionDetailSerializer,
            400: INVALID,
            403: OpenApiResponse(ErrorSerializer, "The caller does not speak for the team."),
            409: OpenApiResponse(ErrorSerializer, "It asks for no word of that team, or has one already."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        """Give a team's word, or take it back."""
        person = person_of(request)
        if person is None:
            raise ApiError(403, "not_allowed", "Only people agree: a source speaks for nobody.")
        definition_or_404(pk)
        body = read_object(request, ("team", "withdraw"))
        team = next((team for team in Team if team.value == body.get("team")), None)
        if team is None:
            raise wrong("team", f"It is one of {', '.join(Team.values)}.")
        act = withdraw_approval if read_flag(body, "withdraw", default=False) else approve_definition
        try:
            act(definition_id=pk, team=team, by=person, now=timezone.now())
        except NotPublishable as error:
            raise ApiError(409, "not_publishable", str(error)) from None
        return definition_answer(pk)
