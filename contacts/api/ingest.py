"""The ways to push facts over HTTP: `POST /api/v1/events/`, and the addresses that other trackers' SDKs know."""

from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.errors import error_body, error_response
from config.web.schema import ErrorSerializer
from contacts.api.reading import Caller, answering, identify, identify_compatible, read_body, receipt_body
from contacts.api.serializers import EventBatchSerializer, ReceiptSerializer, SegmentReceiptSerializer
from contacts.enums import WireFormat
from contacts.ingest import plain, posthog, segment
from contacts.ingest.incoming import Batch
from contacts.ingest.reading import read_json
from contacts.services.pressure import check_capacity, take_share, timing_storage
from contacts.services.problems import keep_problems
from contacts.services.record import Receipt, record_events
from contacts.services.strangers import refuse_strangers

_JSON: Final = "application/json"
_YES: Final = frozenset({"1", "true", "yes"})
_NO: Final = frozenset({"", "0", "false", "no"})
_FLAGS: Final = ("strict", "dry_run")
_ERRORS: Final[dict[int, Any]] = {
    400: OpenApiResponse(ErrorSerializer, "The body cannot be read, or a parameter is unknown."),
    401: OpenApiResponse(ErrorSerializer, "No key, or one that nobody has."),
    403: OpenApiResponse(ErrorSerializer, "The key lacks `events:write`."),
    413: OpenApiResponse(ErrorSerializer, "Over 1,000 events or 4 MB."),
    429: OpenApiResponse(ErrorSerializer, "The key has used up its share: again after `Retry-After` seconds."),
    503: OpenApiResponse(ErrorSerializer, "Nothing can be taken now: again after `Retry-After` seconds."),
}

RECORD_EVENTS: Final = extend_schema(
    summary="Push events",
    description=(
        "One event, or a batch of up to 1,000 under `events`. A bad event never sinks its neighbours: it is listed"
        " under `rejected`, the others are stored. Sending again is safe: a message id is unique in its source."
    ),
    parameters=[
        OpenApiParameter("strict", bool, description="Store nothing unless all events are good (422)."),
        OpenApiParameter("dry_run", bool, description="The same answer; nothing is written."),
    ],
    request=EventBatchSerializer,
    responses={
        200: ReceiptSerializer,
        422: OpenApiResponse(ErrorSerializer, "`strict`, and not all events are good; with `rejected`."),
        **_ERRORS,
    },
)


@answering
def receive_events(request: HttpRequest) -> HttpResponse:
    """Record the native batch of a request (API.md, "Events")."""
    now = timezone.now()
    caller = identify(request)
    flags: dict[str, bool] = {}
    for name in request.GET:
        value = request.GET[name].lower()
        if name not in _FLAGS:
            return error_response(400, "unknown_parameter", f"There is no parameter “{name}”.", {name: "Unknown."})
        if value not in _YES | _NO:
            return error_response(400, "invalid", f"{name} is 1 or 0.", {name: "1 or 0."})
        flags[name] = value in _YES
    check_capacity()
    batch = plain.read_batch(read_body(request), received_at=now)
    strict, dry_run = flags.get("strict", False), flags.get("dry_run", False)
    receipt = _record(caller, batch, WireFormat.NATIVE, now, strict=strict, dry_run=dry_run)
    if strict and receipt.rejected:
        body = error_body("events_rejected", "Nothing was stored: not all events are good.")
        return HttpResponse(receipt_body(receipt, **body), status=422, content_type=_JSON)
    return HttpResponse(receipt_body(receipt), content_type=_JSON)


@answering
def receive_segment(request: HttpRequest, call: str) -> HttpResponse:
    """Record what a Segment or RudderStack SDK sends; ``call`` is the address's type, ``""`` for a batch."""
    now = timezone.now()
    body = read_body(request)
    has_credentials = "Authorization" in request.headers
    document: Any = None if has_credentials else read_json(body)
    caller = identify_compatible(request, lambda: segment.write_key(document))
    check_capacity()
    if has_credentials:
        document = read_json(body)
    batch = segment.read_body(document, call=call, received_at=now, kind_names=caller.source.kind_names)
    receipt = _record(caller, batch, WireFormat.SEGMENT, now, call=call)
    return HttpResponse(receipt_body(receipt, success=True), content_type=_JSON)


