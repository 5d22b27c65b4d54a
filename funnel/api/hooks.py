"""Outbound webhooks over HTTP: endpoints, deliveries, tests, replays and secrets; all by ``hooks:write``."""

import json
from collections.abc import Mapping
from typing import Any

import django_filters
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from config.web.errors import ApiError
from config.web.filtering import StrictFilterBackend, check_parameters
from config.web.pagination import KeysetPagination
from config.web.schema import ErrorSerializer
from contacts.enums import Scope, SourceKind
from contacts.permissions import check_manage_hooks
from contacts.scopes import HasScope, person_of, source_of
from funnel.enums import DeliveryState, DisableReason, HookFault
from funnel.errors import HookConflict
from funnel.models import HookDelivery, HookEndpoint
from funnel.models.hooks import HOOKABLE
from funnel.selectors.hooks import attempts_of, deliveries_in_full, endpoints_in_full
from funnel.services.hooks.endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
    replay_delivery,
    replay_failed,
    reveal_secret,
    rotate_secret,
    send_test,
)

_CONFLICT = OpenApiResponse(ErrorSerializer, "`disabled`: enable it first. `being_sent`: wait a moment.")
_ASKS = [kind.value for kind in HOOKABLE]


class EndpointSerializer(serializers.Serializer[Any]):
    """An address that is told what happens."""

    id = serializers.CharField(read_only=True)
    url = serializers.CharField(help_text="https, at an address of the public internet (docs/webhooks.md).")
    description = serializers.CharField(required=False, allow_blank=True, default="")
    types = serializers.ListField(
        child=serializers.ChoiceField(choices=_ASKS),
        required=False,
        default=list,
        help_text="What it is told; an empty list means everything.",
    )
    enabled = serializers.SerializerMethodField(help_text="Whether it is told anything.")
    disabled_for = serializers.ChoiceField(
        choices=DisableReason.choices, read_only=True, allow_blank=True, help_text="Why it is disabled."
    )
    disabled_at = serializers.DateTimeField(read_only=True, allow_null=True)
    failing_since = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="The first failed attempt after the last success."
    )
    paused_until = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Its receiver asked for so much patience (`Retry-After`)."
    )
    last_success_at = serializers.DateTimeField(read_only=True, allow_null=True)
    rotated_at = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        help_text="Since when the present secret holds; the old one signs for 24 h more.",
    )
    created_at = serializers.DateTimeField(read_only=True)

    def get_enabled(self, endpoint: HookEndpoint) -> bool:
        """Not disabled."""
        return endpoint.disabled_at is None


class SecretSerializer(serializers.Serializer[Any]):
    """What signatures are checked with."""

    secret = serializers.CharField(help_text="`whsec_` and 32 bytes in base64.")


class DeliverySerializer(serializers.Serializer[Any]):
    """A message on its way to an endpoint."""

    id = serializers.CharField()
    endpoint = serializers.CharField(source="endpoint_id")
    message = serializers.CharField(source="message.uid", help_text="The `webhook-id`, the same in every attempt.")
    type = serializers.CharField(source="message.type")
    timestamp = serializers.DateTimeField(source="message.at", help_text="When it happened.")
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    due_at = serializers.DateTimeField(allow_null=True, help_text="When it is tried next.")
    attempts = serializers.IntegerField()
    fault = serializers.ChoiceField(source="last_fault", choices=HookFault.choices, allow_blank=True)
    status = serializers.IntegerField(source="last_status", allow_null=True, help_text="Of the last answer.")
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True, help_text="Since when it is delivered or a dead letter.")


