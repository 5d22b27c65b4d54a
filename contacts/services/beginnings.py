"""Where a contact came from: the original source, that of its earliest message in event time."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
from django.db.backends.utils import CursorWrapper

from contacts.enums import Direction, Initiator
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

# What an event that is in the log gives its contact as a beginning: what was kept when the contact lost it by a
# correction, else as much of it as the event's row tells.
_OF_EVENT: Final = f"""
    coalesce(kept.beginning ->> 'channel', nullif(e.channel, ''), nullif(s.channel, ''), s.name) AS channel,
    coalesce(kept.beginning ->> 'direction', nullif(s.direction, ''),
        CASE k.initiator WHEN '' THEN '' WHEN 'us' THEN 'outbound' ELSE 'inbound' END) AS direction,
    coalesce(kept.beginning ->> 'motion', s.motion) AS motion,
    coalesce(kept.beginning ->> 'campaign',
        CASE jsonb_typeof(e.properties -> 'campaign')
            WHEN 'string' THEN left(e.properties ->> 'campaign', {_LONGEST_CAMPAIGN}) END, '') AS campaign,
    e.occurred_at AS at, e.dedupe_id AS message
FROM contacts_event e
JOIN contacts_kind sent ON sent.id = e.kind_id
JOIN contacts_kind k ON k.id = coalesce(sent.maps_to_id, sent.id)
JOIN contacts_source s ON s.id = e.source_id
LEFT JOIN LATERAL (
    SELECT o.beginning FROM contacts_eventcorrection o
    WHERE o.event_id = e.id AND o.beginning IS NOT NULL ORDER BY o.id DESC LIMIT 1
) kept ON true
"""  # noqa: S608  constants only
# The earliest fact that is left: an event that counts, or a message that only said something about the contact.
_EARLIEST: Final = f"""
    SELECT * FROM (
        (SELECT 1 AS preference, {_OF_EVENT}
         WHERE e.contact_id = affected.id AND e.retracted_at IS NULL AND e.suspect_reason = ''
         ORDER BY e.occurred_at, e.dedupe_id LIMIT 1)
        UNION ALL
        (SELECT 2, coalesce(nullif(s.channel, ''), s.name), s.direction, s.motion, '', o.effective_at, o.message
         FROM contacts_attributechange o
         JOIN contacts_source s ON s.id = o.source_id
         WHERE o.contact_id = affected.id AND NOT EXISTS (
            SELECT FROM contacts_event e WHERE e.dedupe_id = o.message AND e.source_id = o.source_id
                AND (e.retracted_at IS NOT NULL OR e.suspect_reason <> ''))
         ORDER BY o.effective_at, o.message LIMIT 1)
    ) known ORDER BY at, message, preference LIMIT 1
"""  # noqa: S608  constants only
EARLIEST_FACTS: Final = f"""
SELECT affected.id, first.channel, first.direction, first.motion, first.campaign, first.at, first.message::text
FROM contacts_contact affected CROSS JOIN LATERAL ({_EARLIEST}) first
WHERE affected.id = ANY(%s)
"""  # noqa: S608  constants only
# Where nothing is left nobody knows where the contact came from, and the next message to arrive begins it.
REPLACE_BEGINNINGS: Final = f"""
UPDATE contacts_contact c SET
    source_channel = coalesce(n.channel, ''), source_direction = coalesce(n.direction, ''),
    source_motion = coalesce(n.motion, ''), source_campaign = coalesce(n.campaign, ''),
    source_at = n.at, source_message = n.message, updated_at = %(now)s
FROM (
    SELECT affected.id, first.*
    FROM contacts_contact affected
    LEFT JOIN LATERAL ({_EARLIEST}) first ON true
    WHERE affected.id = ANY(%(contacts)s) AND affected.source_message = ANY(%(gone)s::uuid[])
) n WHERE c.id = n.id
"""  # noqa: S608  constants only
RETURN_BEGINNINGS: Final = f"""
UPDATE contacts_contact c SET
    source_channel = n.channel, source_direction = n.direction, source_motion = n.motion,
    source_campaign = n.campaign, source_at = n.at, source_message = n.message, updated_at = %(now)s
FROM (
    SELECT DISTINCT ON (e.contact_id) e.contact_id, {_OF_EVENT}
    WHERE e.id = ANY(%(back)s) ORDER BY e.contact_id, e.occurred_at, e.dedupe_id
) n WHERE c.id = n.contact_id AND (c.source_at IS NULL OR (n.at, n.message) < (c.source_at, c.source_message))
"""  # noqa: S608  constants only


class BeginningRow(msgspec.Struct):
    """Where a contact came from, as its earliest message tells."""

    contact_id: int
    channel: str
    direction: str
    motion: str
    campaign: str
    at: datetime
    message: str


def write_beginnings(cursor: CursorWrapper, *, source: Source, items: Sequence[Item]) -> None:
    """Let each item be the beginning of its contact unless an earlier one is known. The contacts must be locked."""
    cursor.execute(WRITE_BEGINNINGS, [as_json(beginnings_of(items, source=source))])


def beginnings_of(items: Iterable[Item], *, source: Source) -> list[BeginningRow]:
    """Return what each item says as the beginning of its contact."""
    return [
        BeginningRow(
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


def restate_beginnings(
    cursor: CursorWrapper, *, contact_ids: Sequence[int], gone: Sequence[str], back: Sequence[int], now: datetime
) -> None:
    """Put right what contacts began with when events cease to count, or count again. The contacts must be locked.

    A contact that had its original source from one of the messages ``gone`` gets that of its earliest remaining fact;
    the events ``back`` (ids) are beginnings again where nothing earlier is known. At most two statements.
    """
    if gone:
        cursor.execute(REPLACE_BEGINNINGS, {"contacts": list(contact_ids), "gone": list(gone), "now": now})
    if back:
        cursor.execute(RETURN_BEGINNINGS, {"back": list(back), "now": now})


def _channel_of(item: Item, source: Source) -> str:
    if item.event.origin is not None:
        return item.event.origin.channel
    return item.event.channel or source.channel or source.name


def direction_of(kind: KindRef | None) -> str:
    """Return who found whom, as far as the kind of the first fact tells."""
    if kind is None or kind.initiator == Initiator.UNKNOWN:
        return Direction.UNKNOWN.value
    return Direction.OUTBOUND.value if kind.initiator == Initiator.US else Direction.INBOUND.value
