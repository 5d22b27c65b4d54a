"""Rejected messages once more: read again as they came, or as somebody mended them, and recorded."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.utils.translation import gettext

from config.web.formats import format_number
from contacts.audit import AuditAct
from contacts.enums import WireFormat
from contacts.ingest import native, posthog, segment
from contacts.ingest.incoming import Batch, IncomingEvent, Rejected, TooLarge, Unreadable
from contacts.ingest.limits import MAX_EVENT_BYTES
from contacts.ingest.reading import read_json
from contacts.models import RejectedMessage, Source
from contacts.permissions import check_manage_sources
from contacts.services.auditing import record_act
from contacts.services.email_hooks import read_again
from contacts.services.problems import fit
from contacts.services.record import record_events
from contacts.services.strangers import refuse_strangers

_AT_ONCE: Final = 500
_LONGEST_FIELD: Final = 300
_LONGEST_TEXT: Final = 500

Read = Callable[[RejectedMessage, Source, Any], Batch]


class CannotReplay(Exception):
    """There is nothing to read again; the text says why, for a person."""


@dataclass(slots=True)
class Replayed:
    """What came of it: messages recorded now (or recorded before under the same id), and those refused again."""

    recorded: int = 0
    refused: int = 0


def _read_native(row: RejectedMessage, source: Source, payload: Any) -> Batch:
    return native.read_events({"events": [payload]}, received_at=row.received_at)


def _read_segment(row: RejectedMessage, source: Source, payload: Any) -> Batch:
    return segment.read_body(
        {"batch": [payload]}, call=row.call, received_at=row.received_at, kind_names=source.kind_names
    )


def _read_posthog(row: RejectedMessage, source: Source, payload: Any) -> Batch:
    return posthog.read_body({"batch": [payload]}, received_at=row.received_at, kind_names=source.kind_names)


def _read_email(row: RejectedMessage, source: Source, payload: Any) -> Batch:
    return read_again(payload, received_at=row.received_at)


# What somebody entered into a form they enter again.
READERS: Final[Mapping[WireFormat, Read]] = {
    WireFormat.NATIVE: _read_native,
    WireFormat.SEGMENT: _read_segment,
    WireFormat.POSTHOG: _read_posthog,
    WireFormat.EMAIL: _read_email,
}


def check_replayable(row: RejectedMessage, payload: str | None = None) -> None:
    """Tell whether a message can be read again, as it is kept or as ``payload`` (JSON text) says instead.

    Raises:
        CannotReplay: it was recorded already, its text was not kept whole, or its format cannot be read here.
    """
    if row.replayed_at is not None:
        raise CannotReplay(gettext("This message has been recorded already."))
    if WireFormat(row.wire_format) not in READERS:
        raise CannotReplay(
            gettext("A message of this sort (%(format)s) is sent again by its sender only.")
            % {"format": row.get_wire_format_display()}
        )
    if payload is not None:
        if len(payload.encode("utf-8", "replace")) > MAX_EVENT_BYTES:
            raise CannotReplay(
                gettext("A message holds at most %(number)s bytes.") % {"number": format_number(MAX_EVENT_BYTES)}
            )
        return
    if not row.payload:
        raise CannotReplay(gettext("The message itself was not kept."))
    if row.is_cut:
        raise CannotReplay(gettext("The message was too long to be kept whole; mend it first."))


def replay_message(*, rejected_id: int, payload: str | None = None, by: User, now: datetime) -> Replayed:
    """Read one rejected message again and record it; refused again, it keeps the new reason.

    Args:
        rejected_id: which.
        payload: JSON text to read instead of what was kept; it is kept in its place.
        by: who asks.
        now: the moment; the message still counts as having arrived when it did.

    Raises:
        CannotReplay: see `check_replayable`; or ``payload`` is no JSON.
        RejectedMessage.DoesNotExist: there is no such message.
        PermissionDenied: ``by`` may not manage sources.
        TooBusy: as `record_events`.
    """
    check_manage_sources(by)
    row = RejectedMessage.objects.select_related("source").get(pk=rejected_id)
    check_replayable(row, payload)
    if payload is not None:
        try:
            read_json(payload.encode("utf-8", "surrogatepass"))
        except (Unreadable, TooLarge):
            raise CannotReplay(gettext("This is not JSON.")) from None
        row.payload, row.is_cut = payload.replace("\0", ""), False
    record_act(AuditAct.MESSAGES_REPLAYED, by=by, about=row, source=row.source, changed=payload is not None)
    return _replay([row], source=row.source, by=by, now=now)


def replay_all(*, source: Source, by: User, now: datetime) -> Replayed:
    """Replay every rejected message of a source that can be, oldest first, 500 at a time.

    Raises:
        PermissionDenied: ``by`` may not manage sources.
        TooBusy: as `record_events`; what was recorded by then stays.
    """
    check_manage_sources(by)
    record_act(AuditAct.MESSAGES_REPLAYED, by=by, about=source)
    outcome = Replayed()
    last = 0
    while True:
        waiting = RejectedMessage.objects.filter(
            source=source, replayed_at=None, is_cut=False, id__gt=last, wire_format__in=list(READERS)
        ).exclude(payload="")
        rows = list(waiting.order_by("id")[:_AT_ONCE])
        if not rows:
            return outcome
        last = rows[-1].pk
        part = _replay(rows, source=source, by=by, now=now)
        outcome.recorded += part.recorded
        outcome.refused += part.refused


def _replay(rows: list[RejectedMessage], *, source: Source, by: User, now: datetime) -> Replayed:
    events: list[IncomingEvent] = []
    rejected: list[Rejected] = []
    only_known: set[int] = set()
    for place, row in enumerate(rows):
        batch = _read(row, source)
        if batch.only_known:
            only_known.add(place)
        for event in batch.events:
            event.index = place
            events.append(event)
        for refusal in batch.rejected:
            refusal.index = place
            rejected.append(refusal)
    together = refuse_strangers(Batch(events=events, rejected=rejected, only_known=only_known))
    receipt = record_events(source=source, events=together.events, received_at=now, rejected=together.rejected)
    refused = {item.index: item for item in receipt.rejected}
    _keep_outcome(rows, refused, by=by, now=now)
    return Replayed(len(rows) - len(refused), len(refused))


def _read(row: RejectedMessage, source: Source) -> Batch:
    """Read a message again; what is no JSON any more is one rejected message like any other."""
    try:
        document = read_json(row.payload.encode("utf-8", "surrogatepass"))
    except (Unreadable, TooLarge) as error:
        return Batch(rejected=[Rejected(index=0, message_id="", code="unreadable", field="", message=str(error))])
    return READERS[WireFormat(row.wire_format)](row, source, document)


def _keep_outcome(rows: Iterable[RejectedMessage], refused: Mapping[int, Rejected], *, by: User, now: datetime) -> None:
    changed = []
    for place, row in enumerate(rows):
        reason = refused.get(place)
        if reason is None:
            row.replayed_at, row.replayed_by = now, by
        else:
            row.code, row.field = reason.code, fit(reason.field, _LONGEST_FIELD)
            row.message = fit(reason.message, _LONGEST_TEXT)
            if reason.code == "erased":
                row.payload, row.message_id = "", ""
        changed.append(row)
    RejectedMessage.objects.bulk_update(
        changed, ["code", "field", "message", "message_id", "payload", "is_cut", "replayed_at", "replayed_by"]
    )
