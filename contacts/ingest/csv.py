"""Reading CSV files people really have: encodings, delimiters, quotes that never close. Pure: bytes in, records out.

A record that cannot be read is handed back as a ``BadRecord`` with a reason; the records around it are read all
the same. Only what makes the whole file unreadable (empty, a spreadsheet, no usable header) raises ``CsvFileError``.
"""

import codecs
import csv
import io
from collections import Counter, deque
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from django.utils.translation import gettext

DELIMITERS = (",", ";", "\t", "|")
MAX_RECORD_CHARS = 262_144
# Columns that Ripen adds to files it writes (errors, exports) begin so; left aside when a file comes back.
OWN_COLUMNS = "ripen_"
ERROR_COLUMN = f"{OWN_COLUMNS}error"

_SNIFFED_LINES = 50
_FEWEST_COLUMNS_SPLIT = 2
_BLOCK = 1 << 20
_SHOWN_CHARS = 500


class CsvFileError(ValueError):
    """The file as a whole cannot be read; the message says why in one sentence."""


class Record(msgspec.Struct, frozen=True):
    """One data row. ``number`` counts data rows from 1, ``line`` is its first line in the file (header = 1)."""

    number: int
    line: int
    values: list[str]


class BadRecord(msgspec.Struct, frozen=True):
    """A row that could not be taken apart. ``values`` are what could be read of it, for the errors file."""

    number: int
    line: int
    values: list[str]
    reason: str
    column: str = ""


class _InterruptedError(Exception):
    """The record being read grew beyond its limit, or ran into a line that did."""


class _OversizedError(Exception):
    """The next line alone is longer than a record may be. ``start`` is how it begins."""

    def __init__(self, start: str) -> None:
        super().__init__(start)
        self.start = start


class _Cut(str):
    """The beginning of a line that was too long to keep."""

    __slots__ = ()


class _Lines:
    """Physical lines for csv.reader, remembering those of the current record so that they can be read again."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._pending: deque[str] = deque()
        self.taken: list[str] = []
        self._size = 0
        self.line = 0

    def begin_record(self) -> None:
        self.taken = []
        self._size = 0

    def put_back_all_but_first(self) -> None:
        rest = self.taken[1:]
        self._pending.extendleft(reversed(rest))
        self.line -= len(rest)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._pending.popleft() if self._pending else self._read_line()
        if isinstance(line, _Cut) and not self.taken:
            self.line += 1
            raise _OversizedError(line)
        if self.taken and (isinstance(line, _Cut) or self._size + len(line) > MAX_RECORD_CHARS):
            self._pending.appendleft(line)
            raise _InterruptedError
        self.line += 1
        self.taken.append(line)
        self._size += len(line)
        return line

    def _read_line(self) -> str:
        line = self._text.readline(MAX_RECORD_CHARS + 1)
        if not line:
            raise StopIteration
        if len(line) > MAX_RECORD_CHARS and not line.endswith(("\n", "\r")):
            while rest := self._text.readline(MAX_RECORD_CHARS):
                if rest.endswith(("\n", "\r")):
                    break
            return _Cut(line[:_SHOWN_CHARS])
        return line


class CsvReader:
    """A CSV file, ready to be read once: ``header``, then ``records()``.

    ``stream`` must be seekable and opened in binary mode. ``encoding`` and ``delimiter`` are found by looking at
    the bytes. Raises CsvFileError when the file as a whole cannot be read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.encoding = detect_encoding(stream)
        stream.seek(0)
        text = io.TextIOWrapper(stream, encoding=self.encoding, errors="surrogateescape", newline="")
        try:
            self.delimiter = sniff_delimiter([text.readline(MAX_RECORD_CHARS) for _ in range(_SNIFFED_LINES)])
            text.seek(0)
            self._lines = _Lines(text)
            self._rows = csv.reader(self._lines, delimiter=self.delimiter, strict=True, skipinitialspace=True)
            self.header = self._read_header()
        except BaseException:
            text.detach()
            raise
        self._text = text

    def close(self) -> None:
        """Let go of the stream without closing it; it belongs to the caller."""
        self._text.detach()

    def _read_header(self) -> list[str]:
        self._lines.begin_record()
        try:
            header = [name.strip() for name in next(self._rows)]
        except StopIteration:
            raise CsvFileError(gettext("The file is empty: the first line must name the columns.")) from None
        except (csv.Error, _OversizedError, _InterruptedError) as error:
            raise CsvFileError(
                gettext("The first line must name the columns, but it cannot be read: %(error)s.") % {"error": error}
            ) from error
        while header and not header[-1]:
            header.pop()
        if not header:
            raise CsvFileError(gettext("The first line must name the columns, but it is blank."))
        if any("\0" in name for name in header):
            raise CsvFileError(gettext("The first line contains NUL characters: this is no text file."))
        blank = [str(place) for place, name in enumerate(header, 1) if not name]
        if blank:
            raise CsvFileError(
                gettext("The header of column %(columns)s is blank: name it or remove the column.")
                % {"columns": ", ".join(blank)}
            )
        twice = [name for name, times in Counter(header).items() if times > 1]
        if twice:
            places = [str(place) for place, name in enumerate(header, 1) if name == twice[0]]
            raise CsvFileError(
                gettext("The header %(name)s appears more than once (columns %(columns)s): rename one.")
                % {"name": repr(twice[0]), "columns": ", ".join(places)}
            )
        return header

    def records(self) -> Iterator[Record | BadRecord]:
        """Every data row in order; blank lines are skipped. A quote that never closes costs only its own line."""
        lines, width = self._lines, len(self.header)
        number = 0
        while True:
            lines.begin_record()
            line = lines.line + 1
            try:
                values = next(self._rows)
            except StopIteration:
                return
            except _OversizedError as oversized:
                number += 1
                yield BadRecord(
                    number, line, [oversized.start], f"the row is longer than {MAX_RECORD_CHARS:,} characters"
                )
                continue
            except (csv.Error, _InterruptedError) as error:
                number += 1
                reason = _explain(error, several_lines=len(lines.taken) > 1)
                lines.put_back_all_but_first()
                yield BadRecord(number, line, [lines.taken[0].rstrip("\r\n")[:_SHOWN_CHARS]], reason)
                continue
            if not values:
                continue
            number += 1
            if len(values) != width:
                while len(values) > width and not values[-1].strip():
                    values.pop()
            if len(values) == width:
                yield Record(number, line, values)
            elif len(lines.taken) > 1:
                first = lines.taken[0].rstrip("\r\n")[:_SHOWN_CHARS]
                lines.put_back_all_but_first()
                yield BadRecord(number, line, [first], "a quote opens that does not close on its row")
            else:
                yield BadRecord(
                    number, line, values[:width], f"the row has {len(values)} columns, the header has {width}"
                )


