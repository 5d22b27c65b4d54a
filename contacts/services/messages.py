"""The event log, the memory of messages that are no events, and the queue of contacts to judge."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from django.contrib.auth.models import User
from django.db.backends.utils import CursorWrapper

from contacts.models import Source
from contacts.services.rows import Item, Raced, as_json

# An id is one message's, be it an event or none: each insert looks into the other table too.
INSERT_EVENTS: Final = """
INSERT INTO contacts_event (
    contact_id, origin_contact_id, kind_id, occurred_at, received_at, channel, source_id, message_id, dedupe_id,
    body_digest, properties, recorded_by_id, suspect_reason)
SELECT r.contact_id, coalesce(r.origin_id, r.contact_id), r.kind_id, r.occurred_at, %s, coalesce(r.channel, ''), %s,
    coalesce(r.message_id, r.dedupe_id::text), r.dedupe_id, r.body_digest, coalesce(r.properties, '{}'), %s,
    coalesce(r.suspect_reason, '')
FROM json_to_recordset(%s::json) AS r(
    contact_id bigint, origin_id bigint, kind_id smallint, occurred_at timestamptz, channel text, message_id text,
    dedupe_id uuid, body_digest bigint, properties jsonb, suspect_reason text)
WHERE NOT EXISTS (SELECT FROM contacts_message m WHERE m.dedupe_id = r.dedupe_id AND m.source_id = %s)
ON CONFLICT (dedupe_id, source_id) DO NOTHING
"""
INSERT_MESSAGES: Final = """
INSERT INTO contacts_message (id, source_id, dedupe_id, body_digest, received_at)
SELECT gen_random_uuid(), %s, r.dedupe_id, r.body_digest, %s
FROM jsonb_to_recordset(%s::jsonb) AS r(dedupe_id uuid, body_digest bigint)
WHERE NOT EXISTS (SELECT FROM contacts_event e WHERE e.dedupe_id = r.dedupe_id AND e.source_id = %s)
ON CONFLICT (dedupe_id, source_id) DO NOTHING
"""
# References are checked only when a transaction ends: this lock is what keeps a merge or an erasure waiting until then.
INSERT_DUE: Final = """
WITH held AS MATERIALIZED (
    SELECT c.id, r.occurred_at
    FROM jsonb_to_recordset(%s::jsonb) AS r(contact_id bigint, occurred_at timestamptz)
    JOIN contacts_contact c ON c.id = r.contact_id AND c.present
    ORDER BY c.id FOR KEY SHARE OF c
)
INSERT INTO contacts_due (contact_id, occurred_at, queued_at) SELECT id, occurred_at, clock_timestamp() FROM held
"""
# Whoever is or ever was with a company is judged again when what is known of it changes. Whoever was merged away while
# this looked, too: the drain passes such a row on.
INSERT_DUE_OF_COMPANIES: Final = """
WITH touched AS MATERIALIZED (
    SELECT a.contact_id, min(r.occurred_at) AS occurred_at
    FROM jsonb_to_recordset(%s::jsonb) AS r(company jsonb, occurred_at timestamptz)
    JOIN contacts_attributechange a ON a.name = 'company' AND a.value = r.company
    GROUP BY a.contact_id
), held AS MATERIALIZED (
    SELECT c.id, t.occurred_at FROM touched t JOIN contacts_contact c ON c.id = t.contact_id AND c.erased_at IS NULL
    ORDER BY c.id FOR KEY SHARE OF c
)
INSERT INTO contacts_due (contact_id, occurred_at, queued_at) SELECT id, occurred_at, clock_timestamp() FROM held
"""
# Parted from the contact that they were resolved to, meanwhile.
FIND_PARTED: Final = """
WITH RECURSIVE way AS (
    SELECT DISTINCT r.origin_id, r.contact_id, c.id, c.merged_into_id
    FROM jsonb_to_recordset(%s::jsonb) AS r(origin_id bigint, contact_id bigint)
    JOIN contacts_contact c ON c.id = r.origin_id
    UNION ALL
    SELECT way.origin_id, way.contact_id, c.id, c.merged_into_id
    FROM way JOIN contacts_contact c ON c.id = way.merged_into_id
)
SELECT EXISTS (SELECT FROM way WHERE merged_into_id IS NULL AND id <> contact_id)
"""
MAX_EVENT_CHANNEL: Final = 32


class _EventRow(msgspec.Struct, gc=False, omit_defaults=True):
    """What the insert takes for granted is left out: most rows then are half as long."""

    contact_id: int
    kind_id: int
    occurred_at: datetime
    dedupe_id: str
    body_digest: int
    properties: dict[str, Any] = {}
    origin_id: int | None = None
    message_id: str | None = None
    channel: str = ""
    suspect_reason: str = ""


class _MessageRow(msgspec.Struct, gc=False):
    dedupe_id: str
    body_digest: int


class _DueRow(msgspec.Struct, gc=False):
    contact_id: int
    occurred_at: datetime


def write_messages(
    cursor: CursorWrapper, *, source: Source, items: Iterable[Item], received_at: datetime, by: User | None
) -> None:
    """Insert events, and remember messages that are none. At most two statements.

    In the order of the unique key, so that two writers of the same messages never wait in a circle.

    Raises:
        Raced: one of the messages is recorded already, before or by a concurrent writer.
    """
    ordered = sorted(items, key=lambda item: item.dedupe_id)
    events = [
        _EventRow(
            item.contact_id,
            item.kind.id,
            item.event.occurred_at,
            item.dedupe_id,
            item.event.body_digest,
            item.event.properties,
            item.origin_id,
            item.event.message_id if item.event.message_id != item.dedupe_id else None,
            item.event.channel[:MAX_EVENT_CHANNEL],
            item.event.suspect_reason,
        )
        for item in ordered
        if item.kind is not None
    ]
    if events:
        cursor.execute(INSERT_EVENTS, [received_at, source.pk, by.pk if by else None, as_json(events), source.pk])
        if cursor.rowcount != len(events):
            raise Raced
    messages = [_MessageRow(item.dedupe_id, item.event.body_digest) for item in ordered if item.kind is None]
    if messages:
        cursor.execute(INSERT_MESSAGES, [source.pk, received_at, as_json(messages), source.pk])
        if cursor.rowcount != len(messages):
            raise Raced


def write_due(cursor: CursorWrapper, *, items: Iterable[Item], companies: Mapping[int, datetime]) -> None:
    """Queue the contacts of ``items``, and those who were ever with one of ``companies`` (changed since when).

    Raises:
        Raced: one of the contacts was merged away, erased or parted since the items were resolved. From here on the
            rows that were written for a contact keep it as it is until this transaction ends.
    """
    since: dict[int, datetime] = {}
    for item in items:
        occurred_at = item.event.occurred_at
        since[item.contact_id] = min(occurred_at, since.get(item.contact_id, occurred_at))
    cursor.execute(INSERT_DUE, [as_json([_DueRow(*pair) for pair in since.items()])])
    if cursor.rowcount != len(since):
        raise Raced
    origins = {item.origin_id: item.contact_id for item in items if item.origin_id is not None}
    if origins:
        # In a statement of its own: only now, with the contacts held, is what it sees bound to stay so.
        pairs = [{"origin_id": origin_id, "contact_id": contact_id} for origin_id, contact_id in origins.items()]
        cursor.execute(FIND_PARTED, [as_json(pairs)])
        if cursor.fetchone()[0]:
            raise Raced
    if companies:
        rows = [{"company": company_id, "occurred_at": at} for company_id, at in companies.items()]
        cursor.execute(INSERT_DUE_OF_COMPANIES, [as_json(rows)])
