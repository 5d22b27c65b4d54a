"""Files that other CSV readers are tried with: csv-spectrum and Papa Parse's samples, where they lie beside us."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from contacts.ingest.csv import BadRecord, CsvReader, Record

CORPORA = Path(__file__).parents[3] / "shared" / "data" / "corpora"
SPECTRUM = CORPORA / "csv-spectrum"
PAPA = CORPORA / "papaparse_csv"
# Its file and its expected JSON disagree about this number, whoever reads them.
DISAGREES = {"location_coordinates": {"Contact Phone Number": "2095257564"}}


def read(path: Path | bytes) -> tuple[list[str], list[Record | BadRecord]]:
    stream = io.BytesIO(path if isinstance(path, bytes) else path.read_bytes())
    reader = CsvReader(stream)
    return reader.header, list(reader.records())


def rows(path: Path | bytes) -> list[dict[str, str]]:
    header, records = read(path)
    return [dict(zip(header, record.values, strict=True)) for record in records]


@pytest.mark.skipif(not SPECTRUM.exists(), reason="no csv-spectrum beside the repository")
def test_csv_spectrum_is_read_as_its_expected_json() -> None:
    names = sorted(path.stem for path in (SPECTRUM / "csvs").glob("*.csv"))
    assert len(names) == 12
    for name in names:
        expected: Any = json.loads((SPECTRUM / "json" / f"{name}.json").read_text("utf-8"))
        expected = expected if isinstance(expected, list) else [expected]
        for row in expected:
            row.update(DISAGREES.get(name, {}))
        assert rows(SPECTRUM / "csvs" / f"{name}.csv") == expected, name


@pytest.mark.skipif(not PAPA.exists(), reason="no Papa Parse samples beside the repository")
def test_the_samples_of_papa_parse_are_read() -> None:
    assert rows(PAPA / "utf-8-bom-sample.csv") == [{"A": "X", "B": "Y", "C": "Z"}]
    assert rows(PAPA / "slow-sample.csv") == [{"A": "X", "B": "Y", "C": "Z"}]
    assert rows(PAPA / "sample-header.csv")[1] == {"title": "", "name": "test name 02"}
    header, records = read(PAPA / "long-sample.csv")
    assert [len(record.values) for record in records] == [len(header)] * 7
    _, records = read(PAPA / "verylong-sample.csv")
    bad = [record.number for record in records if isinstance(record, BadRecord)]
    # Every five hundredth row lacks a column: it costs itself and no other.
    assert (len(records), bad) == (2000, [499, 999, 1499, 1999])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('a,b\n1,"x, y"\n', [{"a": "1", "b": "x, y"}]),
        ('a,b\r\n1,"say ""hi"""\r\n', [{"a": "1", "b": 'say "hi"'}]),
        ('a,b\n1,"two\nlines, ""quoted"""\n', [{"a": "1", "b": 'two\nlines, "quoted"'}]),
        ('a,b\n"","x"\n,""\n', [{"a": "", "b": "x"}, {"a": "", "b": ""}]),
        ('k,v\n1,"{""a"": [1, 2]}"\n', [{"k": "1", "v": '{"a": [1, 2]}'}]),
        ("a,b\n1,ʤ\n", [{"a": "1", "b": "ʤ"}]),
        ('a,b\n1,5 ft 2"\n', [{"a": "1", "b": '5 ft 2"'}]),
        ("a;b\r1;2\r", [{"a": "1", "b": "2"}]),
        ("\ufeffa\tb\n1\t2", [{"a": "1", "b": "2"}]),
    ],
)
def test_invented_cases_of_the_same_sorts(content: str, expected: list[dict[str, str]]) -> None:
    assert rows(content.encode()) == expected
