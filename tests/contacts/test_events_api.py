"""POST and GET /api/v1/events/ over HTTP."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.models import Contact, Event, Source
from tests.factories import make_event, make_source, make_token, make_user

pytestmark = pytest.mark.django_db

URL = "/api/v1/events/"


def post(body: Any, key: str, url: str = URL, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post(
        url, data, content_type="application/json", headers={"authorization": f"Bearer {key}", **headers}
    )


@pytest.fixture
def key() -> str:
    return make_source()[1]


def test_one_bare_event(key: str) -> None:
    answer = post(make_event(), key)
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "warnings": []}


def test_a_batch_of_500_with_20_bad_ones_stores_480(key: str) -> None:
    events = [make_event() for _ in range(500)]
    bad: dict[int, tuple[Any, str, str]] = {
        3: ({"kind": None}, "required", "kind"),
        20: ({"kind": "Demo requested"}, "invalid_kind", "kind"),
        21: ({"kind": "handoff_claimed"}, "reserved_kind", "kind"),
        50: ({"message_id": ""}, "required", "message_id"),
        51: ({"message_id": "x" * 256}, "too_long", "message_id"),
        52: ({"message_id": 5}, "invalid_type", "message_id"),
        99: ({"contact": {"email": "not an address"}}, "invalid_email", "contact.email"),
        100: ({"contact": {"external_id": "undefined"}}, "illegal_identifier", "contact.external_id"),
        101: ({"contact": {}}, "missing_identity", "contact"),
        102: ({"contact": {"id": "987654321"}}, "unknown_contact", "contact.id"),
        103: ({"contact": "ann"}, "invalid_type", "contact"),
        150: ({"traits": {"stage": "customer"}}, "read_only", "traits.stage"),
        151: ({"traits": {"means": "perhaps"}}, "invalid_choice", "traits.means"),
        152: ({"traits": {"first_name": "x" * 151}}, "too_long", "traits.first_name"),
        200: ({"properties": {"a": "x" * 8193}}, "string_too_long", "properties.a"),
        201: ({"properties": {"a": "nul \0"}}, "invalid_text", "properties.a"),
        202: ({"properties": {"a": list(range(1001))}}, "too_many_items", "properties.a"),
        203: ({"properties": {str(n): 1 for n in range(301)}}, "too_many_properties", "properties"),
        204: ({"properties": {f"key {n}": "x" * 4000 for n in range(9)}}, "event_too_large", ""),
        499: ({"properties": []}, "invalid_type", "properties"),
    }
    for index, (change, _, _) in bad.items():
        events[index] |= change
    answer = post({"events": events}, key)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["accepted"], body["duplicates"]) == (480, 0)
    assert [(r["index"], r["code"], r["field"]) for r in body["rejected"]] == [
        (index, code, field) for index, (_, code, field) in bad.items()
    ]
    assert all(r["message"] for r in body["rejected"])
    assert Event.objects.count() == 480


@pytest.mark.parametrize(
    ("value", "code", "field"),
    [
        ("NaN", "invalid_number", "properties.x"),
        ("-Infinity", "invalid_number", "properties.x"),
        ("1e999", "invalid_number", "properties.x"),
        ("9223372036854775808", "invalid_number", "properties.x"),
        ("1" * 5000, "invalid_number", "properties.x"),
        ('"\\ud800"', "invalid_text", "properties.x"),
        ('{"\\ud800": 1}', "invalid_text", "properties.x"),
        ('"\\u0000"', "invalid_text", "properties.x"),
        ('{"\\u0000": 1}', "invalid_text", "properties.x"),
        ("[" * 30 + "]" * 30, "too_deep", "properties.x" + ".0" * 18),
        ("[" * 100_000 + "]" * 100_000, "too_deep", "properties.x" + ".0" * 18),
        ('{"a":' * 30 + "1" + "}" * 30, "too_deep", "properties.x" + ".a" * 18),
        ('{"' + "k" * 256 + '": 1}', "key_too_long", "properties.x." + "k" * 40 + "…"),
    ],
)
def test_what_json_or_the_database_cannot_hold_is_that_events_fault(
    key: str, value: str, code: str, field: str
) -> None:
    good = json.dumps(make_event())
    bad = '{"message_id": "bad", "kind": "form_submitted", "contact": {"email": "a@b.com"}, "properties": {"x": %s}}'
    answer = post(f'{{"events": [{good}, {bad % value}, {json.dumps(make_event())}]}}'.encode(), key)
    assert answer.status_code == 200
    body = answer.json()
    assert body["accepted"] == 2
    assert [(r["index"], r["message_id"], r["code"], r["field"]) for r in body["rejected"]] == [(1, "bad", code, field)]


def test_the_largest_integers_are_stored(key: str) -> None:
    post(make_event(properties={"most": 2**63 - 1, "least": -(2**63)}), key)
    assert Event.objects.get().properties == {"most": 2**63 - 1, "least": -(2**63)}


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[]", b"5", b'{"events": {}}', b"\xff\xfe", b"[" * 100_000])
def test_an_unreadable_body_is_400(key: str, body: bytes) -> None:
    answer = post(body, key)
    assert answer.status_code == 400
    assert answer.json()["code"] == "unreadable"
    assert set(answer.json()) == {"code", "message", "fields"}


def test_bytes_that_are_no_utf_8_are_that_events_fault(key: str) -> None:
    event = json.dumps(make_event(properties={"a": "HERE"})).encode().replace(b"HERE", b"\xff\xfe")
    answer = post(b'{"events": [' + event + b"," + json.dumps(make_event()).encode() + b"]}", key)
    assert answer.json()["accepted"] == 1
    assert [(r["code"], r["field"]) for r in answer.json()["rejected"]] == [("invalid_text", "properties.a")]


def test_limits_of_a_batch_are_413(key: str) -> None:
    assert post({"events": [{}] * 1001}, key).status_code == 413
    assert post(b" " * (4 * 1024 * 1024 + 1), key).status_code == 413
    assert post(b" " * (9 * 1024 * 1024), key).status_code == 413


def test_gzip_and_a_gzip_bomb(key: str) -> None:
    packed = gzip.compress(json.dumps(make_event()).encode())
    assert post(packed, key, **{"content-encoding": "gzip"}).json()["accepted"] == 1
    bomb = gzip.compress(b" " * 50_000_000)
    assert post(bomb, key, **{"content-encoding": "gzip"}).status_code == 413
    assert post(packed[:-10], key, **{"content-encoding": "gzip"}).status_code == 400
    assert post(packed, key, **{"content-encoding": "br"}).status_code == 415


def test_who_may(key: str) -> None:
    reader = make_source(scopes=["contacts:read"])[1]
    event = make_event()
    assert post(event, "rpn_src_wrong").status_code == 401
    assert post(event, "rpn_src_wrong").json()["code"] == "invalid_key"
    assert Client().post(URL, event, content_type="application/json").status_code == 401
    assert post(event, reader).status_code == 403
    assert post(event, reader).json()["code"] == "missing_scope"
    assert post(event, make_token(make_user("rep"))).status_code == 403
    assert post(event, make_token(make_user("marketer"))).status_code == 200
    assert Event.objects.get().recorded_by is not None
    Source.objects.filter(name__startswith="source").update(revoked_at=datetime.now(UTC))
    assert post(event, key).status_code == 401


def test_a_session_needs_the_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("marketer"))
    assert client.post(URL, make_event(), content_type="application/json").status_code == 403
    client.cookies["csrftoken"] = "a" * 32
    answer = client.post(URL, make_event(), content_type="application/json", headers={"x-csrftoken": "a" * 32})
    assert answer.status_code == 200


def test_strict_and_dry_run(key: str) -> None:
    good, bad = make_event(), make_event(kind="converted")
    answer = post({"events": [good, bad]}, key, URL + "?strict=1")
    assert answer.status_code == 422
    assert answer.json()["code"] == "events_rejected"
    assert [r["index"] for r in answer.json()["rejected"]] == [1]
    assert not Event.objects.exists()
    answer = post({"events": [good, bad]}, key, URL + "?dry_run=1")
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert not Event.objects.exists()
    assert not Contact.objects.exists()
    assert post(good, key, URL + "?strict=1").json()["accepted"] == 1
    assert post(good, key, URL + "?strickt=1").json()["code"] == "unknown_parameter"
    assert post(good, key, URL + "?strict=perhaps").status_code == 400


def test_times(key: str) -> None:
    now = datetime.now(UTC)
    times = {
        "ahead": (now + timedelta(minutes=30)).isoformat(),
        "far ahead": (now + timedelta(hours=2)).isoformat(),
        "early": "1999-12-31T23:59:59Z",
        "odd": "yesterday",
        "number": 1700000000,
        "naive": "2024-02-29T12:00:00",
        "offset": "2024-02-29T12:00:00+02:00",
    }
    body = {"events": [make_event(message_id=name, occurred_at=value) for name, value in times.items()]}
    answer = post(body, key).json()
    assert answer["accepted"] == len(times)
    assert [(w["message_id"], w["code"]) for w in answer["warnings"]] == [
        ("far ahead", "time_in_future"), ("early", "time_too_early"), ("odd", "time_unreadable"),
        ("number", "time_unreadable"),
    ]  # fmt: skip
    stored = {event.message_id: event for event in Event.objects.all()}
    for name in ("ahead", "far ahead", "early", "odd", "number"):
        assert stored[name].occurred_at == stored[name].received_at
    assert stored["naive"].occurred_at == datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert stored["offset"].occurred_at == datetime(2024, 2, 29, 10, tzinfo=UTC)


def test_events_are_listed_with_a_fixed_number_of_queries(key: str) -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = Client().get(URL, headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 200
        return len(queries)

    post(make_event(), key)
    with_one = count()
    post({"events": [make_event(), make_event()]}, key)
    assert count() == with_one


def test_the_list_is_paged_and_filtered(key: str) -> None:
    for number in range(5):
        post(make_event("demo_requested", message_id=str(number)), key)
    post({"events": [make_event("page_viewed")]}, key)

    def get(url: str) -> Any:
        return Client().get(url, headers={"authorization": f"Bearer {key}"})

    seen: list[str] = []
    url = URL + "?kind=demo_requested&limit=2"
    while url:
        page = get(url).json()
        assert set(page) == {"results", "next"}
        seen += [event["message_id"] for event in page["results"]]
        url = page["next"]
    assert seen == ["4", "3", "2", "1", "0"]
    assert get(URL + "?knid=x").json()["code"] == "unknown_parameter"
    assert get(URL + "?cursor=x").json()["code"] == "invalid_cursor"
    assert get(URL + "?limit=0").status_code == 400
    assert get(URL + "?since=nonsense").status_code == 400
    assert get(URL + "?source=%00").status_code == 400


def test_other_methods_and_addresses_answer_in_the_one_shape(key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    answers = [
        Client().put(URL, headers=headers),
        Client().delete(URL, headers=headers),
        Client().get("/api/v1/nothing/", headers=headers),
        Client().get("/api/v1/contacts/no-such/", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [405, 405, 404, 404]
    assert [answer.json()["code"] for answer in answers] == [
        "method_not_allowed", "method_not_allowed", "not_found", "not_found"
    ]  # fmt: skip
    assert all(set(answer.json()) == {"code", "message", "fields"} for answer in answers)
