"""Where a contact came from: the original source, that of its earliest message in event time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from django.db.backends.utils import CursorWrapper

from contacts.enums import Direction, Initiator
from contacts.ingest.incoming import Origin
from contacts.models import Source
from contacts.services.rows import Item, KindRef, as_json

WRITE_BEGINNINGS: Final = """
UPDATE contacts_contact c SET
    source_channel = r.channel, source_direction = r.direction, source_motion = r.motion,
    source_campaign = r.campaign, source_at = r.at, source_message = r.message
FROM jsonb_to_recordset(%s::jsonb) AS r(
    contact_id bigint, channel text, direction text, motion text, campaign text, at timestamptz, message uuid)
WHERE c.id = r.contact_id AND (c.source_at IS NULL OR (r.at, r.message) < (c.source_at, c.source_message))
"""
_LONGEST_CHANNEL: Final = 100
_LONGEST_CAMPAIGN: Final = 255


class _Row(msgspec.Struct):
    contact_id: int
    channel: str
    direction: str
    motion: str
    campaign: str
    at: datetime
    message: str


def write_beginnings(cursor: CursorWrapper, *, source: Source, items: Sequence[Item]) -> None:
    """Let each item be the beginning of its contact unless an earlier one is known. The contacts must be locked."""
    rows = [
        _Row(
            item.contact_id,
            _channel_of(item, source)[:_LONGEST_CHANNEL],
            (item.event.origin.direction if item.event.origin else "") or source.direction or direction_of(item.kind),
            (item.event.origin.motion if item.event.origin else "") or source.motion,
            item.event.campaign[:_LONGEST_CAMPAIGN],
            item.event.occurred_at,
            item.dedupe_id,
        )
        for item in items
    ]
    cursor.execute(WRITE_BEGINNINGS, [as_json(rows)])


def _channel_of(item: Item, source: Source) -> str:
    if item.event.origin is not None:
        return item.event.origin.channel
    return item.event.channel or source.channel or source.name


def _row(source: Source, item: Item) -> _Row:
    event = item.event
    origin = event.origin or Origin(
        channel=event.channel or source.channel or source.name,
        direction=source.direction or direction_of(item.kind),
        motion=source.motion,
    )
    return _Row(
        item.contact_id,
        origin.channel[:_LONGEST_CHANNEL],
        origin.direction,
        origin.motion,
        event.campaign[:_LONGEST_CAMPAIGN],
        event.occurred_at,
        item.dedupe_id,
    )


def direction_of(kind: KindRef | None) -> str:
    """Return who found whom, as far as the kind of the first fact tells."""
    if kind is None or kind.initiator == Initiator.UNKNOWN:
        return Direction.UNKNOWN.value
    return Direction.OUTBOUND.value if kind.initiator == Initiator.US else Direction.INBOUND.value
