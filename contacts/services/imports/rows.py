"""Rows of an import on their way to messages: reading, numbering, and what became of each."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from contacts.ingest import limits, times
from contacts.ingest.csv import BadRecord, Record
from contacts.ingest.csv_mapping import Mapping, RowError, RowFacts
from contacts.ingest.incoming import IncomingEvent, Origin, Refused, Rejected
from contacts.ingest.native import read_event, read_names
from contacts.ingest.traits import clean_traits, name_company
from contacts.services.identities import names_of
from contacts.services.imports.errors import RejectedRow
from contacts.services.rows import Name

_PLAIN_KIND: Final = "list_imported"
_LONGEST_MESSAGE_ID: Final = 255
# Characters of a row that cannot be over a limit however they are written as JSON.
_SURELY_SMALL: Final = 2_000


class Outcome(StrEnum):
    """What an import did with a row; also the names of ImportRun's counters."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


class Row(msgspec.Struct):
    """A row that could be read, as a message. ``event_id`` is set when the mapping asks for an event as well."""

    record: Record
    message: IncomingEvent
    names: list[Name]
    event_id: str = ""

    @property
    def who(self) -> str:
        """The strongest name in the row, for people to read."""
        return self.names[0][1] if self.names else str(self.message.id)


class RowReader:
    """Turns records into messages of the run that began at ``started_at``, under the mapping and the API's checks.

    ``run_id`` tells the message ids of runs of one instant apart.
    """

    def __init__(self, mapping: Mapping, *, file_name: str, started_at: datetime, run_id: int) -> None:
        self.mapping = mapping
        self._file_name = file_name
        self._started_at = started_at
        self._run = run_id & 0xFFF
        self._milliseconds = int(started_at.timestamp() * 1000)
        self._headers = {target: header for header, target in mapping.targets()}
        self.dated = "occurred_at" in self._headers

    def read(self, record: Record | BadRecord) -> Row | RejectedRow:
        """The row as a message, or why it is refused."""
        if isinstance(record, BadRecord):
            return RejectedRow(record.number, record.values, record.column, record.reason)
        try:
            facts = self.mapping.read_row(record.values)
            message = self._message(record, facts)
        except RowError as error:
            return RejectedRow(record.number, record.values, error.column, str(error))
        except Refused as refused:
            return self._refused(record, refused.code, refused.field, refused.message)
        message.campaign = facts.origin.pop("campaign", "")[:_LONGEST_MESSAGE_ID]
        if self.mapping.sets_origin:
            message.origin = Origin(**facts.origin)
        row = Row(record, message, names_of(message))
        if self.mapping.event:
            row.event_id = self._event_id(row)
        return row

    def _message(self, record: Record, facts: RowFacts) -> IncomingEvent:
        """The row under the checks of the events API, those left out that a small row cannot fail."""
        message_id = self._message_id(record.number)
        kind = self.mapping.event or None
        properties = {"file": self._file_name} if kind else {}
        given_time = facts.occurred_at.isoformat() if facts.occurred_at else None
        if len(record.values) > limits.MAX_PROPERTIES or sum(map(len, record.values)) > _SURELY_SMALL:
            payload: dict[str, Any] = {
                "message_id": message_id,
                "kind": kind or _PLAIN_KIND,
                "occurred_at": given_time,
                "contact": facts.contact,
                "traits": facts.traits,
                "properties": properties,
            }
            return msgspec.structs.replace(
                read_event(record.number, payload, self._started_at, _ignore), kind=kind, body_digest=0
            )
        traits = clean_traits(facts.traits)
        names = read_names(facts.contact, "contact", _ignore)
        name_company(traits, names.get("email"))
        occurred_at = self._started_at
        if given_time is not None:
            occurred_at, _ = times.occurred(given_time, received_at=self._started_at)
        return IncomingEvent(
            index=record.number,
            message_id=message_id,
            kind=kind,
            occurred_at=occurred_at,
            traits=traits,
            properties=properties,
            **names,
        )

    def refused(self, row: Row, rejected: Rejected) -> RejectedRow:
        """The row, after recording refused its message."""
        return self._refused(row.record, rejected.code, rejected.field, rejected.message)

    def _refused(self, record: Record, code: str, field: str, message: str) -> RejectedRow:
        return RejectedRow(record.number, record.values, self._header_of(field), message, code)

    def _message_id(self, number: int) -> str:
        """A version 7 UUID that grows with the row's number: of rows of one instant the later one counts."""
        digits = f"{self._milliseconds << 80 | 0x7 << 76 | self._run << 64 | 0b10 << 62 | number << 24:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _event_id(self, row: Row) -> str:
        """The same for the same contact and file, so that importing a file again repeats no event."""
        kind, value = row.names[0] if row.names else ("id", str(row.message.id))
        plain = f"{self.mapping.event}:{self._file_name}:{kind}:{value}"
        if len(plain) > _LONGEST_MESSAGE_ID:
            return str(uuid.uuid5(uuid.NAMESPACE_URL, plain))
        return plain

    def _header_of(self, field: str) -> str:
        """The header of the column that filled a field of the message."""
        return header_of(self._headers, field)


def header_of(headers: dict[str, str], field: str) -> str:
    """The header of the column that filled a field of a message; ``headers`` by target."""
    target = field.removeprefix("traits.").removeprefix("contact.")
    return headers.get(target) or headers.get(f"attributes.{target}") or ""


def _ignore(code: str, field: str, message: str) -> None:
    """Oddities of single identifiers are no news to the owner of a file: the row has another one."""
