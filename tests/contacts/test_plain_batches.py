"""Batches that are checked while they are decoded: the same as one by one, and nothing that is refused gets through."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.ingest import native, plain
from contacts.ingest.incoming import TooLarge, Unreadable
from contacts.ingest.reading import read_json
from tests.contacts.test_ingest_properties import body_of, native_payloads, values

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
singles = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
objects = st.dictionaries(
    texts, singles | st.lists(singles, max_size=3) | st.dictionaries(texts, singles, max_size=3), max_size=4
)
# Mostly good, each now and then with something odd in it.
likely_payloads = st.fixed_dictionaries(
    {
        "message_id": st.sampled_from(["m1", "0b6a7a2e-6f0f-4a55-9f0c-6a1d8f5f2d11", "é", "x" * 255]),
        "kind": st.sampled_from(["page_viewed", "demo_requested", "unsubscribed", "Page"]),
        "contact": st.dictionaries(
            st.sampled_from(["email", "external_id", "anonymous_id"]),
            st.sampled_from(["ann@acme.example", "Ann@Acme.example ", "u1", "null"]),
            min_size=1,
        ),
    },
    optional={
        "occurred_at": st.sampled_from(["2026-11-22T11:00:00+00:00", "2026-11-22T13:00:00+02:00", "soon", None])
        | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
        "traits": objects,
        "properties": objects,
    },
)


def typical(number: int = 0, **more: Any) -> dict[str, Any]:
    """An event as a tracker sends it."""
    return {
        "message_id": f"message-{number}",
        "kind": "page_viewed",
        "occurred_at": (NOW - timedelta(minutes=number)).isoformat(),
        "contact": {"email": f"person{number}@acme.example"},
        "traits": {"job_title": "Head of Ops", "company": {"name": "Acme", "employees": 12}},
        "properties": {"url": "https://acme.example/é", "position": 3, "new": True, "tags": ["a", 1], "ratio": 0.5},
        **more,
    }


def both(body: bytes) -> tuple[Any, Any]:
    """What comes of a body checked in one go (None: left to the other) and one by one."""
    read = native.read_events(read_json(body), received_at=NOW)
    return plain.read_plain(body, received_at=NOW), read


@given(st.lists(likely_payloads | native_payloads | values, max_size=4))
def test_what_is_read_in_one_go_is_what_is_read_one_by_one(payloads: list[Any]) -> None:
    body = body_of({"events": payloads})
    at_once, one_by_one = both(body)
    if at_once is not None:
        assert not one_by_one.rejected
        assert at_once.events == one_by_one.events
        assert at_once.warnings == one_by_one.warnings
        assert list(at_once.payloads) == list(one_by_one.payloads)
    assert plain.read_batch(body, received_at=NOW).events == one_by_one.events


def test_what_trackers_send_is_read_in_one_go() -> None:
    at_once, one_by_one = both(body_of({"events": [typical(number) for number in range(1_000)]}))
    assert at_once is not None
    assert at_once.events == one_by_one.events
    assert len(at_once.payloads) == 1_000
    assert at_once.payloads[7] == typical(7)


def test_what_is_odd_but_good_is_warned_of_as_ever() -> None:
    at_once, one_by_one = both(body_of({"events": [typical(occurred_at="soon")]}))
    assert at_once is not None
    assert [warning.code for warning in at_once.warnings] == ["time_unreadable"]
    assert at_once.warnings == one_by_one.warnings


@pytest.mark.parametrize(
    "odd",
    [
        {"message_id": ""},
        {"message_id": "x" * 256},
        {"kind": "Page"},
        {"kind": "page_viewed\n"},
        {"contact": {}},
        {"contact": {"email": "nobody"}},
        {"contact": {"anonymous_id": "null"}},
        {"properties": {"a": "\0"}},
        {"properties": {"\0": 1}},
        {"properties": {"a": 2**63}},
        {"properties": {"a": -(2**63) - 1}},
        {"properties": {"k" * 256: 1}},
        {"properties": {str(number): number for number in range(301)}},
        {"properties": {"a": list(range(1_001))}},
        {"properties": {str(number): "x" * 2_000 for number in range(20)}},
        {"properties": "a"},
        {"stage": 2**64},
    ],
    ids=str,
)
def test_what_is_refused_is_refused_as_ever_and_its_neighbours_are_good(odd: dict[str, Any]) -> None:
    body = body_of({"events": [typical(1), typical(2, **odd), typical(3)]})
    at_once, one_by_one = both(body)
    assert at_once is None
    read = plain.read_batch(body, received_at=NOW)
    assert [(one.index, one.code, one.field) for one in read.rejected] == [
        (one.index, one.code, one.field) for one in one_by_one.rejected
    ]
    assert [one.index for one in read.rejected] == [1]
    assert [event.index for event in read.events] == [0, 2]


@pytest.mark.parametrize(
    "usual",
    [
        json.dumps(typical()),
        json.dumps({"events": [typical(contact={"id": 7})]}),
        json.dumps({"events": [typical(properties={"a": {"b": {"c": [1]}}})]}),
        json.dumps({"events": [typical(properties={"a": "ä" * 3_000})]}),
        json.dumps({"events": [typical(properties=None)]}),
        json.dumps({"events": [typical(of_mine=1)]}),
    ],
)
def test_what_is_only_unusual_is_good_all_the_same(usual: str) -> None:
    read = plain.read_batch(usual.encode(), received_at=NOW)
    assert [event.index for event in read.events] == [0]
    assert not read.rejected


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", Unreadable),
        (b"[]", Unreadable),
        (b'{"events": 1}', Unreadable),
        (json.dumps({"events": [typical()] * 1_001}).encode(), TooLarge),
        (b'{"events": []}' + b" " * 4 * 1024 * 1024, TooLarge),
    ],
)
def test_what_cannot_be_read_at_all_is_said_to_be_so(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        plain.read_batch(body, received_at=NOW)
