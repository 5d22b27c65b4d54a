"""Handoffs over HTTP: the same services as the pages, one call each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.viewsets import GenericViewSet

from config.web.errors import ApiError
from config.web.filtering import StrictFilterBackend, check_parameters
from config.web.pagination import KeysetPagination
from config.web.schema import ErrorSerializer
from contacts.enums import Scope
from contacts.scopes import HasScope, person_of
from contacts.selectors.naming import present_id
from funnel.api.filters import HandoffFilters, as_id
from funnel.api.serializers import (
    ClaimNextSerializer,
    HandoffSerializer,
    NoteSerializer,
    OutcomeSerializer,
    ReassignSerializer,
    ReturnSerializer,
    WinSerializer,
)
from funnel.errors import HandoffConflict, HandoffTaken, KeptForAnother
from funnel.models import Handoff
from funnel.permissions import check_lead_handoffs
from funnel.selectors.handoffs import all_handoffs
from funnel.selectors.working import sales_settings
from funnel.services.claiming import claim_handoff, claim_next, reassign_handoff, take_over_handoff
from funnel.services.handoffs import accept_handoff, return_handoff, win_handoff
from funnel.services.outcomes import record_outcome
from funnel.services.releasing import release_handoff
from scoring.selectors import stage_labels

_ORDERINGS: Mapping[str, tuple[str, str]] = {
    "offered_at": ("offered_at", "id"),
    "-offered_at": ("-offered_at", "-id"),
}
_ORDERING = OpenApiParameter(
    "ordering", enum=list(_ORDERINGS), default="-offered_at", description="By when it was offered."
)


class HandoffReads(GenericViewSet[Handoff]):
    """What every endpoint that answers handoffs shares."""

    # For the schema, which asks without a request; the rows come from get_queryset.
    queryset = Handoff.objects.none()
    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {"GET": Scope.HANDOFFS_READ}
    serializer_class: type[BaseSerializer[Any]] = HandoffSerializer
    pagination_class = KeysetPagination
    filter_backends = (StrictFilterBackend,)
    filterset_class = HandoffFilters
    extra_parameters = ("ordering",)

    @property
    def ordering(self) -> tuple[str, str]:
        """The key of the pages, by ``?ordering=``."""
        given = self.request.query_params.get("ordering", "-offered_at")
        if given not in _ORDERINGS:
            known = ", ".join(_ORDERINGS)
            raise ApiError(400, "invalid", f"ordering: One of {known}.", {"ordering": f"One of {known}."})
        return _ORDERINGS[given]

    def get_queryset(self) -> "QuerySet[Handoff]":
        """Handoffs with everything that their JSON names."""
        return all_handoffs()

    def get_serializer_context(self) -> dict[str, Any]:
        """The context with the stages' labels and the settings, read once and only where there is something to tell."""
        shared = {"stage_labels": SimpleLazyObject(stage_labels), "sales_settings": SimpleLazyObject(sales_settings)}
        return {**super().get_serializer_context(), **shared}