class AttemptSerializer(serializers.Serializer[Any]):
    """One attempt."""

    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    took_ms = serializers.IntegerField()
    fault = serializers.ChoiceField(choices=HookFault.choices, allow_blank=True)
    status = serializers.IntegerField(allow_null=True)
    answer = serializers.CharField(help_text="How the answer begins: 500 bytes at most.")


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with what it says and every attempt, the latest first."""

    payload = serializers.SerializerMethodField()
    tries = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField())
    def get_payload(self, delivery: HookDelivery) -> Any:
        """What is posted."""
        return json.loads(delivery.message.body)

    @extend_schema_field(AttemptSerializer(many=True))
    def get_tries(self, delivery: HookDelivery) -> Any:
        """The attempts."""
        return AttemptSerializer(attempts_of(delivery), many=True).data


class ReplaySerializer(serializers.Serializer[Any]):
    """Which dead letters are sent again."""

    since = serializers.DateTimeField(help_text="Those that failed for good since then.")


class ReplayedSerializer(serializers.Serializer[Any]):
    """How many are sent again."""

    replayed = serializers.IntegerField()


class DeliveryFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of deliveries; ``state`` may be given several times."""

    state = django_filters.MultipleChoiceFilter(choices=DeliveryState.choices)
    type = django_filters.ChoiceFilter(
        field_name="message__type", choices=[(kind, kind) for kind in [*_ASKS, "hook.test"]]
    )

    class Meta:
        model = HookDelivery
        fields = ()


def _caller(request: Request) -> User | None:
    """Who asks; None is a server's key. Keys that browsers show to everybody manage nothing."""
    person, source = person_of(request), source_of(request)
    if person is not None:
        check_manage_hooks(person)
    elif source is not None and source.kind == SourceKind.PUBLIC:
        raise ApiError(403, "permission_denied", "A public source may not manage webhooks.")
    return person


