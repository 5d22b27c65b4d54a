"""The errors file of an import: refused rows as they were, with the reason, fit to be corrected and imported again."""

import csv
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
from django.db import connection

from contacts.enums import IdentityKind
from contacts.ingest.csv import ERROR_COLUMN
from contacts.ingest.csv_escaping import escape, tidy, unescape
from contacts.ingest.identifiers import MAX_IDENTIFIER_LENGTH, normalise_email
from contacts.ingest.incoming import Refused
from contacts.ingest.jsonl import read_line
from contacts.models import ErasedName
from contacts.services.erased_names import find_erased
from contacts.services.imports.files import open_errors
from contacts.services.rows import Name

_LINE_KEY: Final = "ripen_line"
_TEXT: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ERASED: Final = "Somebody whom this row names was erased; it is not kept here."


class RejectedRow(msgspec.Struct):
    """A row for the errors file: the cells as they were, and why it was refused."""

    number: int
    values: Sequence[str]
    column: str
    reason: str
    code: str = ""

    @property
    def sentence(self) -> str:
        """The reason with its place, for the file's own error column."""
        where = f"row {self.number}" + (f", column {self.column!r}" if self.column else "")
        return f"{where}: {self.reason}"


class _Format(Protocol):
    def header(self) -> str: ...

    def line(self, row: RejectedRow) -> str: ...


class CsvErrors:
    """Rejected rows under the original header plus ``ripen_error``."""

    def __init__(self, header: Sequence[str], *, delimiter: str) -> None:
        # A corrected errors file may be imported again: its own error column is replaced.
        self._columns = [place for place, name in enumerate(header) if name != ERROR_COLUMN]
        self._header = [header[place] for place in self._columns]
        self._delimiter = delimiter

    def header(self) -> str:
        """Return the first line."""
        return self._written([*self._header, ERROR_COLUMN])

    def line(self, row: RejectedRow) -> str:
        """Return a row's line."""
        values = [_cell(row.values[place]) if place < len(row.values) else "" for place in self._columns]
        return self._written([*values, escape(row.sentence)])

    def _written(self, values: Sequence[str]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=self._delimiter).writerow(values)
        return text.getvalue()


class JsonErrors:
    """Rejected lines as they were, each with the key ``ripen_error``; what is no object is kept as ``ripen_line``."""

    def header(self) -> str:
        """JSON lines have none."""
        return ""

    def line(self, row: RejectedRow) -> str:
        """Return a row's line."""
        text = row.values[0] if row.values else ""
        try:
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            found = read_line(text)
        document = found if isinstance(found, dict) else {_LINE_KEY: text}
        document = {key: value for key, value in document.items() if key != ERROR_COLUMN}
        try:
            line = msgspec.json.encode({**document, ERROR_COLUMN: row.sentence})
        except UnicodeEncodeError:
            shown = text.encode("utf-8", "replace").decode()
            line = msgspec.json.encode({_LINE_KEY: shown, ERROR_COLUMN: row.sentence})
        return line.decode() + "\n"


class ErrorsFile:
    """Appends rejected rows, durably before the chunk they belong to is; makes no file when nothing is rejected.

    ``kept``: how many bytes of the file belong to rows that are done for good. Whatever lies beyond was written for a
    chunk that came to nothing and is cut off. Bytes that were not valid UTF-8 are written back as they came.
    Without a path nothing is written.
    """

    def __init__(self, path: Path | None, form: _Format, *, kept: int = 0) -> None:
        self.path = path
        self.kept = kept
        self._form = form

    def append(self, rows: Sequence[RejectedRow]) -> int:
        """Write rows after what is kept; returns the size to be kept once their chunk is committed."""
        if not rows or self.path is None:
            return self.kept
        rows = without_erased(rows)
        text = "" if self.kept else self._form.header()
        text += "".join(self._form.line(row) for row in rows)
        block = text.encode("utf-8", "surrogateescape")
        with open_errors(self.path) as file:
            file.truncate(self.kept)
            file.seek(0, os.SEEK_END)
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
        return self.kept + len(block)


def without_erased(rows: Sequence[RejectedRow]) -> list[RejectedRow]:
    """Empty the rows in which somebody is named who was erased: what a file says of them again is stored nowhere.

    At most two statements.
    """
    if not ErasedName.objects.exists():
        return list(rows)
    named = [{name for value in row.values for name in _names_in(value)} for row in rows]
    with connection.cursor() as cursor:
        erased = find_erased(cursor, {name for names in named for name in names})
    return [
        row if erased.isdisjoint(names) else RejectedRow(row.number, [], "", _ERASED, "erased")
        for row, names in zip(rows, named, strict=True)
    ]


def _names_in(value: str) -> set[Name]:
    """What may name somebody in a cell, or in the texts of a line of JSON."""
    texts = [value, *(_TEXT.findall(value) if value.lstrip().startswith("{") else ())]
    names: set[Name] = set()
    for text in {text.strip() for text in texts if 0 < len(text) <= MAX_IDENTIFIER_LENGTH}:
        names |= {(IdentityKind.EXTERNAL_ID.value, text), (IdentityKind.ANONYMOUS_ID.value, text)}
        try:
            names.add((IdentityKind.EMAIL.value, normalise_email(text, "")))
        except Refused:
            pass
    return names


def _cell(raw: str) -> str:
    """A cell as it was; one that a spreadsheet would evaluate is escaped, which reading takes back."""
    text = tidy(raw)
    return raw if unescape(text) is not text or escape(text) == text else escape(text)