def _explain(error: Exception, *, several_lines: bool) -> str:
    if several_lines or "unexpected end" in str(error):
        return "a quote opens that does not close on its row"
    if "field limit" in str(error):
        return "a value is longer than 131,072 characters"
    if "expected after" in str(error):
        return "text follows a closing quote (a quote inside a quoted value must be doubled)"
    return f"the row cannot be read: {error}"


def detect_encoding(stream: BinaryIO) -> str:
    """The codec to read the bytes with: UTF-8 (with or without BOM), UTF-16 with BOM, else Windows-1252 or Latin-1.

    A file that is UTF-8 but for a few broken rows stays UTF-8 (those rows are rejected one by one); one whose
    non-ASCII lines are mostly no UTF-8 is the one-byte encoding that spreadsheets write.
    """
    stream.seek(0)
    start = stream.read(4)
    if not start:
        raise CsvFileError(gettext("The file is empty: the first line must name the columns."))
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise CsvFileError(gettext("This is a spreadsheet, not a CSV file: save it as CSV first."))
    if start.startswith((b"\x1f\x8b", b"%PDF")):
        raise CsvFileError(gettext("This is no CSV file (it is compressed or a PDF)."))
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    stream.seek(0)
    good = bad = 0
    undefined = False
    carry = b""
    while block := stream.read(_BLOCK):
        if block.isascii() and not carry:
            continue
        *lines, carry = (carry + block).split(b"\n")
        if len(carry) > _BLOCK:
            lines.append(carry)
            carry = b""
        for line in lines:
            if not line.isascii():
                good, bad, undefined = _count_encodings(line, good, bad, undefined)
    if carry and not carry.isascii():
        good, bad, undefined = _count_encodings(carry, good, bad, undefined)
    if bad > good:
        return "latin-1" if undefined else "cp1252"
    return "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"


def _count_encodings(line: bytes, good: int, bad: int, undefined: bool) -> tuple[int, int, bool]:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return good, bad + 1, undefined or any(byte in line for byte in b"\x81\x8d\x8f\x90\x9d")
    return good + 1, bad, undefined


def sniff_delimiter(lines: list[str]) -> str:
    """The delimiter under which the header has columns and most rows have as many as the header; comma if none."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths: list[int] = []
        try:
            widths.extend(len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row)
        except csv.Error:
            pass  # what was read before the unreadable row says enough
        if not widths or widths[0] < _FEWEST_COLUMNS_SPLIT:
            continue
        score = (widths.count(widths[0]) / len(widths), widths[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best
