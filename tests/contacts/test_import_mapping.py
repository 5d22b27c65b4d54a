"""Column mappings: what a document may say, how a cell becomes a value, and what is guessed without a document."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contacts.ingest.csv_guess import guess_columns
from contacts.ingest.csv_mapping import Mapping, MappingError, RowError, RowFacts, parse_mapping

HEADER = ["Mail", "Title", "Firm", "Size", "Budget", "Found by", "Since"]


def bind(columns: dict[str, Any], **more: Any) -> Mapping:
    return Mapping(parse_mapping({"columns": {"Mail": "email", **columns}, **more}), HEADER)


def read(mapping: Mapping, **cells: str) -> RowFacts:
    values = {"Mail": "ann@example.com"} | {name.replace("_", " "): value for name, value in cells.items()}
    return mapping.read_row([values.get(name, "") for name in HEADER])


def test_a_row_becomes_a_message_of_the_events_api() -> None:
    mapping = bind(
        {
            "Title": "job_title",
            "Firm": "company.name",
            "Size": "company.employees",
            "Budget": "means",
            "Found by": "source.channel",
        },
        constants={"source.direction": "outbound"},
    )
    facts = read(mapping, Title=" Head of Things ", Firm="Acme", Size="1,200", Budget="Y", Found_by="Fair")
    assert facts == RowFacts(
        contact={"email": "ann@example.com"},
        traits={"job_title": "Head of Things", "means": "yes", "company": {"name": "Acme", "employees": 1200}},
        origin={"channel": "Fair", "direction": "outbound"},
    )


def test_blank_and_empty_words_say_nothing() -> None:
    mapping = bind({"Title": "job_title", "Firm": {"to": "company.name", "empty": ["n/a"]}}, empty=["Select"])
    assert read(mapping, Title="select", Firm="N/A").traits == {}
    assert read(mapping, Title="n/a", Firm="Select").traits == {"job_title": "n/a"}


def test_value_maps_ignore_case_and_defaults_fill_blanks() -> None:
    rule = {"to": "source.channel", "values": {"google": "Google", "none": ""}, "default": "Unknown"}
    mapping = bind({"Found by": rule})
    assert [read(mapping, Found_by=word).origin["channel"] for word in ("GOOGLE", "Bing", "None", "")] == [
        "Google",
        "Bing",
        "Unknown",
        "Unknown",
    ]


def test_folding_case_takes_the_most_frequent_spelling_whatever_the_order() -> None:
    rows = [["", "", "", "", "", word, ""] for word in ("google", "Google", "Google", "bing", "Bing")]
    for order in (rows, rows[::-1]):
        mapping = bind({"Found by": {"to": "source.channel", "fold_case": "true"}})
        assert mapping.needs_spellings
        mapping.learn_spellings(order)
        assert read(mapping, Found_by="google").origin == {"channel": "Google"}
        assert read(mapping, Found_by="bing").origin == {"channel": "Bing"}


def test_one_column_may_have_two_targets_and_two_columns_one() -> None:
    mapping = bind({"Title": ["job_title", {"to": "attributes.said", "case": "upper"}], "Firm": "job_title"})
    assert read(mapping, Title="cto", Firm="boss").traits == {"job_title": "cto", "said": "CTO"}
    assert read(mapping, Firm="boss").traits == {"job_title": "boss"}


def test_a_full_name_is_taken_apart() -> None:
    mapping = bind({"Title": "full_name"})
    assert read(mapping, Title="Ada King Lovelace").traits == {"first_name": "Ada King", "last_name": "Lovelace"}
    assert read(mapping, Title="Ada").traits == {"first_name": "Ada"}


def test_dates_are_utc_unless_they_say_otherwise() -> None:
    assert read(bind({"Since": "occurred_at"}), Since="2026-03-01T10:00+02:00").occurred_at == datetime(
        2026, 3, 1, 8, tzinfo=UTC
    )
    german = bind({"Since": {"to": "occurred_at", "format": "%d.%m.%Y"}})
    assert read(german, Since="01.03.2026").occurred_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert read(bind({"Since": {"to": "attributes.since", "type": "date"}}), Since="2026-03-01").traits == {
        "since": "2026-03-01T00:00:00+00:00"
    }


@pytest.mark.parametrize(
    ("columns", "cells", "column", "reason"),
    [
        ({"Size": "company.employees"}, {"Size": "many"}, "Size", "'many' is no whole number"),
        ({"Budget": "means"}, {"Budget": "perhaps"}, "Budget", "'perhaps' is neither yes nor no"),
        ({"Since": "occurred_at"}, {"Since": "31.12.25"}, "Since", "'31.12.25' is not an ISO 8601 date"),
        (
            {"Found by": "source.direction"},
            {"Found_by": "sideways"},
            "Found by",
            "'sideways' is none of inbound, outbound",
        ),
        ({"Title": "job_title"}, {"Title": "a\0b"}, "Title", "contains a NUL"),
        ({"Title": "job_title"}, {"Title": "x" * 8193}, "Title", "8,193 characters"),
        ({"Title": "job_title"}, {"Title": "\udcff"}, "Title", "not valid UTF-8"),
        ({"Title": {"to": "job_title", "required": "yes"}}, {}, "Title", "blank"),
        ({}, {"Mail": " "}, "Mail", "nothing says who this is"),
    ],
)
def test_a_bad_cell_names_its_column(columns: dict[str, Any], cells: dict[str, str], column: str, reason: str) -> None:
    mapping = bind(columns)
    with pytest.raises(RowError) as caught:
        read(mapping, **cells)
    assert caught.value.column == column
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "must be a YAML mapping"),
        ({"columns": {"Mail": "e-mail"}}, "columns.Mail: unknown target 'e-mail'; did you mean 'email'?"),
        ({"columns": {"Mail": "email", "Titel": "job_title"}}, "no column 'Titel'. Did you mean 'Title'?"),
        ({"columns": {"Title": "job_title"}}, "No column says who the contact is"),
        ({"columns": {"Mail": {"to": "email", "typ": "text"}}}, "typ"),
        ({"columns": {"Mail": "attributes.owner"}}, "cannot be an attribute"),
        ({"columns": {"Mail": "email"}, "constants": {"email": "a@example.com"}}, "must come from a column"),
        ({"columns": {"Mail": "email"}, "constants": {"means": "maybe"}}, "constants.means"),
    ],
)
def test_a_wrong_mapping_says_where(document: Any, words: str) -> None:
    with pytest.raises(MappingError) as caught:
        Mapping(parse_mapping(document), HEADER)
    assert words in str(caught.value)


def test_guesses_follow_the_headers_and_give_no_target_twice() -> None:
    header = [
        "ID",
        "E-Mail Address",
        "FirstName",
        "Surname",
        "Company",
        "Website",
        "Lead Source",
        "Mail",
        "ripen_error",
        "Café?",
    ]
    assert [(guess.column, guess.target) for guess in guess_columns(header)] == [
        ("ID", "external_id"),
        ("E-Mail Address", "email"),
        ("FirstName", "first_name"),
        ("Surname", "last_name"),
        ("Company", "company.name"),
        ("Website", "company.domain"),
        ("Lead Source", "source.channel"),
        ("Mail", "attributes.mail"),
        ("Café?", "attributes.café"),
    ]
    assert all(0 <= guess.confidence <= 1 for guess in guess_columns(header))
