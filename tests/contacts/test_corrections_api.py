"""POST /api/v1/events/retract/, /restore/ and /reclassify/ over HTTP."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import SourceKind
from contacts.keys import hash_key
from contacts.models import Event, EventCorrection, Source
from contacts.services.record import internal_source, record_fact
from tests.factories import make_event, make_source, make_token, make_user, record

pytestmark = pytest.mark.django_db

URL = "/api/v1/events/"


def post(path: str, body: Any, key: str, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post(
        f"{URL}{path}/", data, content_type="application/json", headers={"authorization": f"Bearer {key}", **headers}
    )


@pytest.fixture
def key() -> str:
    return make_source()[1]


def events(count: int = 1) -> list[Event]:
    payloads = [make_event("email_clicked") for _ in range(count)]
    record(*payloads)
    return list(Event.objects.filter(message_id__in=[payload["message_id"] for payload in payloads]).order_by("id"))


def test_each_event_gets_its_answer(key: str) -> None:
    one, two = events(2)
    record_fact(contact_id=one.contact_id, kind="handoff_returned", by=None, occurred_at=one.occurred_at, system=True)
    fact = Event.objects.get(source=internal_source())
    ids = [str(one.pk), two.pk, str(two.pk), str(fact.pk), "999999999", "no id", None, {}, True, "0", -1, 10**30]
    answer = post("retract", {"events": ids, "reason": "test form"}, key)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["accepted"], body["unchanged"]) == (2, 1)
    assert [(row["index"], row["code"], row["field"]) for row in body["rejected"]] == [
        (3, "reserved_kind", "events.3"),
        *((index, "unknown_event", f"events.{index}") for index in range(4, 12)),
    ]
    assert body["rejected"][0]["id"] == str(fact.pk)
    assert all(row["message"] for row in body["rejected"])
    again = post("retract", {"events": [str(one.pk)]}, key).json()
    assert again == {"accepted": 0, "unchanged": 1, "rejected": []}
    kept = EventCorrection.objects.filter(event=one).get()
    assert (kept.reason, kept.source, kept.corrected_by) == (
        "test form",
        Source.objects.get(key_hash=hash_key(key)),
        None,
    )


def test_marks_are_shown_where_events_are_listed(key: str) -> None:
    (event,) = events()
    headers = {"authorization": f"Bearer {key}"}

    def marks() -> tuple[str, bool]:
        (row,) = Client().get(URL, headers=headers).json()["results"]
        return row["suspect_reason"], row["retracted_at"] is not None

    ids = [str(event.pk)]
    post("reclassify", {"events": ids, "reason": "bot: scanner"}, key)
    assert marks() == ("bot: scanner", False)
    post("retract", {"events": ids}, key)
    assert marks() == ("bot: scanner", True)
    post("restore", {"events": ids}, key)
    post("reclassify", {"events": ids, "reason": ""}, key)
    assert marks() == ("", False)


def test_who_may() -> None:
    (event,) = events()
    body = {"events": [str(event.pk)], "reason": "a mistake"}
    for path in ("retract", "restore", "reclassify"):
        assert post(path, body, "rpn_src_wrong").status_code == 401
        assert post(path, body, make_source(scopes=["contacts:read"])[1]).json()["code"] == "missing_scope"
        public = post(path, body, make_source(kind=SourceKind.PUBLIC)[1])
        assert (public.status_code, public.json()["code"]) == (403, "not_allowed")
        assert post(path, body, make_token(make_user("rep"))).status_code == 403
    mara = make_user("marketer")
    assert post("retract", body, make_token(mara)).json()["accepted"] == 1
    assert EventCorrection.objects.get().corrected_by == mara


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("retract", b"{", 400, None),
        ("retract", b"[]", 400, None),
        ("retract", {}, 400, "events"),
        ("retract", {"events": "5"}, 400, "events"),
        ("retract", {"events": [], "why": "x"}, 400, "why"),
        ("retract", {"events": [], "reason": 5}, 400, "reason"),
        ("retract", {"events": [], "reason": "x" * 301}, 400, "reason"),
        ("restore", {"events": [], "reason": "nul \0"}, 400, "reason"),
        ("reclassify", {"events": []}, 400, "reason"),
        ("reclassify", {"events": [], "reason": None}, 400, "reason"),
        ("reclassify", {"events": [], "reason": "x" * 101}, 400, "reason"),
        ("reclassify", {"events": ["1"] * 1_001, "reason": "bot"}, 413, None),
        ("retract", b'{"events": [], "reason": "\\ud800"}', 400, None),
        ("retract", b"[" * 100_000, 400, None),
    ],
)
def test_a_body_that_says_nothing_is_refused(key: str, path: str, body: Any, status: int, field: str | None) -> None:
    answer = post(path, body, key)
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "fields"}
    assert list(answer.json()["fields"]) == ([field] if field else [])


def test_an_unknown_parameter_is_refused(key: str) -> None:
    answer = Client().post(
        f"{URL}retract/?dry=1",
        {"events": []},
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


def test_the_same_request_again_gets_the_same_answer(key: str) -> None:
    (event,) = events()
    body = {"events": [str(event.pk)], "reason": "a mistake"}
    first = post("retract", body, key, **{"idempotency-key": "k"})
    again = post("retract", body, key, **{"idempotency-key": "k"})
    assert first.json() == again.json() == {"accepted": 1, "unchanged": 0, "rejected": []}
    assert EventCorrection.objects.count() == 1


def test_the_number_of_queries_does_not_depend_on_the_number_of_events(key: str) -> None:
    def queries(count: int) -> int:
        ids = [str(event.pk) for event in events(count)]
        with CaptureQueriesContext(connection) as captured:
            assert post("retract", {"events": ids}, key).json()["accepted"] == count
        return len(captured)

    queries(1)
    assert queries(1) == queries(3)
