"""The event log, the memory of messages that are no events, and the queue of contacts to judge."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final

import msgspec
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.backends.utils import CursorWrapper

from contacts.models import Source
from contacts.services.copying import NULL, copy_lines, fields, json_fields, moment_fields
from contacts.services.rows import Item, Raced, as_array, as_json

# Finished rows: a plain INSERT would know a repeat without an error, but takes half as long again.
COPY_EVENTS: Final = """
COPY contacts_event (
    contact_id, origin_contact_id, kind_id, occurred_at, received_at, channel, source_id, message_id, dedupe_id,
    body_digest, properties, recorded_by_id, suspect_reason) FROM STDIN
"""
# An id is one message's, be it an event or none: each of the two looks into the other table too.
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
# Nobody is due by an event whose id is remembered as that of another message.
INSERT_DUE_BY_EVENTS: Final = f"""{INSERT_DUE.rstrip()}
WHERE NOT EXISTS (SELECT FROM contacts_message m WHERE m.dedupe_id = ANY(%s::uuid[]) AND m.source_id = %s)
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
UNIQUE_VIOLATION: Final = "23505"


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
    ordered = sorted(items, key=attrgetter("dedupe_id"))
    events = [item for item in ordered if item.kind is not None]
    if events:
        try:
            copy_lines(cursor, COPY_EVENTS, _event_lines(events, source, received_at, by))
        except IntegrityError as error:
            if getattr(error.__cause__, "pgcode", "") == UNIQUE_VIOLATION:
                raise Raced from None
            raise
    messages = [_MessageRow(item.dedupe_id, item.event.body_digest) for item in ordered if item.kind is None]
    if messages:
        cursor.execute(INSERT_MESSAGES, [source.pk, received_at, as_json(messages), source.pk])
        if cursor.rowcount != len(messages):
            raise Raced


def _event_lines(items: Sequence[Item], source: Source, received_at: datetime, by: User | None) -> list[str]:
    after_moment = f"\t{received_at.isoformat()}\t"
    after_channel = f"\t{source.pk}\t"
    after_properties = f"\t{by.pk if by else NULL}\t"
    lines: list[str] = []
    moments = moment_fields([item.event.occurred_at for item in items])
    properties = json_fields([item.event.properties for item in items])
    for item, occurred_at, told in zip(items, moments, properties, strict=True):
        event, contact_id, dedupe_id = item.event, item.contact_id, item.dedupe_id
        # Most ids are UUIDs, which are kept as they came.
        message_id = dedupe_id if event.message_id == dedupe_id else fields([event.message_id])
        channel = fields([event.channel[:MAX_EVENT_CHANNEL]]) if event.channel else ""
        reason = fields([event.suspect_reason]) if event.suspect_reason else ""
        lines.append(
            f"{contact_id}\t{item.origin_id or contact_id}\t{item.kind.id}\t{occurred_at}{after_moment}{channel}"  # type: ignore[union-attr]
            f"{after_channel}{message_id}\t{dedupe_id}\t{event.body_digest}\t{told}{after_properties}{reason}\n"
        )
    return lines


def write_due(cursor: CursorWrapper, *, source: Source, items: Sequence[Item]) -> None:
    """Queue the contacts of ``items``, which are written. One or two statements.

    Raises:
        Raced: one of the contacts was merged away, erased or parted since the items were resolved, or an event has the
            id of a message that is none. From here on the rows that were written for a contact keep it as it is until
            this transaction ends.
    """
    since: dict[int, datetime] = {}
    for item in items:
        occurred_at = item.event.occurred_at
        known = since.get(item.contact_id)
        if known is None or occurred_at < known:
            since[item.contact_id] = occurred_at
    rows = as_json([_DueRow(*pair) for pair in since.items()])
    ids = as_array([item.dedupe_id for item in items if item.kind is not None])
    cursor.execute(INSERT_DUE_BY_EVENTS, [rows, ids, source.pk])
    if cursor.rowcount != len(since):
        raise Raced
    origins = {item.origin_id: item.contact_id for item in items if item.origin_id is not None}
    if origins:
        # In a statement of its own: only now, with the contacts held, is what it sees bound to stay so.
        pairs = [{"origin_id": origin_id, "contact_id": contact_id} for origin_id, contact_id in origins.items()]
        cursor.execute(FIND_PARTED, [as_json(pairs)])
        if cursor.fetchone()[0]:
            raise Raced


def write_due_of_companies(cursor: CursorWrapper, *, companies: Mapping[int, datetime]) -> None:
    """Queue who was ever with one of ``companies`` (changed since when). No statement where there are none."""
    if companies:
        rows = [{"company": company_id, "occurred_at": at} for company_id, at in companies.items()]
        cursor.execute(INSERT_DUE_OF_COMPANIES, [as_json(rows)])
