"""Files of people's data that were exported for them: in the state folder, for their owner only, for seven days."""

import os
import re
import secrets
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings

KEPT_FOR: Final = timedelta(days=7)
_NAME: Final = re.compile(r"person-([0-9]+)-[0-9a-f]{32}\.json")
_UNFINISHED: Final = ".part"


def exports_folder() -> Path:
    """Return the folder of these files, made on first use for nobody else to read."""
    folder = Path(settings.STATE_DIR) / "exports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_export_file(*, job_id: int, pieces: Iterable[str]) -> Path:
    """Write the export of a job under a name that nobody can guess; it appears whole or not at all."""
    remove_export_files(job_ids=[job_id])
    path = exports_folder() / f"person-{job_id}-{secrets.token_hex(16)}.json"
    unfinished = path.with_name(f"{path.name}{_UNFINISHED}")
    try:
        with open(unfinished, "x", encoding="utf-8", opener=_open_private) as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return path


def export_file_of(job_id: int, *, now: datetime) -> Path | None:
    """Return the file of a job; None where it was removed or its time is over."""
    for path in exports_folder().iterdir():
        found = _NAME.fullmatch(path.name)
        if found and int(found[1]) == job_id and now - _written_at(path) <= KEPT_FOR:
            return path
    return None


def remove_export_files(*, job_ids: Collection[int]) -> int:
    """Remove the files of these jobs, finished or not; returns how many."""
    removed = 0
    for path in exports_folder().iterdir():
        found = _NAME.fullmatch(path.name.removesuffix(_UNFINISHED))
        if found and int(found[1]) in job_ids:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def sweep_export_files(*, now: datetime) -> int:
    """Remove the files whose seven days are over; returns how many."""
    removed = 0
    for path in exports_folder().iterdir():
        if now - _written_at(path) > KEPT_FOR:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _written_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        # Removed by somebody else at this moment.
        return datetime.max.replace(tzinfo=UTC)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
