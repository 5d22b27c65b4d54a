"""The CSV reader: encodings, delimiters, and hostile files that cost no more than their own rows."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.ingest.csv import MAX_RECORD_CHARS, BadRecord, CsvFileError, CsvReader, Record

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "corpora" / "csv-spectrum"
# The corpus disagrees with itself here: the CSV file has one phone number, its JSON another.
CORPUS_CORRECTIONS = {"location_coordinates": {"Contact Phone Number": "2095257564"}}
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def read(content: bytes) -> tuple[CsvReader, list[Record | BadRecord]]:
    reader = CsvReader(io.BytesIO(content))
    return reader, list(reader.records())


def good(records: list[Record | BadRecord]) -> list[list[str]]:
    return [record.values for record in records if isinstance(record, Record)]


def bad(records: list[Record | BadRecord]) -> list[tuple[int, int, str]]:
    return [(record.number, record.line, record.reason) for record in records if isinstance(record, BadRecord)]


@pytest.mark.skipif(not CORPUS.exists(), reason="no csv-spectrum corpus beside the repository")
@pytest.mark.parametrize("name", [path.stem for path in sorted((CORPUS / "csvs").glob("*.csv"))] or ["none"])
def test_corpus_parses_as_expected(name: str) -> None:
    with (CORPUS / "csvs" / f"{name}.csv").open("rb") as stream:
        reader = CsvReader(stream)
        rows = [dict(zip(reader.header, values, strict=True)) for values in good(list(reader.records()))]
    expected = json.loads((CORPUS / "json" / f"{name}.json").read_text())
    # A single row is written as a bare object there.
    expected_rows = expected if isinstance(expected, list) else [expected]
    assert rows == [row | CORPUS_CORRECTIONS.get(name, {}) for row in expected_rows]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("name,city\nJürgen,Köln\n".encode(), "utf-8"),
        ("name,city\nJürgen,Köln\n".encode("utf-8-sig"), "utf-8-sig"),
        ("name,city\r\nJürgen,Köln\r\n".encode("latin-1"), "cp1252"),
        ("name,city\nJürgen,Köln\n".encode("utf-16"), "utf-16"),
    ],
)
def test_encodings_are_found(content: bytes, encoding: str) -> None:
    reader, records = read(content)
    assert (reader.encoding, reader.header, good(records)) == (encoding, ["name", "city"], [["Jürgen", "Köln"]])


def test_one_broken_row_does_not_change_the_encoding_of_the_others() -> None:
    _, records = read("name\nJürgen\nKöln\n".encode() + b"\xff\n")
    assert good(records)[:2] == [["Jürgen"], ["Köln"]]
    assert good(records)[2] == ["\udcff"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_found(delimiter: str, line_end: str) -> None:
    lines = [["a", "b", "c"], ["1", '"x, y; z"', "3"], ["", "2", ""]]
    reader, records = read(line_end.join(delimiter.join(line) for line in lines).encode())
    assert reader.delimiter == delimiter
    assert good(records) == [["1", "x, y; z", "3"], ["", "2", ""]]


def test_a_quote_that_never_closes_costs_its_own_row_only() -> None:
    _, records = read(b'a,b\n1,2\n"3,4\n5,6\n7,"8"\n')
    assert good(records) == [["1", "2"], ["5", "6"], ["7", "8"]]
    assert bad(records) == [(2, 3, "a quote opens that does not close on its row")]


def test_ragged_rows_are_named_and_their_neighbours_kept() -> None:
    _, records = read(b'a;b\n1;2\n3\n4;5;6\n7;8;;\n9;"x" y\n\n10;11\n')
    assert good(records) == [["1", "2"], ["7", "8"], ["10", "11"]]
    assert bad(records) == [
        (2, 3, "the row has 1 columns, the header has 2"),
        (3, 4, "the row has 3 columns, the header has 2"),
        (5, 6, "text follows a closing quote (a quote inside a quoted value must be doubled)"),
    ]


def test_a_line_of_ten_megabytes_is_one_bad_row() -> None:
    _, records = read(b"a,b\n1,2\n" + b"x" * 10_000_000 + b"\n3,4\n")
    assert good(records) == [["1", "2"], ["3", "4"]]
    assert bad(records) == [(2, 3, f"the row is longer than {MAX_RECORD_CHARS:,} characters")]
    assert len(records[1].values[0]) <= 500


def test_a_long_line_inside_an_open_quote_hides_nothing() -> None:
    _, records = read(b'a,b\n"1,2\n3,4\n' + b"x" * 1_000_000 + b"\n5,6\n")
    assert good(records) == [["3", "4"], ["5", "6"]]
    assert [number for number, _, _ in bad(records)] == [1, 3]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "blank"),
        (b"a,b,a\n1,2,3\n", "'a' appears more than once (columns 1, 3)"),
        (b"a,,c\n1,2,3\n", "column 2 is blank"),
        (b"PK\x03\x04rest of a workbook", "spreadsheet"),
        (b"a\x00b,c\n1,2\n", "NUL"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"x" * 1_000_000, "cannot be read"),
    ],
)
def test_an_unreadable_file_says_why(content: bytes, words: str) -> None:
    with pytest.raises(CsvFileError, match=re.escape(words)):
        read(content)


@given(st.lists(st.lists(TEXTS, min_size=3, max_size=3), max_size=6))
def test_what_a_csv_writer_wrote_is_read_back(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    _, records = read(text.getvalue().encode())
    assert [record.values for record in records] == rows


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    try:
        _, records = read(content)
    except CsvFileError:
        return
    assert [record.number for record in records] == list(range(1, len(records) + 1))
