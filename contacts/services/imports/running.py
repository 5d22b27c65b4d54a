"""Running an import: in the shell at once, or by a worker from where the last one stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, Final, Literal, TypeAlias, cast

import msgspec
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import SourceKind
from contacts.ingest.csv import BadRecord, CsvReader, Record
from contacts.ingest.csv_guess import guess_mapping
from contacts.ingest.csv_mapping import Mapping, MappingDocument, MappingError, What, parse_mapping
from contacts.ingest.jsonl import JsonLinesReader, is_json_lines
from contacts.models import ImportRun, Job, Kind, Source
from contacts.services.auditing import record_act
from contacts.services.imports import contact_rows, event_rows
from contacts.services.imports.contact_rows import ContactRows, Mode
from contacts.services.imports.engine import Chunk, Importer, Taken, Taker, chunks_of
from contacts.services.imports.errors import CsvErrors, ErrorsFile, JsonErrors
from contacts.services.imports.event_rows import EventReader, EventRows, ReadRecord
from contacts.services.imports.rows import Outcome, RowReader
from contacts.services.work import Progress, Unwatched

SOURCE_NAME: Final = "CSV import"

Reader: TypeAlias = CsvReader | JsonLinesReader
Watch: TypeAlias = Callable[[Chunk, Taken], None]
ShellMode = Literal["add", "update", "upsert"]


class ImportSummary(msgspec.Struct):
    """What came of an import: rows = created + updated + unchanged + rejected."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    errors_file: str | None = None


def summarise(run: ImportRun) -> ImportSummary:
    """Return the counters of a run."""
    counts = {name: getattr(run, name) for name in ("rows", *(outcome.value for outcome in Outcome))}
    return ImportSummary(**counts, errors_file=run.errors_file or None)


