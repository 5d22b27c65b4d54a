"""Logging conversations over HTTP, and one handoff with the calls to action that fit it."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.web.schema import ErrorSerializer
from contacts.enums import Direction
from contacts.scopes import person_of
from funnel.api.may_contact import ReasonSerializer
from funnel.api.serializers import HandoffSerializer
from funnel.api.views import HandoffViewSet
from funnel.conversation import NAME_LENGTH, NOTE_LENGTH, Activity, ActivityResult, Said, problems_of
from funnel.models import Handoff
from funnel.selectors.people import name_of
from funnel.services.conversation import log_on_handoff
from funnel.services.suggestions import suggest_calls

# A clock that runs a little fast is no lie about the future.
_TOLERANCE = timedelta(minutes=5)
_NAMES = {"with_person": "with"}


class LogSerializer(serializers.Serializer[Any]):
    """The body of a logged activity."""

    kind = serializers.ChoiceField(choices=Activity.choices, help_text="The kind of event that it becomes.")
    occurred_at = serializers.DateTimeField(required=False, help_text="Now, where it is left out.")
    with_person = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=NAME_LENGTH,
        help_text="Who of ours took part; the caller, where it is left out.",
    )
    direction = serializers.ChoiceField(
        choices=[(Direction.OUTBOUND.value, "by us"), (Direction.INBOUND.value, "by them")],
        required=False,
        help_text="Who began.",
    )
    result = serializers.ChoiceField(choices=ActivityResult.choices, required=False)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=NOTE_LENGTH)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields by their names in JSON: ``with`` is a word of Python's."""
        fields = super().get_fields()
        fields["with"] = fields.pop("with_person")
        return fields

    def validate_occurred_at(self, moment: datetime) -> datetime:
        """Refuse what has not happened yet, and what is older than any of it can be."""
        now: datetime = self.context["now"]
        if moment > now + _TOLERANCE:
            raise serializers.ValidationError("That has not happened yet.")
        if moment.year < 2000:
            raise serializers.ValidationError("A date after 1 January 2000.")
        return min(moment, now)


class CallToActionSerializer(serializers.Serializer[Any]):
    """A call to action, and whether it may be used now for this contact."""

    call_to_action = serializers.CharField(source="call")
    kind = serializers.CharField(help_text="Its class, such as `pricing`; empty where it is of none.")
    fits = serializers.BooleanField(help_text="Whether the contact's stage lists it.")
    allowed = serializers.BooleanField()
    reasons = ReasonSerializer(many=True, help_text="All that forbid it, or what the permission rests on.")


class HandoffDetailSerializer(HandoffSerializer):
    """One handoff, with the calls to action that fit its contact now."""

    suggestions = serializers.SerializerMethodField()

    class Meta(HandoffSerializer.Meta):
        fields = [*HandoffSerializer.Meta.fields, "suggestions"]  # type: ignore[assignment]  # a list of one more
        read_only_fields = fields  # type: ignore[assignment]

    @extend_schema_field(CallToActionSerializer(many=True))
    def get_suggestions(self, handoff: Handoff) -> Any:
        """Ask the communication guard for each, as the person who looks."""
        by: User | None = person_of(self.context["request"])
        found = suggest_calls(handoff.contact, offered_in=handoff.stage, by=by, now=timezone.now())
        return CallToActionSerializer(found, many=True).data


class ConversationViewSet(HandoffViewSet):
    """One handoff with its suggestions, and the log of its conversation."""

    def get_serializer_class(self) -> Any:
        """One handoff is told with its suggestions."""
        return HandoffDetailSerializer if self.action == "retrieve" else super().get_serializer_class()

    @extend_schema(summary="One handoff", responses={200: HandoffDetailSerializer, 404: ErrorSerializer})
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The handoff, and which calls to action may be used now."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        summary="Log an activity",
        request=LogSerializer,
        responses={200: HandoffSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    def log(self, request: Request, pk: int) -> Response:
        """Record a call, mail, meeting, chat or note as a fact of the contact.

        An attempt to reach them ends the clock of the first attempt. 409 ``wrong_state`` once the handoff is closed.
        With an ``Idempotency-Key`` sending it again records it once.
        """
        now = timezone.now()
        body = LogSerializer(data=request.data, context={"now": now})
        body.is_valid(raise_exception=True)
        given = body.validated_data
        by: User | None = person_of(request)
        named = given.get("with", name_of(by) if by else "")
        said = Said(
            activity=Activity(given["kind"]),
            occurred_at=given.get("occurred_at", now),
            with_person=named,
            direction=given.get("direction", ""),
            result=given.get("result", ""),
            note=given["note"].strip(),
        )
        if problems := problems_of(said):
            raise serializers.ValidationError({_NAMES.get(name, name): text for name, text in problems.items()})
        return self._make(log_on_handoff, pk, said=said)
