"""An uploaded file: stored, looked into, and its columns mapped, before anything of it is imported."""

import hashlib
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext

from contacts.ingest.csv import CsvReader, Record
from contacts.ingest.csv_guess import Guess, guess_columns, guess_mapping
from contacts.ingest.csv_mapping import MappingError, What, parse_mapping
from contacts.models import ImportRun, SavedMapping
from contacts.services.imports.files import store_upload, upload_of
from contacts.services.imports.running import Reader, bind, open_reader
from contacts.services.work import CannotRun

_SAMPLES: Final = 5
_BLOCK: Final = 1 << 20
_LONGEST_FILE_NAME: Final = 255


class Inspection(msgspec.Struct):
    """What is in an uploaded file.

    ``guesses`` has one entry for each column (the errors file's own column aside), ``samples`` the first rows as they
    are. ``mapping`` is the document in force, as plain data: this run's own, else the one saved for files with this
    header (``is_saved``), else the guessed one. JSON lines have no header and need no mapping. ``bytes`` and ``rows``
    tell the size; lines inside quoted values count too.
    """

    format: str
    encoding: str
    delimiter: str
    header: list[str]
    guesses: list[Guess]
    samples: list[list[str]]
    mapping: dict[str, Any]
    is_saved: bool
    bytes: int
    rows: int


def receive_file(*, stream: BinaryIO, file_name: str, what: What, by: User | None, now: datetime) -> ImportRun:
    """Store an upload; nothing of it is imported yet.

    Raises:
        CsvFileError: it cannot be imported at all (a spreadsheet, empty, no usable header, too large).
    """
    with open_reader(stream, what):
        pass
    path = store_upload(stream)
    try:
        return ImportRun.objects.create(
            what=what,
            file_name=Path(file_name).name[-_LONGEST_FILE_NAME:] or "upload.csv",
            stored_file=path.name,
            started_at=now,
            started_by=by,
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def inspect(run: ImportRun) -> Inspection:
    """Look into the uploaded file of a run.

    Raises:
        CannotRun: the file was removed.
    """
    what = what_of(run)
    path = stored_file(run)
    with path.open("rb") as stream, open_reader(stream, what) as reader:
        rows = (record.values for record in reader.records() if isinstance(record, Record))
        samples = list(islice(rows, _SAMPLES))
        mapping, is_saved = _mapping_of(run, reader)
        is_csv = isinstance(reader, CsvReader)
        return Inspection(
            format="csv" if is_csv else "jsonl",
            encoding=reader.encoding,
            delimiter=reader.delimiter,
            header=reader.header,
            guesses=guess_columns(reader.header, what) if is_csv else [],
            samples=samples,
            mapping=mapping,
            is_saved=is_saved,
            bytes=path.stat().st_size,
            rows=count_rows(path, has_header=is_csv),
        )


def save_mapping(*, run: ImportRun, mapping: dict[str, Any], by: User | None) -> ImportRun:
    """Settle what the columns of this file mean, and of the next ones with the same header. JSON lines: nothing to do.

    ``mapping``: the document as plain data (docs/importing.md).

    Raises:
        CannotRun: the import has begun, or the file was removed.
        MappingError: the mapping is wrong or does not fit the file.
    """
    what = what_of(run)
    run.refresh_from_db(fields=["job", "stored_file"])
    if run.job_id is not None:
        raise CannotRun(gettext("This import has begun: its mapping stays."))
    document = parse_mapping(mapping, what)
    with stored_file(run).open("rb") as stream, open_reader(stream, what) as reader:
        bind(reader, document, what)
        header_hash = _hash_of(reader.header)
    run.mapping = msgspec.to_builtins(document)
    with transaction.atomic():
        run.save(update_fields=["mapping"])
        SavedMapping.objects.update_or_create(
            what=what, header_hash=header_hash, defaults={"mapping": run.mapping, "saved_by": by}
        )
    return run


def settled_mapping(run: ImportRun) -> dict[str, Any]:
    """Return the mapping document under which a run is previewed and imported; empty for JSON lines.

    Raises:
        CannotRun: the file was removed.
        MappingError: the mapping does not fit the file.
    """
    what = what_of(run)
    with stored_file(run).open("rb") as stream, open_reader(stream, what) as reader:
        if not isinstance(reader, CsvReader):
            return {}
        mapping, _ = _mapping_of(run, reader)
        bind(reader, parse_mapping(mapping, what), what)
        return mapping


def stored_file(run: ImportRun) -> Path:
    """Return the uploaded file of a run.

    Raises:
        CannotRun: it was removed.
    """
    path = upload_of(run)
    if path is None:
        raise CannotRun(gettext("The uploaded file was removed: upload it again."))
    return path


def what_of(run: ImportRun) -> What:
    """Return what the rows of a run are."""
    return "events" if run.what == "events" else "contacts"


def count_rows(path: Path, *, has_header: bool) -> int:
    """Return about how many rows a file has, lines inside quoted values included. Reads the file once."""
    lines, last = 0, b"\n"
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            lines += block.count(b"\n")
            last = block[-1:]
    return max(0, lines + (last not in b"\n\0") - has_header)


def _mapping_of(run: ImportRun, reader: Reader) -> tuple[dict[str, Any], bool]:
    """The mapping in force, and whether it is the one saved for this header."""
    if not isinstance(reader, CsvReader):
        return {}, False
    if run.mapping:
        return run.mapping, False
    what = what_of(run)
    saved = SavedMapping.objects.filter(what=what, header_hash=_hash_of(reader.header)).first()
    if saved is not None:
        try:
            parse_mapping(saved.mapping, what)
        except MappingError:
            # Written by an older version that knew other targets.
            saved = None
    if saved is not None:
        return saved.mapping, True
    document: dict[str, Any] = msgspec.to_builtins(guess_mapping(reader.header, what))
    return document, False


def _hash_of(header: list[str]) -> str:
    return hashlib.sha256("\0".join(header).encode("utf-8", "surrogateescape")).hexdigest()