@extend_schema_view(
    list=extend_schema(summary="List webhook endpoints"),
    retrieve=extend_schema(summary="One webhook endpoint"),
)
class HookViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[HookEndpoint]):
    """Endpoints of outbound webhooks (Standard Webhooks 1.0), for administrators and keys with ``hooks:write``."""

    queryset = HookEndpoint.objects.none()
    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = dict.fromkeys(("GET", "POST", "PATCH", "DELETE"), Scope.HOOKS_WRITE)
    serializer_class = EndpointSerializer
    pagination_class = KeysetPagination
    filter_backends = (StrictFilterBackend,)
    ordering = ("id",)

    def get_queryset(self) -> "QuerySet[HookEndpoint]":
        """All of them."""
        _caller(self.request)
        return endpoints_in_full()

    @extend_schema(summary="Make a webhook endpoint", responses={201: EndpointSerializer, 400: ErrorSerializer})
    def create(self, request: Request) -> Response:
        """Tell an address what happens from now on. Its secret is at ``/hooks/{id}/secret/``."""
        check_parameters(request)
        by = _caller(request)
        endpoint = create_endpoint(by=by, now=timezone.now(), **self._body(request))
        return Response(EndpointSerializer(endpoint).data, status=201)

    @extend_schema(summary="Change a webhook endpoint", responses={200: EndpointSerializer, 400: ErrorSerializer})
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change what is given; what waits goes to the new address."""
        check_parameters(request)
        endpoint = change_endpoint(endpoint_id=pk, by=_caller(request), **self._body(request, partial=True))
        return Response(EndpointSerializer(endpoint).data)

    @extend_schema(summary="Delete a webhook endpoint", responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete it with the list of what went there."""
        check_parameters(request)
        delete_endpoint(endpoint_id=pk, by=_caller(request))
        return Response(status=204)

    @extend_schema(summary="The secret of a webhook endpoint", responses={200: SecretSerializer})
    @action(detail=True, methods=["get"])
    def secret(self, request: Request, pk: int) -> Response:
        """What its receiver checks signatures with. It is derived, stored nowhere, and never in another answer."""
        check_parameters(request)
        _caller(request)
        secret = reveal_secret(endpoint=endpoints_in_full().get(pk=pk), by=person_of(request))
        return Response({"secret": secret}, headers={"Cache-Control": "no-store"})

    @extend_schema(summary="Rotate a secret", request=None, responses={200: EndpointSerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: int) -> Response:
        """Give it a new secret; for 24 hours messages bear a signature by the old one, too."""
        check_parameters(request)
        endpoint = rotate_secret(endpoint_id=pk, by=_caller(request), now=timezone.now())
        return Response(EndpointSerializer(endpoint).data)

    @extend_schema(summary="Send a test message", request=None, responses={202: DeliverySerializer, 409: _CONFLICT})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: int) -> Response:
        """Send ``hook.test``, whatever types it asks for; it is tried once."""
        check_parameters(request)
        delivery = _or_conflict(send_test, endpoint_id=pk, by=_caller(request), now=timezone.now())
        return Response(DeliverySerializer(delivery).data, status=202)

    @extend_schema(summary="Disable a webhook endpoint", request=None, responses={200: EndpointSerializer})
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: int) -> Response:
        """Tell it nothing any more; what waits becomes dead letters."""
        check_parameters(request)
        endpoint = disable_endpoint(endpoint_id=pk, by=_caller(request), now=timezone.now())
        return Response(EndpointSerializer(endpoint).data)

    @extend_schema(summary="Enable a webhook endpoint", request=None, responses={200: EndpointSerializer})
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: int) -> Response:
        """Tell it again what happens; dead letters wait until they are replayed."""
        check_parameters(request)
        return Response(EndpointSerializer(enable_endpoint(endpoint_id=pk, by=_caller(request))).data)

    @extend_schema(
        summary="Replay dead letters",
        request=ReplaySerializer,
        responses={202: ReplayedSerializer, 400: ErrorSerializer, 409: _CONFLICT},
    )
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: int) -> Response:
        """Send every dead letter since a time again, each under its own id."""
        check_parameters(request)
        by = _caller(request)
        body = ReplaySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        count = _or_conflict(replay_failed, endpoint_id=pk, by=by, now=timezone.now(), **body.validated_data)
        return Response({"replayed": count}, status=202)

    def _body(self, request: Request, *, partial: bool = False) -> dict[str, Any]:
        serializer = EndpointSerializer(data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return {name: serializer.validated_data[name] for name in request.data if name in serializer.validated_data}


class HookDeliveryListView(generics.ListAPIView[HookDelivery]):
    """What went to an endpoint and what did not, newest first; ``?state=dead`` lists dead letters."""

    serializer_class = DeliverySerializer
    scopes: Mapping[str, Scope] = {"GET": Scope.HOOKS_WRITE}
    filterset_class = DeliveryFilters
    ordering = ("-id",)
    queryset = HookDelivery.objects.none()

    def get_queryset(self) -> "QuerySet[HookDelivery]":
        """Only this endpoint's."""
        if getattr(self, "swagger_fake_view", False):
            return HookDelivery.objects.none()
        _caller(self.request)
        if not HookEndpoint.objects.filter(pk=self.kwargs["pk"]).exists():
            raise Http404
        return deliveries_in_full().filter(endpoint=self.kwargs["pk"])


class HookDeliveryViewSet(GenericViewSet[HookDelivery]):
    """One delivery."""

    queryset = HookDelivery.objects.none()
    permission_classes = (HasScope,)
    scopes: Mapping[str, Scope] = {"GET": Scope.HOOKS_WRITE, "POST": Scope.HOOKS_WRITE}
    serializer_class = DeliveryDetailSerializer

    @extend_schema(summary="One webhook delivery", responses={200: DeliveryDetailSerializer})
    def retrieve(self, request: Request, pk: int) -> Response:
        """What it says, and every attempt."""
        check_parameters(request)
        _caller(request)
        return Response(DeliveryDetailSerializer(deliveries_in_full().get(pk=pk)).data)

    @extend_schema(
        summary="Replay one webhook delivery", request=None, responses={202: DeliverySerializer, 409: _CONFLICT}
    )
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: int) -> Response:
        """Send it once more, under its own id; one that waits is tried at once."""
        check_parameters(request)
        _or_conflict(replay_delivery, delivery_id=pk, by=_caller(request), now=timezone.now())
        return Response(DeliverySerializer(deliveries_in_full().get(pk=pk)).data, status=202)


def _or_conflict(service: Any, **given: Any) -> Any:
    """Call a service; its conflict is a 409."""
    try:
        return service(**given)
    except HookConflict as conflict:
        raise ApiError(409, conflict.code, conflict.message) from conflict