@answering
def receive_posthog(request: HttpRequest) -> HttpResponse:
    """Record what a PostHog SDK sends: a batch, an array or one event, its key in the body."""
    now = timezone.now()
    document = posthog.unpack(read_body(request))
    caller = identify_compatible(request, lambda: posthog.write_key(document))
    check_capacity()
    batch = posthog.read_body(document, received_at=now, kind_names=caller.source.kind_names)
    receipt = _record(caller, refuse_strangers(batch), WireFormat.POSTHOG, now)
    # Its older libraries look at the number, newer ones at the status alone.
    return HttpResponse(receipt_body(receipt, success=True, status=1), content_type=_JSON)


def _record(
    caller: Caller,
    batch: Batch,
    wire_format: WireFormat,
    now: datetime,
    *,
    call: str = "",
    strict: bool = False,
    dry_run: bool = False,
) -> Receipt:
    """Record a batch in its caller's name, charge it to the caller's share, and keep what went wrong with it."""
    take_share(key=caller.share, messages=len(batch.payloads))
    with timing_storage():
        receipt = record_events(
            source=caller.source,
            events=batch.events,
            received_at=now,
            rejected=batch.rejected,
            warnings=batch.warnings,
            by=caller.person,
            strict=strict,
            dry_run=dry_run,
        )
    # Who asks what would happen, or for all or nothing, gets the answer alone: nothing of it was to be stored.
    if not dry_run and not (strict and receipt.rejected):
        keep_problems(
            source=caller.source,
            wire_format=wire_format,
            call=call,
            payloads=batch.payloads,
            receipt=receipt,
            received_at=now,
            shared=batch.shared,
        )
    return receipt


class CompatibleView(APIView):
    """What the addresses of other trackers' SDKs have in common: plain answers, and a POST alone.

    Browsers' questions beforehand are answered by config.web.cross_origin.
    """

    authentication_classes = ()
    permission_classes = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer without REST framework's machinery, which would cost more than the work itself."""
        if request.method == "POST":
            return self.receive(request)
        response = error_response(405, "method_not_allowed", "Send a POST.")
        response.headers["Allow"] = "POST, OPTIONS"
        return response

    def receive(self, request: HttpRequest) -> HttpResponse:
        """Answer a POST."""
        raise AssertionError("each address has its own")


class SegmentView(CompatibleView):
    """The Segment spec over HTTP, as its and RudderStack's SDKs speak it.

    The key comes as Basic user, Bearer, or `writeKey` in the body; the body is JSON whatever its Content-Type, gzip
    allowed. Answers exactly 200 with a receipt: some SDKs send again after a 202.
    """

    call = ""

    def receive(self, request: HttpRequest) -> HttpResponse:
        """Answer a POST."""
        return receive_segment(request, self.call)

    @extend_schema(
        summary="Push messages, Segment-compatible",
        request={_JSON: {"type": "object", "additionalProperties": True}},
        responses={200: SegmentReceiptSerializer, **_ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Documented here, answered by `dispatch`."""
        raise AssertionError("dispatch answers")


@extend_schema(exclude=True)
class ShortSegmentView(SegmentView):
    """The same under the one-letter addresses; documented once is enough."""


class PosthogView(CompatibleView):
    """PostHog's capture format over HTTP, as its SDKs speak it.

    The key is `api_key` in the body (or `token`, or a header as above); gzip, forms with Base64 and any Content-Type
    are understood. Answers exactly 200 with a receipt.
    """

    def receive(self, request: HttpRequest) -> HttpResponse:
        """Answer a POST."""
        return receive_posthog(request)

    @extend_schema(
        summary="Push events, PostHog-compatible",
        request={_JSON: {"type": "object", "additionalProperties": True}},
        responses={200: SegmentReceiptSerializer, **_ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Documented here, answered by `dispatch`."""
        raise AssertionError("dispatch answers")


@extend_schema(exclude=True)
class OtherPosthogView(PosthogView):
    """The same under the addresses of other versions of its libraries."""
