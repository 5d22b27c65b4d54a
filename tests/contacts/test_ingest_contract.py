"""What API.md says of pushing facts, sentence by sentence, where no other test says it."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from config.web.models import KeptAnswer
from contacts.enums import SourceKind
from contacts.models import Contact, Event, Kind
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


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("most", "more", "code"),
    [
        ({"x": "é" * 4096}, {"x": "é" * 4096 + "x"}, "string_too_long"),
        ({"x": [0] * 1000}, {"x": [0] * 1001}, "too_many_items"),
        ({f"k{n}": n for n in range(300)}, {f"k{n}": n for n in range(301)}, "too_many_properties"),
        ({"k" * 255: 1}, {"k" * 256: 1}, "key_too_long"),
        ({"x": nested(18)}, {"x": nested(19)}, "too_deep"),
        ({"x": 2**63 - 1}, {"x": 2**63}, "invalid_number"),
        ({"x": -(2**63)}, {"x": -(2**63) - 1}, "invalid_number"),
        ({f"k{n}": "x" * 8000 for n in range(4)}, {f"k{n}": "x" * 8190 for n in range(4)}, "event_too_large"),
    ],
)
def test_each_limit_lets_through_what_just_fits(key: str, most: Any, more: Any, code: str) -> None:
    answer = post({"events": [make_event(properties=most), make_event(properties=more)]}, key).json()
    assert (answer["accepted"], [item["code"] for item in answer["rejected"]]) == (1, [code])


def test_a_batch_holds_a_thousand_events_and_four_megabytes(key: str) -> None:
    assert post({"events": [{}] * 1000}, key).status_code == 200
    assert post({"events": [{}] * 1001}, key).status_code == 413
    body = json.dumps({"events": []}).encode()
    room = 4 * 1024 * 1024 - len(body)
    assert post(body + b" " * room, key).status_code == 200
    assert post(body + b" " * (room + 1), key).status_code == 413


@pytest.mark.parametrize(
    "value",
    ["null", "undefined", "anonymous", "guest", "nan", "none", "true", "0", "-1", "[object Object]", "", " NULL ", 0,
     -1, True, "00000000-0000-0000-0000-000000000000"],
)  # fmt: skip
def test_what_names_nobody_is_refused_as_identity(key: str, value: Any) -> None:
    for name in ("external_id", "anonymous_id"):
        answer = post(make_event(contact={name: value}), key).json()
        assert [item["code"] for item in answer["rejected"]] == ["illegal_identifier"], (name, value)
    beside = post(make_event(contact={"external_id": value, "email": "ann@acme.com"}), key).json()
    assert (beside["accepted"], [item["code"] for item in beside["warnings"]]) == (1, ["illegal_identifier"])
    assert Contact.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        (timedelta(minutes=59), ""),
        (timedelta(minutes=61), "time_in_future"),
        ("1999-12-31T23:59:59Z", "time_too_early"),
        ("last Tuesday", "time_unreadable"),
        (1764000000, "time_unreadable"),
        (None, ""),
    ],
)
def test_times_that_cannot_be_are_the_arrival(key: str, given: Any, warning: str) -> None:
    at = (datetime.now(UTC) + given).isoformat() if isinstance(given, timedelta) else given
    answer = post(make_event(occurred_at=at), key).json()
    assert answer["accepted"] == 1
    assert [item["code"] for item in answer["warnings"]] == ([warning] if warning else [])
    event = Event.objects.get()
    assert event.occurred_at == event.received_at


def test_a_time_without_an_offset_is_utc(key: str) -> None:
    post(make_event(occurred_at="2026-11-01T10:00:00"), key)
    assert Event.objects.get().occurred_at == datetime(2026, 11, 1, 10, tzinfo=UTC)


def test_unknown_kinds_are_kept_up_to_two_hundred_a_source(key: str) -> None:
    answer = post({"events": [make_event(f"kind_{n}") for n in range(205)]}, key).json()
    assert answer["accepted"] == 200
    assert {item["code"] for item in answer["rejected"]} == {"too_many_kinds"}
    assert Kind.objects.filter(introduced_by__isnull=False).count() == 200
    assert post({"events": [make_event("kind_5"), make_event("kind_new")]}, key).json()["accepted"] == 1
    assert post(make_event("kind_new"), make_source()[1]).json()["accepted"] == 1


@pytest.mark.parametrize(
    "kind",
    ["handoff_claimed", "handoff_accepted", "handoff_returned", "handoff_expired", "handoff_withdrawn", "stage_pinned",
     "stage_unpinned", "converted"],
)  # fmt: skip
def test_what_ripen_records_itself_is_refused_from_everybody(key: str, kind: str) -> None:
    for caller in (key, make_token(make_user("admin"))):
        answer = post(make_event(kind), caller).json()
        assert [item["code"] for item in answer["rejected"]] == ["reserved_kind"]


def test_read_only_traits_are_refused(key: str) -> None:
    for name in ("owner", "consent", "stage", "scores", "source", "id"):
        answer = post(make_event(traits={name: "x"}), key).json()
        assert [(item["code"], item["field"]) for item in answer["rejected"]] == [("read_only", f"traits.{name}")]


def test_browsers_may_ask_first_and_read_the_answer() -> None:
    key = make_source(kind=SourceKind.PUBLIC, scopes=["events:write"])[1]
    asked = Client().options(
        URL,
        headers={
            "origin": "https://shop.test",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type, idempotency-key",
        },
    )
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in asked.headers
    assert asked.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert asked.headers["Access-Control-Allow-Headers"] == "authorization, content-type, idempotency-key"
    for body, headers, status in (
        (make_event(), {}, 200),
        (make_event(), {"idempotency-key": "one"}, 200),
        (make_event(), {"idempotency-key": "one"}, 422),
        (b"{", {}, 400),
    ):
        answer = post(body, key, origin="https://shop.test", **headers)
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert post({}, "wrong", origin="https://shop.test").headers["Access-Control-Allow-Origin"] == "*"
    for path in ("/batch/", "/capture/", "/v1/t"):
        assert Client().options(path, headers={"origin": "https://shop.test"}).status_code == 204


def test_nothing_else_is_open_to_other_origins(key: str) -> None:
    headers = {"origin": "https://shop.test", "authorization": f"Bearer {key}"}
    for path in (URL, "/api/v1/contacts/"):
        assert "Access-Control-Allow-Origin" not in Client().get(path, headers=headers).headers
    answer = Client().post("/api/v1/contacts/", "{}", content_type="application/json", headers=headers)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Access-Control-Allow-Origin" not in Client().options("/api/v1/contacts/", headers=headers).headers


def test_a_key_that_is_sent_again_gets_the_first_answer(key: str) -> None:
    body = {"events": [make_event(), {"message_id": "bad"}]}
    first = post(body, key, **{"idempotency-key": "k"})
    again = post(body, key, **{"idempotency-key": "k"})
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["accepted"] == 1, "the first answer, not a duplicate"
    assert Event.objects.count() == 1
    other = post({"events": [make_event()]}, key, **{"idempotency-key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert post(body, key, f"{URL}?dry_run=1", **{"idempotency-key": "k"}).status_code == 422
    assert post(body, make_source()[1], **{"idempotency-key": "k"}).status_code == 200, "keys are their caller's"
    assert Event.objects.count() == 2


@pytest.mark.usefixtures("forgotten_shares")
def test_an_answer_that_says_not_now_is_not_kept(key: str, settings: Any) -> None:
    settings.INGEST_EVENTS_A_SECOND = 1
    body = {"events": [make_event()]}
    assert post({"events": [{}] * 1000}, key).status_code == 200
    assert post(body, key, **{"idempotency-key": "k"}).status_code == 429
    assert not KeptAnswer.objects.exists()
    settings.INGEST_EVENTS_A_SECOND = 0
    assert post(body, key, **{"idempotency-key": "k"}).json()["accepted"] == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_requests_in_flight_with_one_key_store_once_and_say_the_same() -> None:
    key = make_source()[1]
    body = {"events": [make_event() for _ in range(50)]}
    answers: list[Any] = []
    together = threading.Barrier(4)

    def send() -> None:
        try:
            together.wait()
            answers.append(post(body, key, **{"idempotency-key": "in flight"}))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sorted("Idempotency-Replayed" in answer.headers for answer in answers) == [False, True, True, True]
    assert answers[0].json()["accepted"] == 50
    assert Event.objects.count() == 50
