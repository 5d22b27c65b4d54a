"""Running an import: chunk by chunk, each in a transaction of its own, with the run's counters kept beside it."""

import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import msgspec
from django.contrib.auth.models import User
from django.db import connection, transaction

from contacts.enums import SourceKind
from contacts.ingest.csv import CsvReader, Record
from contacts.ingest.csv_guess import guess_mapping
from contacts.ingest.csv_mapping import Mapping, MappingError, parse_mapping
from contacts.models import ImportRun, Kind, Source
from contacts.services.imports.comparing import Comparison
from contacts.services.imports.errors import ErrorsFile
from contacts.services.imports.rows import Outcome, RejectedRow, Row, RowReader
from contacts.services.record import record_events
from contacts.services.rows import Name

SOURCE_NAME: Final = "CSV import"
CHUNK_ROWS: Final = 1_000
Mode = Literal["add", "update", "upsert"]


class ImportSummary(msgspec.Struct):
    """What came of an import: rows = created + updated + unchanged + rejected."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    errors_file: str | None = None

    def count(self, outcome: Outcome) -> None:
        """Count one row."""
        self.rows += 1
        setattr(self, outcome, getattr(self, outcome) + 1)


def import_contacts(
    *,
    stream: BinaryIO,
    file_name: str,
    errors_dir: Path,
    now: datetime,
    mapping: Any = None,
    mode: Mode = "upsert",
    dry_run: bool = False,
    by: User | None = None,
) -> ImportSummary:
    """Import the contacts of a CSV file as facts of the moment ``now``.

    Rows that cannot be taken go to an errors file; the others are recorded. Importing the same file again changes
    nothing and writes nothing but the ImportRun.

    Args:
        stream: the file, binary and seekable.
        file_name: what people call the file; part of an imported event's message id.
        errors_dir: where an errors file is made when one is needed.
        now: the moment of the import; rows without a moment of their own are facts of it.
        by: the person who imports.
        mapping: the mapping document as plain data; None guesses by the headers.
        mode: ``add`` leaves known contacts alone, ``update`` makes no new ones, ``upsert`` does both.
        dry_run: the same answer, nothing written but the errors file. Runs in one transaction that is rolled back.

    Raises:
        CsvFileError: the file as a whole cannot be read.
        MappingError: the mapping is wrong or does not fit the file.
    """
    reader = CsvReader(stream)
    document = guess_mapping(reader.header) if mapping is None else parse_mapping(mapping)
    bound = Mapping(document, reader.header)
    if bound.event and not Kind.objects.filter(name=bound.event, system=False).exists():
        reader.close()
        raise MappingError(f"event: {bound.event!r} is no kind of event that may be imported.")
    if bound.needs_spellings:
        bound.learn_spellings(record.values for record in reader.records() if isinstance(record, Record))
        reader.close()
        reader = CsvReader(stream)
    with transaction.atomic() if dry_run else nullcontext():
        source, _ = Source.objects.get_or_create(name=SOURCE_NAME, defaults={"kind": SourceKind.SERVER})
        run = ImportRun.objects.create(
            file_name=file_name[-255:],
            mapping=msgspec.to_builtins(document),
            mode=mode,
            started_at=now,
            started_by=by,
        )
        label = f"import-{run.pk}" if not dry_run else f"preview-{uuid.uuid4().hex[:8]}"
        with ErrorsFile(errors_dir / f"{label}-errors.csv", reader.header, delimiter=reader.delimiter) as errors:
            importer = _Importer(source=source, run=run, mode=mode, now=now, by=by, errors=errors)
            importer.take_all(reader, RowReader(bound, file_name=file_name, started_at=now))
        reader.close()
        if dry_run:
            transaction.set_rollback(True)
    return importer.summary


class _Importer:
    """One run: takes rows in chunks in which nobody is named twice, and counts what became of each."""

    def __init__(
        self, *, source: Source, run: ImportRun, mode: Mode, now: datetime, by: User | None, errors: ErrorsFile
    ) -> None:
        self._source = source
        self._run = run
        self._mode = mode
        self._now = now
        self._by = by
        self._errors = errors
        self.summary = ImportSummary()

    def take_all(self, reader: CsvReader, rows: RowReader) -> None:
        """Read the file to its end."""
        for chunk, rejected in _chunks(reader, rows):
            with transaction.atomic():
                self._take(chunk, rejected, rows)
                self._save(finished=False)
        self._save(finished=True)

    def _take(self, chunk: list[Row], rejected: list[RejectedRow], rows: RowReader) -> None:
        with connection.cursor() as cursor:
            comparison = Comparison(cursor, source=self._source, rows=chunk, dated=rows.dated)
        outcomes: dict[int, Outcome] = {}
        sent: dict[int, Row] = {}
        messages = []
        for row in chunk:
            known = comparison.is_known(row)
            if self._mode == "update" and not known:
                name = row.names[0][1] if row.names else str(row.message.id)
                rejected.append(
                    RejectedRow(row.record.number, row.record.values, "", f"no contact is known as {name!r} to update")
                )
                continue
            message = None if self._mode == "add" and known else comparison.message_for(row)
            if message is None:
                outcomes[row.record.number] = Outcome.UNCHANGED
            else:
                sent[row.record.number] = row
                messages.append(message)
        if messages:
            receipt = record_events(source=self._source, events=messages, received_at=self._now, by=self._by)
            rejected.extend(rows.refused(sent[refused.index], refused) for refused in receipt.rejected)
            created = receipt.created
            for index, contact_id in receipt.contact_ids.items():
                outcomes[index] = Outcome.CREATED if contact_id in created else Outcome.UPDATED
        for outcome in outcomes.values():
            self.summary.count(outcome)
        for refusal in sorted(rejected, key=lambda one: one.number):
            self._errors.add(refusal)
            self.summary.count(Outcome.REJECTED)

    def _save(self, *, finished: bool) -> None:
        """Keep the run's counters beside the rows they count."""
        summary = self.summary
        if self._errors.written:
            summary.errors_file = str(self._errors.path)
        for name in ("rows", *Outcome):
            setattr(self._run, name, getattr(summary, name))
        self._run.errors_file = summary.errors_file or ""
        if finished:
            self._run.finished_at = self._now
        self._run.save()


def _chunks(reader: CsvReader, rows: RowReader) -> Iterator[tuple[list[Row], list[RejectedRow]]]:
    """Rows in file order; a row that names somebody who is already in the chunk begins the next one."""
    chunk: list[Row] = []
    rejected: list[RejectedRow] = []
    named: set[Name] = set()
    for record in reader.records():
        row = rows.read(record)
        if isinstance(row, RejectedRow):
            rejected.append(row)
        else:
            names: list[Name] = [*row.names, *([("id", str(row.message.id))] if row.message.id is not None else [])]
            if not named.isdisjoint(names):
                yield chunk, rejected
                chunk, rejected, named = [], [], set()
            chunk.append(row)
            named.update(names)
        if len(chunk) + len(rejected) >= CHUNK_ROWS:
            yield chunk, rejected
            chunk, rejected, named = [], [], set()
    if chunk or rejected:
        yield chunk, rejected
