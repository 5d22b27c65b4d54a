"""The worst that a sender can send: never a 5xx, and the good neighbours of what is bad are stored."""

import gzip
import http.client
import json
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contacts.models import Event, RejectedMessage
from tests.contacts.test_ingest_properties import values
from tests.factories import make_event, make_source
from tests.running_app import RunningApp

pytestmark = pytest.mark.django_db
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
ADDRESSES = ["/api/v1/events/", "/v1/batch", "/v1/t", "/v1/identify", "/batch/", "/capture/", "/e/"]
BOMB = gzip.compress(b" " * 50_000_000, mtime=0)


def post(url: str, body: bytes, key: str, **headers: str) -> Any:
    # A client that raises would hide the answer that the caller gets.
    client = Client(raise_request_exception=False)
    return client.generic(
        "POST", url, body, content_type="application/json", headers={"authorization": f"Bearer {key}", **headers}
    )


def check(answer: Any) -> None:
    assert answer.status_code < 500, answer.content
    body = answer.json()
    if answer.status_code >= 400:
        assert {"code", "message", "fields"} <= set(body), body


@pytest.mark.parametrize("url", ADDRESSES)
@few
@given(values)
@example([])
@example({"batch": {}, "events": {}})
@example({"type": "track", "event": {}, "distinct_id": [], "properties": 5, "api_key": ["x"]})
def test_any_document_as_a_body(url: str, document: Any) -> None:
    check(post(url, json.dumps(document).encode(), make_source()[1]))


@few
@given(values, st.sampled_from(["properties", "traits", "contact", "occurred_at", "kind", "message_id"]))
def test_any_value_in_any_place_of_a_native_event(value: Any, place: str) -> None:
    key = make_source()[1]
    before, after = make_event(), make_event()
    bad = {**make_event(), place: value}
    answer = post("/api/v1/events/", json.dumps({"events": [before, bad, after]}).encode(), key)
    assert answer.status_code == 200
    stored = set(
        Event.objects.filter(message_id__in=[before["message_id"], after["message_id"]]).values_list("message_id")
    )
    assert len(stored) == 2


@few
@given(
    values, st.sampled_from(["properties", "$set", "distinct_id", "timestamp", "event", "uuid", "offset", "sent_at"])
)
def test_any_value_in_any_place_of_a_posthog_event(value: Any, place: str) -> None:
    source, key = make_source()
    good = [{"event": "Purchased", "distinct_id": f"u{n}", "uuid": f"good {n}"} for n in (1, 2)]
    bad = {"event": "Purchased", "distinct_id": "u3", "uuid": "bad", place: value}
    body = {"batch": [good[0], bad, good[1]], "sent_at": value if place == "sent_at" else None}
    answer = post("/batch/", json.dumps(body).encode(), key)
    assert answer.status_code == 200
    assert Event.objects.filter(source=source, message_id__startswith="good").count() == 2


HORRORS = {
    "NUL": '"\\u0000"',
    "a NUL in a key": '{"\\u0000": 1}',
    "a lone surrogate": '"\\ud800"',
    "a lone surrogate in a key": '{"\\udfff": 1}',
    "depth 100,000": "[" * 100_000 + "]" * 100_000,
    "objects 100,000 deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a number of 5,000 digits": "9" * 5_000,
    "a fraction of 5,000 digits": "0." + "9" * 5_000,
    "an exponent of 5,000 digits": "1e" + "9" * 5_000,
    "NaN": "NaN",
    "minus infinity": "-Infinity",
    "10,000 keys": json.dumps({str(n): n for n in range(10_000)}),
    "a string of 30 KB": '"' + "x" * 30_000 + '"',
    "a thousand objects": json.dumps([{}] * 1_001),
}


