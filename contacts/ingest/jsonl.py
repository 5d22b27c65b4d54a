"""Reading files of JSON lines: one event in Ripen's native shape on each line. Pure: bytes in, records out."""

import codecs
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from django.utils.translation import gettext

from contacts.ingest.csv import BadRecord, CsvFileError, Record
from contacts.ingest.incoming import Unreadable
from contacts.ingest.reading import read_json

MAX_LINE_BYTES: Final = 262_144
_SHOWN: Final = 500


class JsonLinesReader:
    """A file of JSON lines, ready to be read once; a record's only value is its line."""

    encoding: Final = "utf-8"
    delimiter: Final = ""

    def __init__(self, stream: BinaryIO) -> None:
        """Look whether the file begins as one.

        Raises:
            CsvFileError: it holds nothing, or something else.
        """
        self.header: list[str] = []
        if not is_json_lines(stream):
            raise CsvFileError(gettext("This is no file of JSON lines: each line must be an object, {...}."))
        stream.seek(0)
        self._stream = stream

    def close(self) -> None:
        """Let go of the stream without closing it; it belongs to the caller."""

    def records(self) -> Iterator[Record | BadRecord]:
        """Every line that is not blank, in order."""
        number = line_number = 0
        while line := self._stream.readline(MAX_LINE_BYTES + 1):
            line_number += 1
            text = line.removeprefix(codecs.BOM_UTF8).strip() if line_number == 1 else line.strip()
            if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
                while (rest := self._stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                number += 1
                shown = text[:_SHOWN].decode("utf-8", "surrogateescape")
                yield BadRecord(number, line_number, [shown], f"the line is longer than {MAX_LINE_BYTES:,} bytes")
            elif text:
                number += 1
                yield Record(number, line_number, [text.decode("utf-8", "surrogateescape")])


def read_line(text: str) -> dict[str, Any] | None:
    """The object of a line; None where it holds no JSON object."""
    try:
        value = read_json(text.encode("utf-8", "surrogateescape"))
    except Unreadable:
        return None
    return value if isinstance(value, dict) else None


def is_json_lines(stream: BinaryIO) -> bool:
    """Whether the first thing in a file is an object."""
    stream.seek(0)
    start = stream.read(4_096).removeprefix(codecs.BOM_UTF8).lstrip()
    stream.seek(0)
    return start.startswith(b"{")
