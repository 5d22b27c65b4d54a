"""Taking in rows of events, from CSV or JSON lines: a backfill of what happened, each thing once."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec
from django.contrib.auth.models import User

from contacts.ingest import times
from contacts.ingest.csv import BadRecord, Record
from contacts.ingest.csv_mapping import Mapping, RowError
from contacts.ingest.identifiers import slug
from contacts.ingest.incoming import IncomingEvent, Refused, name_uuid
from contacts.ingest.jsonl import read_line
from contacts.ingest.native import read_event
from contacts.models import Source
from contacts.services.identities import names_of
from contacts.services.imports.engine import Chunk, Note, Taken
from contacts.services.imports.errors import RejectedRow
from contacts.services.imports.rows import Outcome, Row, header_of
from contacts.services.record import record_events

CHUNK_ROWS: Final = 1_000
_CONTENTS: Final = uuid.UUID("6f4b5b7e-2f3d-5d0a-9c55-3a1a2f7d9b10")
_canonical: Final = msgspec.json.Encoder(order="sorted")

ReadRecord = Callable[[Record | BadRecord], Row | RejectedRow]


class EventReader:
    """Turns records into events under the API's checks.

    A row without a message id gets one made of what it says, the same whatever file it is in, so that a row that comes
    again is a duplicate. A moment that cannot be is refused here: an import knows no arrival that could stand for it.

    ``mapping`` None: the records are JSON lines in the native shape.
    """

    def __init__(self, mapping: Mapping | None, *, started_at: datetime) -> None:
        self._mapping = mapping
        self._started_at = started_at
        self._headers = {target: header for header, target in mapping.targets()} if mapping is not None else {}

    def read(self, record: Record | BadRecord) -> Row | RejectedRow:
        """The row as an event, or why it is refused."""
        if isinstance(record, BadRecord):
            return RejectedRow(record.number, record.values, record.column, record.reason)
        try:
            payload = _read_json(record) if self._mapping is None else _read_cells(self._mapping, record)
            if not payload.get("message_id"):
                payload["message_id"] = _content_id(payload)
            event = read_event(record.number, payload, self._started_at, _refuse_odd_times)
        except RowError as error:
            return RejectedRow(record.number, record.values, error.column, str(error))
        except Refused as refused:
            return self._refused(record, refused.code, refused.field, refused.message)
        return Row(record, event, names_of(event))

    def refused(self, row: Row, code: str, field: str, message: str) -> RejectedRow:
        """The row, after recording refused its event."""
        return self._refused(row.record, code, field, message)

    def _refused(self, record: Record, code: str, field: str, message: str) -> RejectedRow:
        column = header_of(self._headers, field) if self._headers else field
        return RejectedRow(record.number, record.values, column, message, code)


class EventRows:
    """Takes chunks of events; several of one chunk may be about the same contact."""

    def __init__(self, *, source: Source, reader: EventReader, by: User | None) -> None:
        self._source = source
        self._reader = reader
        self._by = by

    def take(self, chunk: Chunk, *, received_at: datetime) -> Taken:
        """Record a chunk: what is stored counts as created, what was known already as unchanged."""
        rows = {row.record.number: row for row in chunk.rows}
        taken = Taken(outcomes=dict.fromkeys(rows, Outcome.UNCHANGED), rejected=list(chunk.rejected))
        if not rows:
            return taken
        events: list[IncomingEvent] = [row.message for row in chunk.rows]
        receipt = record_events(source=self._source, events=events, received_at=received_at, by=self._by)
        for refused in receipt.rejected:
            row = rows[refused.index]
            del taken.outcomes[refused.index]
            taken.rejected.append(self._reader.refused(row, refused.code, refused.field, refused.message))
            taken.notes.append(Note(refused.index, row.who, refused.code, refused.message))
        for odd in receipt.warnings:
            taken.notes.append(Note(odd.index, rows[odd.index].who, odd.code, odd.message))
        for index in receipt.stored:
            taken.outcomes[index] = Outcome.CREATED
        return taken


def _read_cells(mapping: Mapping, record: Record) -> dict[str, Any]:
    facts = mapping.read_row(record.values)
    if facts.occurred_at is None:
        raise Refused("required", "occurred_at", "Nothing says when it happened.")
    kind = slug(facts.kind) or mapping.event
    if not kind:
        raise Refused("required", "kind", "Nothing says what happened.")
    return {
        "message_id": facts.message_id,
        "kind": kind,
        "occurred_at": facts.occurred_at.isoformat(),
        "contact": facts.contact,
        "traits": facts.traits,
        "properties": facts.properties,
    }


def _read_json(record: Record) -> dict[str, Any]:
    payload = read_line(record.values[0])
    if payload is None:
        raise Refused("invalid_type", "", "This line is no JSON object.")
    return payload


def _content_id(payload: dict[str, Any]) -> str:
    said = [payload.get(name) for name in ("kind", "occurred_at", "contact", "traits", "properties")]
    return name_uuid(_CONTENTS, _canonical.encode(said).decode())


def _refuse_odd_times(code: str, field: str, message: str) -> None:
    """Refuse a moment that cannot be; other oddities are no news to the owner of a file."""
    if code in times.WARNINGS:
        reasons = {
            "time_unreadable": "The time cannot be read.",
            "time_too_early": "The time lies before 2000.",
            "time_in_future": "The time lies more than an hour ahead.",
        }
        raise Refused(code, field, reasons[code])
