"""Files of imports in the state folder: uploads until they are imported, and errors files. They hold people's data."""

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext

from config.web.formats import format_number
from contacts.ingest.csv import CsvFileError
from contacts.models import ImportRun

KEPT_ERRORS: Final = timedelta(days=30)
# An upload that nobody imported, or whose import failed or was cancelled and may yet be resumed.
KEPT_UPLOADS: Final = timedelta(days=7)
KEPT_INTERRUPTED: Final = timedelta(days=1)
_UPLOAD: Final = "upload-"
_BLOCK: Final = 1 << 20


def imports_folder() -> Path:
    """Return the folder of all these files, made on first use for nobody else to read."""
    folder = Path(settings.STATE_DIR) / "imports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def store_upload(stream: BinaryIO) -> Path:
    """Copy an upload into the folder under a name that nobody can guess.

    Raises:
        CsvFileError: it is larger than UPLOAD_MAX_BYTES.
    """
    stream.seek(0, os.SEEK_END)
    if stream.tell() > settings.UPLOAD_MAX_BYTES:
        raise CsvFileError(
            gettext("The file is larger than %(size)s MB.")
            % {"size": format_number(settings.UPLOAD_MAX_BYTES // 1024**2)}
        )
    stream.seek(0)
    path = imports_folder() / f"{_UPLOAD}{secrets.token_hex(16)}"
    try:
        with open(path, "xb", opener=_open_private) as file:
            shutil.copyfileobj(stream, file, _BLOCK)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def upload_of(run: ImportRun) -> Path | None:
    """Return the uploaded file of a run; None once it was removed."""
    path = imports_folder() / run.stored_file if run.stored_file else None
    return path if path is not None and path.is_file() else None


def errors_of(run: ImportRun) -> Path | None:
    """Return the errors file of a run; None where nothing was rejected, or once it was removed."""
    path = Path(run.errors_file) if run.errors_file else None
    return path if path is not None and path.is_file() else None


def remove_upload(run: ImportRun) -> None:
    """Remove the uploaded file of a run that has ended."""
    if run.stored_file:
        (imports_folder() / run.stored_file).unlink(missing_ok=True)
        ImportRun.objects.filter(pk=run.pk).update(stored_file="")
        run.stored_file = ""


def open_errors(path: Path) -> BinaryIO:
    """Open an errors file to be appended to, made for nobody else to read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return open(path, "ab", opener=_open_private)


def sweep_files(*, now: datetime) -> int:
    """Remove errors files after 30 days, and uploads that were not imported within 7; returns how many."""
    removed = 0
    for path in imports_folder().iterdir():
        is_upload = path.name.startswith(_UPLOAD)
        age = now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if age <= (KEPT_UPLOADS if is_upload else KEPT_ERRORS):
            continue
        under_way = Q(job__finished_at=None, job__isnull=False, finished_at=None)
        if is_upload and ImportRun.objects.filter(under_way, stored_file=path.name).exists():
            continue
        _remove(path)
        removed += 1
    return removed + _sweep_interrupted(now)


def _sweep_interrupted(now: datetime) -> int:
    """Remove what uploads left behind whose web process was killed; the system removes those of any other end."""
    if not settings.UPLOAD_DIR.is_dir():
        return 0
    removed = 0
    for path in settings.UPLOAD_DIR.iterdir():
        if now - datetime.fromtimestamp(path.stat().st_mtime, UTC) > KEPT_INTERRUPTED:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def files_mentioning(values: Iterable[str]) -> list[Path]:
    """Return the files in which one of ``values`` occurs, whatever the case, as plain text, CSV or JSON writes it."""
    needles = {spelling.casefold() for value in values if value for spelling in _spellings(value)}
    if not needles:
        return []
    return [path for path in sorted(imports_folder().iterdir()) if _mentions(path, needles)]


def remove_files_mentioning(values: Iterable[str]) -> int:
    """Remove the files in which one of ``values`` occurs; returns how many.

    An import that has not ended cannot be resumed then: its file has to be uploaded again.
    """
    paths = files_mentioning(values)
    for path in paths:
        _remove(path)
    return len(paths)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    ImportRun.objects.filter(stored_file=path.name).update(stored_file="")
    ImportRun.objects.filter(errors_file=str(path)).update(errors_file="")


def _spellings(value: str) -> Iterator[str]:
    yield value
    yield value.replace('"', '""')
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]


def _mentions(path: Path, needles: set[str]) -> bool:
    overlap = max(len(needle) for needle in needles)
    for encoding in _encodings(path):
        carry = ""
        with path.open(encoding=encoding, errors="replace", newline="") as text:
            while block := text.read(_BLOCK):
                folded = carry + block.casefold()
                if any(needle in folded for needle in needles):
                    return True
                carry = folded[-overlap:]
    return False


def _encodings(path: Path) -> tuple[str, ...]:
    """Return the encodings a file may be in; text that is ASCII reads the same in two of them."""
    with path.open("rb") as file:
        start = file.read(2)
    return ("utf-16",) if start in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8", "cp1252")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
