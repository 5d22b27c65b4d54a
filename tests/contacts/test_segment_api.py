"""The Segment-compatible addresses."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from contacts.models import AttributeChange, Company, Contact, Event, Identity, MergeSuggestion, Message, Source
from tests.factories import make_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> tuple[Source, str]:
    return make_source()


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def send(
    url: str, body: Any, headers: dict[str, str], content_type: str = "application/json", *, status: int = 200
) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Client().post(url, data, content_type=content_type, headers=headers)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_batch(source: tuple[Source, str]) -> None:
    body = {
        "batch": [
            {
                "type": "identify", "userId": "u1", "messageId": "m1", "anonymousId": "a1",
                "traits": {
                    "firstName": "Ann", "lastName": "Lee", "title": "Head of Operations", "email": "Ann@Acme.com",
                    "phone": "+49 30 1", "company": {"name": "Acme", "employee_count": "200", "industry": "software"},
                    "address": {"country": "DE", "city": "Berlin"}, "id": "u1", "plan": "pro",
                },
            },
            {"type": "track", "userId": "u1", "event": "Demo Requested", "messageId": "m2", "properties": {"a": 1}},
            {"type": "page", "anonymousId": "a1", "messageId": "m3", "name": "Pricing",
             "context": {"page": {"url": "https://us.test/pricing"}}},
            {"type": "group", "userId": "u1", "groupId": "g1", "messageId": "m4",
             "traits": {"name": "Acme", "website": "https://acme.com"}},
        ],
        "sentAt": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    answer = send("/v1/batch", body, basic(source[1]))
    assert {**answer, "warnings": None} == {
        "success": True, "accepted": 4, "duplicates": 0, "rejected": [], "warnings": None,
    }  # fmt: skip
    assert [(w["code"], w["field"]) for w in answer["warnings"]] == [("read_only", "traits.id")]
    contact = Contact.objects.select_related("company").get()
    assert (contact.first_name, contact.last_name, contact.job_title) == ("Ann", "Lee", "Head of Operations")
    assert (contact.email, contact.phone, contact.country) == ("ann@acme.com", "+49 30 1", "DE")
    assert contact.attributes == {"plan": "pro", "address_city": "Berlin"}
    assert contact.company is not None
    company = contact.company
    assert (company.name, company.domain, company.employees, company.industry) == ("Acme", "acme.com", 200, "software")
    assert set(Identity.objects.values_list("kind", "value")) == {
        ("external_id", "u1"), ("anonymous_id", "a1"), ("email", "ann@acme.com"),
    }  # fmt: skip
    events = {event.kind.name: event for event in Event.objects.select_related("kind")}
    assert set(events) == {"demo_requested", "page_viewed"}
    assert events["demo_requested"].properties == {"a": 1}
    assert events["page_viewed"].properties == {"url": "https://us.test/pricing", "name": "Pricing"}
    assert Message.objects.count() == 2

    again = send("/v1/batch", body, basic(source[1]))
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, 4, [])
    assert Event.objects.count() == 2


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/v1/track", {"event": "Purchased", "userId": "u", "messageId": "m"}),
        ("/v1/track/", {"event": "Purchased", "userId": "u", "messageId": "m"}),
        ("/v1/t", {"event": "Purchased", "userId": 17, "messageId": "m"}),
        ("/v1/p", {"anonymousId": "x", "messageId": "m"}),
        ("/v1/screen", {"anonymousId": "x", "name": "Home"}),
        ("/v1/i", {"userId": "u", "traits": {"email": "a@b.com"}}),
        ("/v1/group", {"userId": "u", "groupId": "Acme"}),
        ("/v1/a/", {"userId": "u", "previousId": "x"}),
        ("/v1/b", {"batch": [{"type": "page", "anonymousId": "x"}]}),
        ("/v1/import", {"batch": [{"type": "page", "anonymousId": "x"}]}),
    ],
)
def test_every_address_and_every_way_to_carry_the_key(source: tuple[Source, str], url: str, body: Any) -> None:
    key = source[1]
    assert send(url, body, basic(key))["accepted"] == 1
    assert send(url, body, {"authorization": f"Bearer {key}"})["duplicates"] == 1
    assert send(url, {**body, "writeKey": key}, {}, "text/plain")["duplicates"] == 1
    packed = gzip.compress(json.dumps(body).encode())
    headers = {**basic(key), "content-encoding": "gzip"}
    assert send(url, packed, headers, "application/x-www-form-urlencoded")["duplicates"] == 1


def test_errors_are_json(source: tuple[Source, str]) -> None:
    assert send("/v1/batch", {"batch": []}, {}, status=401)["code"] == "not_authenticated"
    assert send("/v1/batch", {"batch": []}, basic("wrong"), status=401)["code"] == "invalid_key"
    assert send("/v1/batch", {"batch": []}, {"authorization": "Basic !"}, status=401)["code"] == "invalid_key"
    assert send("/v1/batch", b"{", basic(source[1]), status=400)["code"] == "unreadable"
    assert send("/v1/batch", {"event": "x"}, basic(source[1]), status=400)["code"] == "unreadable"
    assert send("/v1/batch", {"batch": [{}] * 1001}, basic(source[1]), status=413)["code"] == "too_large"
    reader = make_source(scopes=["contacts:read"])[1]
    assert send("/v1/batch", {"batch": []}, basic(reader), status=403)["code"] == "missing_scope"
    assert Client().get("/v1/batch").status_code == 405


def test_a_bad_message_does_not_sink_its_neighbours(source: tuple[Source, str]) -> None:
    answer = send(
        "/v1/batch",
        {
            "batch": [
                {"type": "track", "userId": "u", "event": "  ", "messageId": "a"},
                {"type": "track", "userId": "null", "event": "Purchased", "messageId": "b"},
                {"type": "teleport", "userId": "u", "messageId": "c"},
                {"type": "identify", "userId": "u", "traits": {"email": "nonsense"}, "messageId": "d"},
                "text",
                {"type": "track", "userId": "undefined", "anonymousId": "x", "event": "Purchased", "messageId": "e"},
                {"type": "track", "userId": "u", "event": "デモ", "messageId": "f"},
            ]
        },
        basic(source[1]),
    )
    assert answer["success"] is True
    assert answer["accepted"] == 1
    assert [(r["index"], r["message_id"], r["code"], r["field"]) for r in answer["rejected"]] == [
        (0, "a", "required", "event"),
        (1, "b", "illegal_identifier", "userId"),
        (2, "c", "invalid_type", "type"),
        (3, "d", "invalid_email", "traits.email"),
        (4, "", "invalid_type", ""),
        (6, "f", "invalid_kind", "event"),
    ]
    assert Identity.objects.get().value == "x"


def test_browsers_may_ask_first(source: tuple[Source, str]) -> None:
    answer = Client().options(
        "/v1/t",
        headers={"origin": "https://shop.test", "access-control-request-headers": "authorization, content-type"},
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    answer = Client().post("/v1/t", b"{}", content_type="text/plain")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_names_are_mapped_by_the_source(source: tuple[Source, str]) -> None:
    source[0].kind_names = {"Order Completed": "purchased"}
    source[0].save()
    events = ["Order Completed", "Newsletter Subscribed", "demoRequested", "Purchased"]
    batch = [{"type": "track", "userId": "u", "event": event} for event in events]
    assert send("/v1/batch", {"batch": batch}, basic(source[1]))["accepted"] == 4
    assert sorted(Event.objects.values_list("kind__name", flat=True)) == [
        "demo_requested", "newsletter_subscribed", "purchased", "purchased",
    ]  # fmt: skip


def test_a_wrong_clock_is_corrected(source: tuple[Source, str]) -> None:
    now = datetime.now(UTC)
    off = timedelta(days=400)
    happened = now - timedelta(hours=3)
    message = {"type": "page", "userId": "u", "timestamp": (happened - off).isoformat(), "messageId": "m"}
    send("/v1/batch", {"batch": [message], "sentAt": (now - off).isoformat()}, basic(source[1]))
    event = Event.objects.get()
    assert abs(event.occurred_at - happened) < timedelta(seconds=10)
    # Sent again later, by the same wrong clock: still the same message.
    again = send("/v1/batch", {"batch": [message], "sentAt": (now - off / 2).isoformat()}, basic(source[1]))
    assert again["duplicates"] == 1


def test_an_alias_joins_an_id_nobody_knows_and_suggests_otherwise(source: tuple[Source, str]) -> None:
    headers = basic(source[1])
    send("/v1/page", {"anonymousId": "x"}, headers)
    send("/v1/alias", {"userId": "u", "previousId": "x"}, headers)
    send("/v1/track", {"userId": "u", "event": "Purchased"}, headers)
    assert Contact.objects.count() == 1
    send("/v1/alias", {"userId": "u", "previousId": "y"}, headers)
    send("/v1/page", {"anonymousId": "y"}, headers)
    assert Contact.objects.count() == 1
    send("/v1/track", {"userId": "v", "event": "Purchased"}, headers)
    answer = send("/v1/alias", {"userId": "u", "previousId": "v"}, headers)
    assert [warning["code"] for warning in answer["warnings"]] == ["merge_pending"]
    assert Contact.objects.count() == 2
    assert MergeSuggestion.objects.count() == 1
    assert not AttributeChange.objects.exists()


def test_an_address_as_user_id_is_an_address_too(source: tuple[Source, str]) -> None:
    send("/v1/track", {"userId": "Ann@Acme.com", "event": "Purchased"}, basic(source[1]))
    assert Contact.objects.get().email == "ann@acme.com"
    assert Company.objects.get().domain == "acme.com"


def test_events_and_other_messages_share_one_space_of_ids(source: tuple[Source, str]) -> None:
    headers = basic(source[1])
    send("/v1/track", {"userId": "u", "event": "Purchased", "messageId": "m"}, headers)
    answer = send("/v1/identify", {"userId": "u", "traits": {"firstName": "A"}, "messageId": "m"}, headers)
    assert [r["code"] for r in answer["rejected"]] == ["conflict"]