@extend_schema_view(
    list=extend_schema(summary="List handoffs", parameters=[_ORDERING]),
    retrieve=extend_schema(summary="One handoff"),
)
class HandoffViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HandoffReads):
    """Handoffs, and the moves that people make with them.

    The moves need a person (session or personal token) whose role allows them; a source's key may only read.
    """

    scopes = {"GET": Scope.HANDOFFS_READ, "POST": Scope.HANDOFFS_WRITE}

    @extend_schema(
        summary="Claim", request=None, responses={200: HandoffSerializer, 403: ErrorSerializer, 409: ErrorSerializer}
    )
    @action(detail=True, methods=["post"])
    def claim(self, request: Request, pk: int) -> Response:
        """Make the caller its rep and the contact's owner.

        409 ``already_claimed`` names the winner, ``kept_for_another`` whom it is kept for; ``limit_reached``: the
        caller holds as many as they may; ``not_claimable``: the contact left the stages handed to Sales.
        """
        return self._make(claim_handoff, pk)

    @extend_schema(
        summary="Claim the next",
        request=ClaimNextSerializer,
        responses={200: HandoffSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=False, methods=["post"], url_path="claim-next", url_name="claim-next")
    def claim_next(self, request: Request) -> Response:
        """Make the caller the rep of the queue's first offer that they may claim and that nobody else is taking.

        However many ask at once, each gets one of their own. 409 ``nothing_to_claim``: no offer waits that they may
        claim; ``others_claiming``: others are taking the last ones at this moment, and asking again is worthwhile;
        ``limit_reached`` as for a claim.
        """
        check_parameters(request)
        by, given = self._person(), self._body(ClaimNextSerializer)
        with _told():
            handoff_id = claim_next(by=by, only_kept=given["only_kept"], now=timezone.now())
        return self._answer(handoff_id)

    @extend_schema(
        summary="Accept", request=None, responses={200: HandoffSerializer, 403: ErrorSerializer, 409: ErrorSerializer}
    )
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: int) -> Response:
        """Its rep's word that the contact qualifies. 409 ``wrong_state`` unless it is claimed."""
        return self._make(accept_handoff, pk)

    @extend_schema(
        summary="Return",
        request=ReturnSerializer,
        responses={200: HandoffSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"], url_path="return", url_name="return")
    def give_back(self, request: Request, pk: int) -> Response:
        """Hand the contact back to Marketing with a reason. 409 ``wrong_state`` unless claimed or accepted."""
        return self._make(return_handoff, pk, **self._body(ReturnSerializer))

    @extend_schema(
        summary="Win",
        request=WinSerializer,
        responses={200: HandoffSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    def win(self, request: Request, pk: int) -> Response:
        """Close it as won; the contact becomes a customer with the next judgement. 409 ``wrong_state`` as above."""
        return self._make(win_handoff, pk, **self._body(WinSerializer))

    @extend_schema(
        summary="Release",
        request=NoteSerializer,
        responses={200: HandoffSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: int) -> Response:
        """Put it back into the queue for another rep; no return. 409 ``wrong_state`` unless claimed or accepted."""
        return self._make(release_handoff, pk, **self._body(NoteSerializer))

    @extend_schema(
        summary="Reassign",
        request=ReassignSerializer,
        responses={200: HandoffSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    def reassign(self, request: Request, pk: int) -> Response:
        """Give it to another rep; for managers and administrators.

        409 ``limit_reached``: they hold as many as they may, and ``override`` was not said; ``wrong_state`` where it is
        closed or theirs already; ``not_claimable``: an offer whose contact left the stages handed to Sales.
        """
        check_lead_handoffs(self._person())
        given = self._body(ReassignSerializer)
        to = User.objects.filter(pk=as_id("to", given.pop("to"))).first()
        if to is None:
            raise ApiError(400, "invalid", "to: There is no such person.", {"to": "There is no such person."})
        return self._make(reassign_handoff, pk, to=to, **given)

    @extend_schema(
        summary="Take over",
        request=NoteSerializer,
        responses={200: HandoffSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"], url_path="take-over", url_name="take-over")
    def take_over(self, request: Request, pk: int) -> Response:
        """Make it the caller's own; for managers and administrators. 409 as for a reassignment, but no limit."""
        return self._make(take_over_handoff, pk, **self._body(NoteSerializer))

    @extend_schema(
        summary="Record an interim result",
        request=OutcomeSerializer,
        responses={200: HandoffSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    def outcome(self, request: Request, pk: int) -> Response:
        """Say what came of it so far and when to go on; it stays open.

        409 ``wrong_state`` unless claimed or accepted.
        """
        return self._make(record_outcome, pk, **self._body(OutcomeSerializer))

    def _body(self, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        validated: dict[str, Any] = serializer.validated_data
        return validated

    def _make(self, service: Callable[..., None], pk: int, **given: Any) -> Response:
        """Call the move's service as the person who asks, and answer the handoff or the conflict."""
        check_parameters(self.request)
        with _told():
            service(handoff_id=pk, by=self._person(), now=timezone.now(), **given)
        return self._answer(pk)

    def _answer(self, pk: int) -> Response:
        return Response(self.get_serializer(all_handoffs().get(pk=pk)).data)

    def _person(self) -> User:
        """Who asks; 403 for a source's key."""
        by: User | None = person_of(self.request)
        if by is None:
            message = "Only a person works handoffs: use a personal token or a session."
            raise ApiError(403, "person_required", message)
        return by


@contextmanager
def _told() -> Iterator[None]:
    """Answer what conflicts in here with 409."""
    try:
        yield
    except HandoffConflict as conflict:
        raise ApiError(409, conflict.code, conflict.message, _named(conflict)) from conflict


def _named(conflict: HandoffConflict) -> dict[str, str]:
    """Whom a conflict names, by the field of the handoff's JSON."""
    match conflict:
        case HandoffTaken():
            return {"claimed_by": conflict.winner}
        case KeptForAnother():
            return {"assigned_to": conflict.rep}
        case _:
            return {}


@extend_schema_view(list=extend_schema(summary="Handoffs of a contact", parameters=[_ORDERING]))
class ContactHandoffViewSet(mixins.ListModelMixin, HandoffReads):
    """The handoffs of one contact."""

    def get_queryset(self) -> "QuerySet[Handoff]":
        """Only this contact's; 404 where there is no such contact."""
        if getattr(self, "swagger_fake_view", False):
            return Handoff.objects.none()
        contact_id = present_id(self.kwargs["contact_id"])
        if contact_id is None:
            raise Http404
        return super().get_queryset().filter(contact_id=contact_id)
