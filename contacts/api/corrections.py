"""Taking events back over HTTP: retract, restore, reclassify."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.errors import ApiError
from config.web.filtering import check_parameters
from config.web.schema import ErrorSerializer
from contacts.enums import Scope, SourceKind
from contacts.models import Source
from contacts.scopes import person_of, source_of
from contacts.services.corrections import (
    MAX_EVENTS,
    MAX_REASON,
    MAX_SUSPICION,
    BadReason,
    Corrected,
    reclassify_events,
    restore_events,
    retract_events,
)

_ID: Final = re.compile(r"[1-9][0-9]{0,17}")
_FIELDS: Final = frozenset({"events", "reason"})
_RESERVED: Final = "Only Ripen itself records such events; what people did with a handoff is not taken back here."


class CorrectionSerializer(serializers.Serializer[None]):
    """Which events, and why."""

    events = serializers.ListField(
        child=serializers.CharField(), max_length=MAX_EVENTS, help_text="Ids of the events, at most 1,000."
    )
    reason = serializers.CharField(required=False, allow_blank=True, max_length=MAX_REASON)


class ReclassificationSerializer(serializers.Serializer[None]):
    """Which events, and what is suspected of them."""

    events = serializers.ListField(
        child=serializers.CharField(), max_length=MAX_EVENTS, help_text="Ids of the events, at most 1,000."
    )
    reason = serializers.CharField(
        allow_blank=True, max_length=MAX_SUSPICION, help_text="Such as `bot: scanner`; empty clears the suspicion."
    )


class NotCorrectedSerializer(serializers.Serializer[None]):
    """An event that was not corrected."""

    index = serializers.IntegerField(help_text="Its place in the list, from 0.")
    id = serializers.CharField()
    code = serializers.CharField(help_text="`unknown_event` or `reserved_kind`.")
    field = serializers.CharField(help_text="Dotted path.")
    message = serializers.CharField()


class CorrectedSerializer(serializers.Serializer[None]):
    """What came of a correction."""

    accepted = serializers.IntegerField()
    unchanged = serializers.IntegerField(help_text="It was so already.")
    rejected = NotCorrectedSerializer(many=True)


_RESPONSES: Final[dict[int, Any]] = {
    200: CorrectedSerializer,
    400: OpenApiResponse(ErrorSerializer, "The body cannot be read, or a field holds what it cannot."),
    403: OpenApiResponse(ErrorSerializer, "The key lacks `events:write`, or is a public source's."),
    413: OpenApiResponse(ErrorSerializer, "Over 1,000 events."),
}
_AFTERWARDS: Final = (
    " The events stay in the log. Their contacts are judged anew since the events' own time, within seconds: stages"
    " and scores become what they would have been, and what was recorded wrongly is superseded. Attributes that a"
    " message told stay known; say the right ones to correct them."
)


class _CorrectionView(APIView):
    """What the three have in common: read ``{"events": [...], "reason": "..."}``, correct, answer for each event."""

    scopes: Mapping[str, Scope] = {"POST": Scope.EVENTS_WRITE}

    def correct(self, event_ids: Sequence[int], reason: str, by: User | None, source: Source | None) -> Corrected:
        """Do what the address says."""
        raise AssertionError("each address has its own")

    def read_reason(self, body: Mapping[str, Any]) -> str:
        """Return why; a reason may be left out."""
        reason = body.get("reason", "")
        if not isinstance(reason, str):
            raise _invalid("reason", "A reason is a text.")
        return reason

    def answer(self, request: Request) -> Response:
        """Correct the events of the request."""
        check_parameters(request)
        source = source_of(request)
        if source is not None and source.kind == SourceKind.PUBLIC:
            raise ApiError(403, "not_allowed", "A public source cannot correct events.")
        body = request.data
        if not isinstance(body, dict):
            raise ApiError(400, "invalid", "The body must be an object with “events”.")
        for name in body:
            if name not in _FIELDS:
                raise _invalid(name[:100].encode("utf-8", "replace").decode(), "There is no such field.")
        events = body.get("events")
        if not isinstance(events, list):
            raise _invalid("events", "“events” must be an array of event ids.")
        if len(events) > MAX_EVENTS:
            raise ApiError(413, "too_large", f"At most {MAX_EVENTS:,} events are corrected at once.")
        ids = [_event_id(given) for given in events]
        try:
            outcome = self.correct(
                [one for one in ids if one is not None], self.read_reason(body), person_of(request), source
            )
        except BadReason as error:
            raise _invalid("reason", str(error)) from None
        return Response(_receipt(events, ids, outcome))


class RetractEventsView(_CorrectionView):
    """Events that were a mistake."""

    @extend_schema(
        operation_id="events_retract",
        summary="Retract events",
        description="They were a mistake and never happened." + _AFTERWARDS,
        request=CorrectionSerializer,
        responses=_RESPONSES,
    )
    def post(self, request: Request) -> Response:
        """Retract events."""
        return self.answer(request)

    def correct(self, event_ids: Sequence[int], reason: str, by: User | None, source: Source | None) -> Corrected:
        """Retract them."""
        return retract_events(event_ids=event_ids, reason=reason, by=by, source=source, now=timezone.now())


class RestoreEventsView(_CorrectionView):
    """Events that happened after all."""

    @extend_schema(
        operation_id="events_restore",
        summary="Restore retracted events",
        description="They happened after all." + _AFTERWARDS,
        request=CorrectionSerializer,
        responses=_RESPONSES,
    )
    def post(self, request: Request) -> Response:
        """Take retractions back."""
        return self.answer(request)

    def correct(self, event_ids: Sequence[int], reason: str, by: User | None, source: Source | None) -> Corrected:
        """Restore them."""
        return restore_events(event_ids=event_ids, reason=reason, by=by, source=source, now=timezone.now())


class ReclassifyEventsView(_CorrectionView):
    """Events that a machine did, or a person after all."""

    @extend_schema(
        operation_id="events_reclassify",
        summary="Reclassify events",
        description="Say why they are suspect (`bot: scanner`), or with an empty reason that they are not."
        + _AFTERWARDS,
        request=ReclassificationSerializer,
        responses=_RESPONSES,
    )
    def post(self, request: Request) -> Response:
        """Set or clear what is suspected of events."""
        return self.answer(request)

    def read_reason(self, body: Mapping[str, Any]) -> str:
        """Return what is suspected; leaving it out is no way of clearing it."""
        if "reason" not in body:
            raise _invalid("reason", "Say what is suspected; an empty text clears it.")
        return super().read_reason(body)

    def correct(self, event_ids: Sequence[int], reason: str, by: User | None, source: Source | None) -> Corrected:
        """Reclassify them."""
        return reclassify_events(event_ids=event_ids, suspect_reason=reason, by=by, source=source, now=timezone.now())


def _invalid(field: str, message: str) -> ApiError:
    return ApiError(400, "invalid", f"{field}: {message}", {field: message})


def _event_id(given: Any) -> int | None:
    """Return the number behind an opaque id, None for what cannot be one."""
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    return int(text) if isinstance(text, str) and _ID.fullmatch(text) else None


def _receipt(given: Sequence[Any], ids: Sequence[int | None], outcome: Corrected) -> dict[str, Any]:
    """Return the answer: each event counts once, a repeated one as unchanged."""
    accepted = unchanged = 0
    rejected: list[dict[str, Any]] = []
    seen: set[int] = set()
    for index, event_id in enumerate(ids):
        if event_id is None or event_id in outcome.unknown:
            rejected.append(_rejection(index, given[index], "unknown_event", "No event has this id."))
        elif event_id in outcome.reserved:
            rejected.append(_rejection(index, given[index], "reserved_kind", _RESERVED))
        elif event_id in outcome.accepted and event_id not in seen:
            accepted += 1
            seen.add(event_id)
        else:
            unchanged += 1
    return {"accepted": accepted, "unchanged": unchanged, "rejected": rejected}


def _rejection(index: int, given: Any, code: str, message: str) -> dict[str, Any]:
    shown = str(given)[:40] if isinstance(given, str | int) else ""
    return {"index": index, "id": shown, "code": code, "field": f"events.{index}", "message": message}