def import_contacts(
    *,
    stream: BinaryIO,
    file_name: str,
    errors_dir: Path,
    now: datetime,
    mapping: Any = None,
    mode: ShellMode = "upsert",
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
    return _import_now("contacts", stream, file_name, errors_dir, now, mapping, mode, dry_run=dry_run, by=by)


def import_events(
    *,
    stream: BinaryIO,
    file_name: str,
    errors_dir: Path,
    now: datetime,
    mapping: Any = None,
    dry_run: bool = False,
    by: User | None = None,
) -> ImportSummary:
    """Import events that happened before, from CSV or JSON lines (the native shape): each counts at its own moment.

    ``created`` are events that were stored, ``unchanged`` those that were known already. A row without a message id
    gets one made of its content, so importing it again, from whatever file, repeats nothing. Arguments and exceptions
    are those of `import_contacts`.
    """
    return _import_now("events", stream, file_name, errors_dir, now, mapping, "upsert", dry_run=dry_run, by=by)


def _import_now(
    what: What,
    stream: BinaryIO,
    file_name: str,
    errors_dir: Path,
    now: datetime,
    mapping: Any,
    mode: Mode,
    *,
    dry_run: bool,
    by: User | None,
) -> ImportSummary:
    with transaction.atomic() if dry_run else nullcontext():
        with open_reader(stream, what) as reader:
            document = document_for(reader, mapping, what)
            bound = bind(reader, document, what)
            run = ImportRun.objects.create(
                what=what,
                file_name=file_name[-255:],
                mapping=msgspec.to_builtins(document) if document is not None else {},
                mode=mode,
                started_at=now,
                started_by=by,
            )
        if not dry_run:
            record_act(AuditAct.IMPORT_STARTED, by=by, about=run, mode=mode)
        # Previews share their numbers with runs to come.
        label = f"import-{run.pk}" if not dry_run else f"preview-{run.pk}-{now:%Y%m%d%H%M%S%f}"
        run_import(
            run=run, stream=stream, mapping=bound, errors_path=errors_dir / f"{label}-errors.csv", by=by, now=now
        )
        if dry_run:
            transaction.set_rollback(True)
    return summarise(run)


def run_import(
    *,
    run: ImportRun,
    stream: BinaryIO,
    mapping: Mapping | None,
    errors_path: Path | None,
    by: User | None,
    now: datetime,
    progress: Progress | None = None,
    job: Job | None = None,
    watch: Watch | None = None,
    limit: int | None = None,
    tell_changes: bool = False,
) -> None:
    """Take in what of a file is not done yet; ``run`` holds the counters afterwards.

    Args:
        run: the row of the import, with what was counted so far.
        stream: the file.
        mapping: what its columns mean, bound to its header; None for JSON lines.
        errors_path: where rejected rows go; None: nowhere.
        by: the person who imports.
        now: when this attempt begins.
        progress: told of each chunk.
        job: the work in the background; what is below its ``reached`` is done for good.
        watch: told what came of each chunk.
        limit: take no more than so many rows.
        tell_changes: let ``watch`` know the values before and after.

    Raises:
        Cancelled: somebody asked the job to stop.
    """
    what: What = "events" if run.what == "events" else "contacts"
    source, _ = Source.objects.get_or_create(name=SOURCE_NAME, defaults={"kind": SourceKind.SERVER})
    if mapping is not None and mapping.needs_spellings:
        with open_reader(stream, what) as reader:
            mapping.learn_spellings(record.values for record in reader.records() if isinstance(record, Record))
    taker: Taker
    if what == "events":
        event_reader = EventReader(mapping, started_at=run.started_at)
        read: ReadRecord = event_reader.read
        taker = EventRows(source=source, reader=event_reader, by=by)
        size = event_rows.CHUNK_ROWS
    else:
        if mapping is None:
            raise MappingError(gettext("A file of contacts needs columns."))
        rows = RowReader(mapping, file_name=run.file_name, started_at=run.started_at, run_id=run.pk)
        read = rows.read
        mode = cast("Mode", run.mode)
        taker = ContactRows(source=source, reader=rows, mode=mode, by=by, tell_changes=tell_changes)
        size = contact_rows.CHUNK_ROWS
    done = job.reached if job is not None else 0
    began = monotonic()
    with open_reader(stream, what) as reader:
        errors = _errors_file(reader, errors_path, run)
        importer = Importer(
            run=run,
            taker=taker,
            errors=errors,
            # Arrivals are true to the second however long it takes, so that who asks for what is new misses nothing.
            clock=lambda: now + timedelta(seconds=monotonic() - began),
            progress=progress or Unwatched(),
            job=job,
            watch=watch,
        )
        records = _between(reader, done, limit)
        importer.take_all(chunks_of(map(read, records), size=size, apart=what == "contacts"))


def _errors_file(reader: Reader, path: Path | None, run: ImportRun) -> ErrorsFile:
    if isinstance(reader, CsvReader):
        return ErrorsFile(path, CsvErrors(reader.header, delimiter=reader.delimiter), kept=run.errors_bytes)
    return ErrorsFile(path.with_suffix(".jsonl") if path is not None else None, JsonErrors(), kept=run.errors_bytes)


def _between(reader: Reader, done: int, limit: int | None) -> Iterator[Record | BadRecord]:
    for record in reader.records():
        if record.number <= done:
            continue
        if limit is not None and record.number > limit:
            return
        yield record


@contextmanager
def open_reader(stream: BinaryIO, what: What) -> Iterator[Reader]:
    """Begin to read a file, from its start: JSON lines where events are asked for and it looks like them, else CSV.

    Raises:
        CsvFileError: the file as a whole cannot be read.
    """
    is_json = what == "events" and is_json_lines(stream)
    reader = JsonLinesReader(stream) if is_json else CsvReader(stream)
    try:
        yield reader
    finally:
        reader.close()


def document_for(reader: Reader, mapping: Any, what: What) -> MappingDocument | None:
    """Return what the columns mean: as told, else guessed; None for JSON lines, which have no columns.

    Raises:
        MappingError: the mapping is wrong.
    """
    if isinstance(reader, JsonLinesReader):
        return None
    return guess_mapping(reader.header, what) if mapping is None else parse_mapping(mapping, what)


def bind(reader: Reader, document: MappingDocument | None, what: What) -> Mapping | None:
    """Return the mapping bound to the file's header.

    Raises:
        MappingError: it does not fit the file, or names a kind of event that may not be imported.
    """
    if document is None:
        return None
    bound = Mapping(document, reader.header, what)
    if what == "contacts" and bound.event and not Kind.objects.filter(name=bound.event, system=False).exists():
        message = gettext("event: %(kind)s is no kind of event that may be imported.")
        raise MappingError(message % {"kind": repr(bound.event)})
    return bound
