"""Native batches as nearly all senders write them: checked in one go with being decoded, where Python looks at nothing.

Whatever is anything else, wrong or only unusual, is left to `native.read_events`, which says of each event what is the
matter with it; so there is one place that refuses, and this one never does. What both read comes out the same.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from contacts.ingest import limits
from contacts.ingest.incoming import MESSAGE_ID_LENGTH, Batch, IncomingEvent
from contacts.ingest.native import KIND, MAX_KIND_LENGTH, Warn, event_of, read_each, read_events
from contacts.ingest.reading import MAX_BODY_BYTES, read_json

# A character is at most four bytes: texts of so many hold no more than an event may.
_Text = Annotated[str, Meta(max_length=limits.SURELY_SHORT)]
_Key = Annotated[str, Meta(max_length=limits.MAX_KEY_LENGTH)]
_Integer = Annotated[int, Meta(ge=limits.MIN_INTEGER, le=limits.MAX_INTEGER)]
_Single = _Text | _Integer | float | bool | None
_List = Annotated[list[_Single], Meta(max_length=limits.MAX_ARRAY_LENGTH)]
_Inner = Annotated[dict[_Key, _Single | _List], Meta(max_length=limits.MAX_PROPERTIES)]
_Object = Annotated[dict[_Key, _Single | _List | _Inner], Meta(max_length=limits.MAX_PROPERTIES)]

# The one character of JSON that PostgreSQL cannot hold; escaped, for bare it is no JSON.
_NUL: Final = rb"\u0000"


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    message_id: Annotated[str, Meta(min_length=1, max_length=MESSAGE_ID_LENGTH)]
    kind: Annotated[str, Meta(min_length=1, max_length=MAX_KIND_LENGTH)]
    contact: _Object
    occurred_at: _Text | None = None
    traits: _Object = {}
    properties: _Object = {}


class _Events(msgspec.Struct, forbid_unknown_fields=True):
    events: Annotated[list[_Event], Meta(max_length=limits.MAX_EVENTS)]


_decoder: Final = msgspec.json.Decoder(_Events)


class _AsTheyCame(Sequence[Any]):
    """The payloads of a body: how many is known, what they are is read where somebody asks, as hardly anybody does."""

    def __init__(self, body: bytes, count: int) -> None:
        self._body, self._count = body, count
        self._payloads: list[Any] | None = None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        if self._payloads is None:
            self._payloads = read_json(self._body)["events"]
        return self._payloads[place]


def read_batch(body: bytes, *, received_at: datetime) -> Batch:
    """Turn the body of a request, one event or ``{"events": [...]}`` as JSON, into a batch.

    Raises:
        Unreadable: it is neither.
        TooLarge: over 1,000 events or 4 MB.
    """
    return read_plain(body, received_at=received_at) or read_events(read_json(body), received_at=received_at)


def read_plain(body: bytes, *, received_at: datetime) -> Batch | None:
    """Return the batch of a body ``{"events": [...]}`` that is good as a whole; None for anything else."""
    if len(body) > MAX_BODY_BYTES or _NUL in body:
        return None
    try:
        events = _decoder.decode(body).events
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not all(map(KIND.fullmatch, {event.kind for event in events})):
        return None

    def read(index: int, event: _Event, warn: Warn) -> IncomingEvent:
        given = event.message_id, event.kind, event.occurred_at, event.contact, event.traits, event.properties
        return event_of(index, *given, received_at, warn)

    batch = read_each(events, read)
    if batch.rejected:
        return None
    batch.payloads = _AsTheyCame(body, len(events))
    return batch
