"""Cells that spreadsheets leave alone and that come back as they were."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contacts.ingest.csv_escaping import as_cell, escape, tidy, unescape

NASTY = "'=+-@\t\r\n \u00a0\ufeff\u200b\uff1d1aé\""
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


@given(st.text(NASTY, max_size=12) | st.text(max_size=40))
@example("")
@example("'")
@example("'=1 '")
@example("=1 ")
@example("-12.5")
@example("'-12.5")
def test_every_text_comes_back(text: str) -> None:
    assert unescape(escape(text)) == text


@given(st.text(NASTY, max_size=12).map(tidy))
@example(tidy("'=\u200b \u200b"))
def test_a_cell_as_it_is_read_comes_back_the_same(text: str) -> None:
    assert escape(unescape(text)) == text or unescape(text) is text


@given(st.text(NASTY, max_size=12) | st.text(max_size=40))
@example("=cmd|' /C calc'!A0")
@example(" =1+1")
@example("\t@SUM(1)")
def test_no_cell_begins_like_a_formula(text: str) -> None:
    cell = escape(text)

    # What a spreadsheet sees: some look past the space before the first character.
    seen = cell.lstrip(" \u00a0\ufeff\u200b")
    assert not seen.startswith(FORMULA) or float(cell) < 0 or cell == text == "-0"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("Ann", "Ann"),
        ("-12.5", "-12.5"),
        ("-1e3", "-1e3"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-1-1", "'-1-1"),
        ("'t Hooft", "'t Hooft"),
        ("'=1", "''=1"),
        ("  two  ", "'  two  '"),
    ],
)
def test_only_what_must_be_is_escaped(text: str, cell: str) -> None:
    assert escape(text) == cell


def test_a_long_row_of_apostrophes_takes_no_time() -> None:
    text = "'" * 200_000

    assert unescape(escape(text)) == text


def test_a_file_from_elsewhere_keeps_its_apostrophes() -> None:
    assert [unescape(cell) for cell in ("'s-Hertogenbosch", "rock 'n' roll", "'quoted'")] == [
        "'s-Hertogenbosch",
        "rock 'n' roll",
        "'quoted'",
    ]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), min_size=1, max_size=5))
def test_a_row_survives_writing_and_reading(values: list[str]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow([escape(value) for value in values])
    file.seek(0)
    (row,) = csv.reader(file, skipinitialspace=True, strict=True)

    assert [unescape(cell) for cell in row] == values


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("a", "a"),
        (None, ""),
        (True, "true"),
        (1.5, "1.5"),
        (7, "7"),
        (["a", 1], '["a",1]'),
        ({"b": None}, '{"b":null}'),
    ],
)
def test_json_values_as_text(value: object, cell: str) -> None:
    assert as_cell(value) == cell


@given(st.text(NASTY + " \u200b\ufeff", max_size=12))
@example("a\u200b \u200b")
def test_a_tidy_cell_stays_as_it_is(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)
