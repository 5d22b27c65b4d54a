"""Taking in rows of contacts: compared with what is known, and only what is new recorded."""

from datetime import datetime
from typing import Final, Literal

from django.contrib.auth.models import User
from django.db import connection

from contacts.ingest.incoming import IncomingEvent
from contacts.models import Source
from contacts.services.imports.comparing import Comparison
from contacts.services.imports.engine import Chunk, Note, Taken
from contacts.services.imports.errors import RejectedRow
from contacts.services.imports.rows import Outcome, Row, RowReader
from contacts.services.record import record_events

Mode = Literal["add", "update", "upsert"]
# Longer ones cost less a row, but whoever they change waits for them; these take half a second.
CHUNK_ROWS: Final = 2_000


class ContactRows:
    """Takes chunks in which nobody is named twice. ``mode``: as in `import_contacts`."""

    def __init__(
        self, *, source: Source, reader: RowReader, mode: Mode, by: User | None, tell_changes: bool = False
    ) -> None:
        self._source = source
        self._reader = reader
        self._mode = mode
        self._by = by
        self._tell_changes = tell_changes

    def take(self, chunk: Chunk, *, received_at: datetime) -> Taken:
        """Record what is new in a chunk; the same chunk taken again finds its messages as they were read."""
        taken = Taken(rejected=list(chunk.rejected))
        with connection.cursor() as cursor:
            comparison = Comparison(cursor, source=self._source, rows=chunk.rows, dated=self._reader.dated)
        sent: dict[int, Row] = {}
        messages: list[IncomingEvent] = []
        for row in chunk.rows:
            number = row.record.number
            known = comparison.is_known(row)
            if self._mode == "update" and not known:
                reason = f"no contact is known as {row.who!r} to update"
                taken.rejected.append(RejectedRow(number, row.record.values, "", reason))
                continue
            message = None if self._mode == "add" and known else comparison.message_for(row)
            if message is None:
                taken.outcomes[number] = Outcome.UNCHANGED
                continue
            sent[number] = row
            messages.append(message)
            if self._tell_changes and known:
                taken.changes[number] = comparison.changes(row, message)
        if messages:
            self._record(messages, sent, taken, received_at)
        return taken

    def _record(self, messages: list[IncomingEvent], sent: dict[int, Row], taken: Taken, received_at: datetime) -> None:
        receipt = record_events(source=self._source, events=messages, received_at=received_at, by=self._by)
        for refused in receipt.rejected:
            row = sent[refused.index]
            taken.rejected.append(self._reader.refused(row, refused))
            taken.notes.append(Note(refused.index, row.who, refused.code, refused.message))
        taken.notes += [
            Note(odd.index, sent[odd.index].who, odd.code, odd.message) for odd in receipt.warnings if odd.index in sent
        ]
        for index, contact_id in receipt.contact_ids.items():
            taken.outcomes[index] = Outcome.CREATED if contact_id in receipt.created else Outcome.UPDATED
