"""The errors file of an import: refused rows as they were, with the reason, fit to be corrected and imported again."""

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from contacts.ingest.csv import ERROR_COLUMN
from contacts.services.imports.rows import RejectedRow


class ErrorsFile:
    """Writes rejected rows under the original header plus ``ripen_error``; makes no file when nothing is rejected.

    Bytes that were not valid UTF-8 are written back as they came.
    """

    def __init__(self, path: Path, header: Sequence[str], *, delimiter: str) -> None:
        self.path = path
        # A corrected errors file may be imported again: its own error column is replaced.
        self._columns = [place for place, name in enumerate(header) if name != ERROR_COLUMN]
        self._header = [header[place] for place in self._columns]
        self._delimiter = delimiter
        self._stream: IO[str] | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, row: RejectedRow) -> None:
        """Append one refused row."""
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            self._writer = csv.writer(self._stream, delimiter=self._delimiter)
            self._writer.writerow([*self._header, ERROR_COLUMN])
        values = [row.values[place] if place < len(row.values) else "" for place in self._columns]
        self._writer.writerow([*values, row.sentence])

    @property
    def written(self) -> bool:
        """Whether anything was refused."""
        return self._stream is not None
