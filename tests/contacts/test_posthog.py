"""PostHog's capture format at its addresses."""

import base64
import gzip
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from contacts.enums import SourceKind
from contacts.models import AttributeChange, Company, Contact, Event, Identity, Message, RejectedMessage, Source
from tests.factories import make_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> tuple[Source, str]:
    return make_source()


def send(
    url: str,
    body: Any,
    content_type: str = "application/json",
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Client().post(url, data, content_type=content_type, headers=headers)
    assert answer.status_code == status, answer.content
    return answer.json()


def batch(key: str, *events: Any, **more: Any) -> Any:
    return send("/batch/", {"api_key": key, "batch": list(events), **more})


def capture(name: str, distinct_id: str, properties: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "event": name,
        "distinct_id": distinct_id,
        "properties": {"$lib": "posthog-python", "$lib_version": "7", **(properties or {})},
        "timestamp": datetime.now(UTC).isoformat(),
        "uuid": str(uuid.uuid4()),
        **more,
    }


def names_of(contact: Contact) -> set[tuple[str, str]]:
    return set(contact.identities.values_list("kind", "value"))


def test_a_batch(source: tuple[Source, str]) -> None:
    events = [
        capture(
            "$identify",
            "u1",
            {"$set": {"email": "Ann@Acme.com", "firstName": "Ann", "title": "Head of Operations", "$browser": "x"}},
        ),
        capture("Demo Requested", "u1", {"plan": "Team", "utm_campaign": "spring", "utm_source": "ads"}),
        capture("$pageview", "u1", {"$current_url": "https://us.test/pricing", "$pathname": "/pricing"}),
        capture("$autocapture", "u1", {"$el_text": "Buy"}),
        capture(
            "$groupidentify",
            "u1",
            {"$group_type": "company", "$group_key": "acme", "$group_set": {"name": "Acme", "employees": 200}},
        ),
    ]
    answer = batch(source[1], *events)
    assert answer == {
        "success": True, "status": 1, "accepted": 5, "duplicates": 0, "rejected": [], "warnings": answer["warnings"],
    }  # fmt: skip
    contact = Contact.objects.select_related("company").get()
    assert (contact.email, contact.first_name, contact.job_title) == ("ann@acme.com", "Ann", "Head of Operations")
    assert contact.attributes == {}
    assert contact.company is not None
    assert (contact.company.name, contact.company.employees) == ("Acme", 200)
    assert {("external_id", "u1"), ("email", "ann@acme.com")} <= names_of(contact)
    stored = {event.kind.name: event for event in Event.objects.select_related("kind")}
    assert set(stored) == {"demo_requested", "page_viewed"}
    assert stored["demo_requested"].properties == {"plan": "Team", "utm_campaign": "spring", "utm_source": "ads"}
    assert stored["demo_requested"].channel == "ads"
    assert stored["page_viewed"].properties == {"url": "https://us.test/pricing", "path": "/pricing"}
    assert stored["page_viewed"].message_id == events[2]["uuid"]
    assert Message.objects.count() == 3

    again = batch(source[1], *events)
    assert (again["accepted"], again["duplicates"]) == (0, 5)
    assert Event.objects.count() == 2


@pytest.mark.parametrize("url", ["/batch", "/batch/", "/capture", "/capture/", "/e/", "/e", "/i/v0/e/"])
def test_every_address_and_every_way_to_write_the_body(source: tuple[Source, str], url: str) -> None:
    event = capture("Purchased", "u")
    text = json.dumps({"api_key": source[1], **event})
    packed = gzip.compress(text.encode())
    assert send(url, text.encode())["accepted"] == 1
    assert send(url, {"api_key": source[1], "batch": [event]})["duplicates"] == 1
    # The key among the properties is no part of what was said.
    assert send(url, [{**event, "properties": {**event["properties"], "token": source[1]}}])["duplicates"] == 1
    assert send(url, packed, "application/json", headers={"content-encoding": "gzip"})["duplicates"] == 1
    assert send(f"{url}?compression=gzip-js&ip=1", packed, "text/plain")["duplicates"] == 1
    form = "application/x-www-form-urlencoded"
    assert send(url, urlencode({"data": base64.b64encode(text.encode())}).encode(), form)["duplicates"] == 1
    assert send(url, b"data=" + base64.b64encode(text.encode()), form)["duplicates"] == 1
    assert send(url, urlencode({"data": text}).encode(), form)["duplicates"] == 1
    assert send(url, event, headers={"authorization": f"Bearer {source[1]}"})["duplicates"] == 1


def test_errors_are_json(source: tuple[Source, str]) -> None:
    key = source[1]
    assert send("/batch/", {"batch": []}, status=401)["code"] == "not_authenticated"
    assert send("/batch/", {"api_key": "phc_wrong", "batch": []}, status=401)["code"] == "invalid_key"
    assert send("/capture/", b"{", status=400)["code"] == "unreadable"
    assert send("/capture/", b"data=%", "application/x-www-form-urlencoded", status=400)["code"] == "unreadable"
    assert send("/capture/", b"", status=400)["code"] == "unreadable"
    assert send("/capture/", {"api_key": key}, status=400)["code"] == "unreadable"
    assert send("/e/", {"api_key": key, "batch": [{}] * 1001}, status=413)["code"] == "too_large"
    answer = Client().get("/batch/")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_a_bad_event_does_not_sink_its_neighbours(source: tuple[Source, str]) -> None:
    answer = batch(
        source[1],
        {"event": " ", "distinct_id": "u", "uuid": "a"},
        {"event": "x", "uuid": "b"},
        {"event": "x", "distinct_id": "undefined", "uuid": "c"},
        {"event": "$create_alias", "distinct_id": "u", "uuid": "d"},
        {"event": "$identify", "distinct_id": "u", "$set": {"email": "nonsense"}, "uuid": "e"},
        {"event": "デモ", "distinct_id": "u", "uuid": "f"},
        {"event": "x", "distinct_id": "u", "$set": [1], "uuid": "g"},
        "text",
        {"event": "$groupidentify", "distinct_id": "$company_acme", "properties": {"$group_type": "company"}},
        {"event": "x", "distinct_id": "u", "uuid": "h", "$unset": "plan"},
        {"event": "Purchased", "distinct_id": "good", "uuid": "i"},
    )
    assert answer["accepted"] == 1
    assert [(r["index"], r["code"], r["field"]) for r in answer["rejected"]] == [
        (0, "required", "event"),
        (1, "required", "distinct_id"),
        (2, "illegal_identifier", "distinct_id"),
        (3, "required", "properties.alias"),
        (4, "invalid_email", "$set.email"),
        (5, "invalid_kind", "event"),
        (6, "invalid_type", "$set"),
        (7, "invalid_type", ""),
        (8, "missing_identity", "distinct_id"),
        (9, "invalid_type", "$unset"),
    ]
    kept = RejectedMessage.objects.get(message_id="e")
    assert json.loads(kept.payload) == {
        "event": "$identify", "distinct_id": "u", "$set": {"email": "nonsense"}, "uuid": "e",
    }  # fmt: skip


def test_a_visitor_becomes_somebody(source: tuple[Source, str]) -> None:
    device, key = str(uuid.uuid4()), source[1]
    anonymous = {"$device_id": device, "$is_identified": False, "$process_person_profile": False}
    batch(key, capture("$pageview", device, anonymous))
    assert names_of(Contact.objects.get()) == {("anonymous_id", device)}
    known = {"$device_id": device, "$user_id": "u1", "$is_identified": True}
    batch(key, capture("$identify", "u1", {**known, "$anon_distinct_id": device, "$set": {"email": "ann@acme.com"}}))
    batch(key, capture("Demo Requested", "u1", known))
    contact = Contact.objects.get()
    assert contact.email == "ann@acme.com"
    assert contact.events.count() == 2


def test_a_visitor_whom_only_the_backend_knows(source: tuple[Source, str]) -> None:
    visitor, key = str(uuid.uuid4()), source[1]
    batch(key, capture("Page", visitor), capture("Page", visitor))
    batch(key, capture("$create_alias", visitor, {"distinct_id": visitor, "alias": "u1"}))
    batch(key, capture("Purchased", "u1"))
    contact = Contact.objects.get()
    assert names_of(contact) >= {("external_id", "u1"), ("anonymous_id", visitor)}
    assert contact.events.count() == 3


@pytest.mark.parametrize("turned", [False, True])
def test_an_alias_of_two_new_ids_holds_for_both(source: tuple[Source, str], turned: bool) -> None:
    one, other = ("b", "a") if turned else ("a", "b")
    batch(source[1], capture("$create_alias", one, {"alias": other}))
    batch(source[1], capture("Purchased", "a"), capture("Purchased", "b"))
    assert Contact.objects.get().events.count() == 2


def test_an_id_of_a_machines_shape_may_be_somebody_known(source: tuple[Source, str]) -> None:
    user, key = str(uuid.uuid4()), source[1]
    batch(key, capture("Page", user))
    batch(key, capture("$identify", user, {"$set": {"email": "ann@acme.com"}}))
    batch(key, capture("Purchased", user))
    contact = Contact.objects.get()
    assert (contact.email, contact.events.count()) == ("ann@acme.com", 2)
    assert ("external_id", user) in names_of(contact)


def test_an_event_without_a_profile_of_somebody_known_is_theirs(source: tuple[Source, str]) -> None:
    batch(source[1], capture("$identify", "u1"))
    batch(source[1], capture("Purchased", "u1", {"$process_person_profile": False}))
    assert Contact.objects.get().events.count() == 1


def test_an_address_as_distinct_id_is_an_address_too(source: tuple[Source, str]) -> None:
    batch(source[1], capture("Purchased", "Ann@Acme.com"))
    assert Contact.objects.get().email == "ann@acme.com"


def test_what_is_set_once_only_fills(source: tuple[Source, str]) -> None:
    key = source[1]
    batch(key, capture("$set", "u", **{"$set": {"plan": "free", "city": "Rome"}}))
    batch(
        key, capture("$set_once", "u", **{"$set_once": {"plan": "pro", "first_seen": "ads", "$initial_referrer": "x"}})
    )
    batch(key, capture("Purchased", "u", {"$set_once": {"first_seen": "mail"}, "$set": {"seats": 5}}))
    contact = Contact.objects.get()
    assert contact.attributes == {"plan": "free", "city": "Rome", "first_seen": "ads", "seats": 5}
    batch(key, capture("$set", "u", {"$unset": ["city"]}))
    contact.refresh_from_db()
    assert contact.attributes == {"plan": "free", "first_seen": "ads", "seats": 5}


def test_a_group_makes_no_contact_but_reaches_one_that_is_known(source: tuple[Source, str]) -> None:
    group = {"$group_type": "company", "$group_key": "Acme", "$group_set": {"website": "https://acme.com"}}
    stranger, known = str(uuid.uuid4()), str(uuid.uuid4())
    answer = batch(
        source[1],
        capture("$groupidentify", stranger, group),
        capture("$groupidentify", known, group),
        capture("Page", known),
    )
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [(0, "missing_identity")]
    assert Contact.objects.get().company == Company.objects.get(domain="acme.com")
    team = {"$group_type": "team", "$group_key": "blue"}
    assert batch(source[1], capture("$groupidentify", "u9", team))["accepted"] == 1
    assert Company.objects.count() == 1


def test_a_wrong_clock_is_corrected_and_an_offset_read(source: tuple[Source, str]) -> None:
    now, off = datetime.now(UTC), timedelta(days=400)
    happened = now - timedelta(hours=3)
    skewed = capture("Purchased", "u", timestamp=(happened - off).isoformat())
    batch(source[1], skewed, sent_at=(now - off).isoformat())
    assert abs(Event.objects.get().occurred_at - happened) < timedelta(seconds=10)
    late = {"event": "Demo Requested", "distinct_id": "u", "offset": 60_000, "uuid": str(uuid.uuid4())}
    batch(source[1], late, {**late, "offset": 1e300, "uuid": "x"}, {**late, "offset": -5, "uuid": "y"})
    first = Event.objects.get(message_id=late["uuid"])
    assert abs(first.received_at - first.occurred_at - timedelta(minutes=1)) < timedelta(seconds=1)
    assert batch(source[1], {**late, "offset": 90_000})["duplicates"] == 1


def test_names_are_mapped_by_the_source(source: tuple[Source, str]) -> None:
    source[0].kind_names = {"$autocapture": "social_liked", "Order Completed": "purchased"}
    source[0].save()
    batch(source[1], capture("$autocapture", "u"), capture("Order Completed", "u"))
    assert set(Event.objects.values_list("kind__name", flat=True)) == {"social_liked", "purchased"}


def test_a_key_in_a_browser_keeps_its_limits() -> None:
    key = make_source(kind=SourceKind.PUBLIC)[1]
    answer = batch(
        key,
        capture("$pageview", "u"),
        capture("$pageleave", "u"),
        capture("Purchased", "u"),
        capture("Never Heard Of", "u"),
        capture("$set", "u", **{"$set": {"means": "yes"}}),
        capture("$set", "u", **{"$set_once": {"authority": "yes"}}),
    )
    assert answer["accepted"] == 2
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [
        (2, "not_allowed"), (3, "not_allowed"), (4, "not_allowed"), (5, "not_allowed"),
    ]  # fmt: skip
    assert not AttributeChange.objects.filter(name__in=["means", "authority"]).exists()
    assert Identity.objects.exists()