@pytest.mark.parametrize("name", HORRORS)
@pytest.mark.parametrize("url", ["/api/v1/events/", "/v1/batch", "/batch/"])
def test_a_horror_is_its_own_events_fault(url: str, name: str) -> None:
    key = make_source()[1]
    shapes = {
        "/api/v1/events/": ("events", '{"message_id": "%s", "kind": "purchased", "contact": {"external_id": "u"}%s}'),
        "/v1/batch": ("batch", '{"messageId": "%s", "type": "track", "event": "Purchased", "userId": "u"%s}'),
        "/batch/": ("batch", '{"uuid": "%s", "event": "Purchased", "distinct_id": "u"%s}'),
    }
    holder, shape = shapes[url]
    bad = shape % ("bad", f', "properties": {{"x": {HORRORS[name]}}}')
    answer = post(url, f'{{"{holder}": [{shape % ("one", "")}, {bad}, {shape % ("two", "")}]}}'.encode(), key)
    assert answer.status_code == 200, answer.content
    stored = set(Event.objects.values_list("message_id", flat=True))
    assert {"one", "two"} <= stored
    if name != "a fraction of 5,000 digits":
        assert stored == {"one", "two"}
        rejected = answer.json()["rejected"]
        assert [item["index"] for item in rejected] == [1]
        assert rejected[0]["field"].startswith("properties")
        assert RejectedMessage.objects.get().message_id == "bad"


def test_of_keys_that_come_twice_the_last_holds() -> None:
    key = make_source()[1]
    body = b'{"message_id": "m", "kind": "purchased", "kind": "refunded", "contact": {"external_id": "u"}}'
    assert post("/api/v1/events/", body, key).json()["accepted"] == 1
    assert Event.objects.get().kind.name == "refunded"


@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize(
    ("body", "headers", "statuses"),
    [
        (BOMB, {"content-encoding": "gzip"}, {413}),
        (gzip.compress(BOMB, mtime=0), {"content-encoding": "gzip"}, {400, 413}),
        (gzip.compress(b"{}", mtime=0)[:-4], {"content-encoding": "gzip"}, {400}),
        (b"\x1f\x8b" + b"x" * 50, {"content-encoding": "gzip"}, {400}),
        (zlib.compress(b"{}"), {"content-encoding": "deflate"}, {415}),
        (b"{}", {"content-encoding": "br"}, {415}),
        (b"{}", {"content-encoding": "gzip, gzip"}, {415}),
        (b" " * (4 * 1024 * 1024 + 1), {}, {413}),
        (b"\xff\xfe{\x00}\x00", {}, {400}),
        (b"\xef\xbb\xbf[]", {}, {200, 400}),
        (b"[" * 3_000_000, {}, {400}),
        (b'"' + b"\\" * 1_000_001, {}, {400}),
        (b"", {}, {400}),
        (b"\0", {}, {400}),
    ],
    ids=lambda value: None if isinstance(value, set) else str(value)[:30],
)
def test_bodies_packed_wrongly(url: str, body: bytes, headers: dict[str, str], statuses: set[int]) -> None:
    answer = post(url, body, make_source()[1], **headers)
    check(answer)
    assert answer.status_code in statuses, answer.content


def test_unpacked_by_a_proxy_that_left_the_header() -> None:
    answer = post("/v1/t", b'{"event": "Purchased", "userId": "u"}', make_source()[1], **{"content-encoding": "gzip"})
    assert answer.json()["accepted"] == 1


def raw(app: RunningApp, request: bytes) -> int:
    """The status of a request written byte by byte; 0 where the server hangs up without one."""
    place = urlsplit(app.base_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    connection.connect()
    try:
        connection.sock.sendall(request)
        connection.sock.shutdown(1)
        answer = connection.sock.recv(4_096)
        return int(answer.split(b" ", 2)[1]) if answer else 0
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/api/v1/events/", "/v1/batch", "/batch/"])
def test_lengths_that_are_wrong(running_app: RunningApp, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer nobody\r\n".encode()
    body = b'{"events": []}'
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert raw(running_app, head + b"Content-Length: 14\r\n\r\n" + body) == 401
    assert raw(running_app, chunked + whole) == 401
    for request in (
        head + b"Content-Length: 9000\r\n\r\n" + body,
        head + b"Content-Length: -5\r\n\r\n" + body,
        head + b"Content-Length: many\r\n\r\n" + body,
        head + b"Content-Length: 3\r\n\r\n" + body,
        head + b"\r\n" + body,
        chunked + b"zz\r\n" + body,
        chunked + b"ffffff\r\n" + body,
        head + b"Content-Length: 14\r\nTransfer-Encoding: chunked\r\n\r\n" + body,
    ):
        assert raw(running_app, request) in {0, 400, 401, 413}, request
    assert running_app.status("/healthz") == 200
