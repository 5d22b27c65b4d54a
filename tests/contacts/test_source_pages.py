"""A source's pages: what it sends, what was rejected, what was odd, which kinds wait, and its key."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role, SourceKind
from contacts.models import Contact, Due, Event, Kind, RejectedMessage, Source, SourceWarning
from contacts.selectors import sources as selectors
from contacts.services.callers import people_source
from contacts.services.record import internal_source
from tests.factories import make_event, make_source, make_user, record

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user(Role.ADMIN))
    return client


@pytest.fixture
def source() -> tuple[Source, str]:
    return make_source(name="Website")


def push(key: str, *events: Any) -> Any:
    answer = Client().post(
        "/api/v1/events/",
        json.dumps({"events": events}),
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 200
    return answer.json()


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    content: str = answer.content.decode()
    return content


def test_the_list_leads_to_each_source_and_says_what_waits(client: Client, source: tuple[Source, str]) -> None:
    push(source[1], make_event("watched_the_paint_dry"))
    page = text_of(client.get("/sources/"))
    assert f'href="/sources/{source[0].pk}/"' in page
    assert "1 kind to map" in page
    with CaptureQueriesContext(connection) as one:
        client.get("/sources/")
    make_source()
    make_source()
    with CaptureQueriesContext(connection) as three:
        client.get("/sources/")
    assert len(one) == len(three)


def test_the_feed_shows_what_this_source_sends(client: Client, source: tuple[Source, str]) -> None:
    row, key = source
    assert "Nothing yet" in text_of(client.get(f"/sources/{row.pk}/"))
    push(key, make_event("demo_requested", properties={"plan": "Team"}), make_event("odd_kind"))
    push(make_source()[1], make_event("purchased"))
    page = text_of(client.get(f"/sources/{row.pk}/"))
    assert "demo_requested" in page
    assert "unmapped" in page
    assert "Team" in page
    assert "purchased" not in page
    contact = Contact.objects.filter(events__kind__name="demo_requested").get()
    assert f'href="/contacts/{contact.pk}/"' in page


def test_the_feed_goes_on_page_by_page_whatever_others_send(
    client: Client, source: tuple[Source, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row, key = source
    monkeypatch.setattr(selectors, "PAGE_SIZE", 2)
    monkeypatch.setattr(selectors, "FEED_SPAN", 10)
    first = make_event("newsletter_subscribed")
    push(key, first)
    record(*(make_event("page_viewed") for _ in range(12)))
    push(key, *(make_event("form_submitted") for _ in range(3)))
    seen, path, pages = 0, f"/sources/{row.pk}/", 0
    # Below the first event lie the ids of other tests, as empty as others' events.
    while path and seen < 4:
        page = text_of(client.get(path))
        seen += page.count("<code>form_submitted</code>") + page.count("<code>newsletter_subscribed</code>")
        found = re.search(r'href="([^"]+before=[^"]+)" rel="next"', page)
        path = found[1].replace("&amp;", "&") if found else ""
        pages += 1
        assert pages < 12
    assert seen == 4


def test_each_page_costs_the_same_queries_for_one_and_for_three(client: Client, source: tuple[Source, str]) -> None:
    row, key = source

    def fill(kind: str) -> None:
        push(key, make_event(kind), {"message_id": f"bad {kind}"}, make_event("page_viewed", occurred_at="soon"))

    def queries(path: str) -> int:
        client.get(path)
        with CaptureQueriesContext(connection) as captured:
            text_of(client.get(path))
        return len(captured)

    paths = [f"/sources/{row.pk}/{part}" for part in ("", "rejected/", "warnings/", "kinds/", "key/")]
    fill("kind_a")
    one = [queries(path) for path in paths]
    fill("kind_b")
    fill("kind_c")
    assert [queries(path) for path in paths] == one


def test_a_rejected_message_is_mended_and_replayed(client: Client, source: tuple[Source, str]) -> None:
    row, key = source
    arrived = datetime.now(UTC)
    bad = {"message_id": "m1", "kind": "Demo requested", "contact": {"email": "ann@acme.com"}}
    push(key, bad, make_event())
    message = RejectedMessage.objects.get()
    listed = text_of(client.get(f"/sources/{row.pk}/rejected/"))
    assert "m1" in listed
    path = f"/sources/{row.pk}/rejected/{message.pk}/"
    assert "Demo requested" in text_of(client.get(path))

    again = client.post(path, {"payload": json.dumps(bad)})
    assert again.status_code == 422
    assert "Refused again" in again.content.decode()
    assert client.post(path, {"payload": "{"}).status_code == 422

    mended = client.post(path, {"payload": json.dumps({**bad, "kind": "demo_requested"})})
    assert (mended.status_code, mended["Location"]) == (302, f"/sources/{row.pk}/rejected/")
    event = Event.objects.get(message_id="m1")
    assert event.source == row
    assert event.contact.email == "ann@acme.com"
    assert abs(event.occurred_at - arrived) < timedelta(seconds=5)
    message.refresh_from_db()
    assert message.replayed_at is not None
    assert "Recorded" in text_of(client.get(path))
    assert client.post(path, {"payload": json.dumps(bad)}).status_code == 422
    assert Event.objects.filter(message_id="m1").count() == 1


def test_all_that_was_rejected_is_replayed_once_what_was_in_the_way_is_gone(
    client: Client, source: tuple[Source, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row, key = source
    monkeypatch.setattr("contacts.services.kinds.MAX_KINDS_OF_SOURCE", 1)
    push(key, make_event("kind_a"), make_event("kind_b"), make_event("kind_c"), {"kind": "x"})
    assert RejectedMessage.objects.filter(code="too_many_kinds").count() == 2
    monkeypatch.setattr("contacts.services.kinds.MAX_KINDS_OF_SOURCE", 10)
    answer = client.post(f"/sources/{row.pk}/rejected/replay/", follow=True)
    page = text_of(answer)
    assert "2 messages were recorded" in page
    assert "1 message was refused again" in page
    assert set(Event.objects.values_list("kind__name", flat=True)) == {"kind_a", "kind_b", "kind_c"}
    client.post(f"/sources/{row.pk}/rejected/replay/")
    assert Event.objects.count() == 3


def test_warnings_are_counted_and_forgotten(client: Client, source: tuple[Source, str]) -> None:
    row, key = source
    for _ in range(3):
        push(key, make_event(occurred_at="some day"))
    assert SourceWarning.objects.get().count == 3
    page = text_of(client.get(f"/sources/{row.pk}/warnings/"))
    assert "time_unreadable" in page
    client.post(f"/sources/{row.pk}/warnings/")
    assert not SourceWarning.objects.exists()


def meaning(kind: Kind) -> tuple[str | None, bool]:
    """What the database says that a kind means, and whether it is ignored."""
    found: tuple[str | None, bool] = Kind.objects.values_list("maps_to__name", "is_ignored").get(pk=kind.pk)
    return found


def test_a_kind_is_mapped_taken_back_and_ignored(client: Client, source: tuple[Source, str]) -> None:
    row, key = source
    push(key, make_event("tour"), make_event("tour"))
    kind = Kind.objects.get(name="tour")
    path = f"/sources/{row.pk}/kinds/{kind.pk}/"
    page = text_of(client.get(path))
    assert "2 events are of this kind" in page
    assert "how 2 contacts are judged" in page
    assert 'value="35"' in page
    assert ">converted<" not in page
    Due.objects.all().delete()
    client.post(path, {"action": "map", "target": "30"})
    assert meaning(kind) == ("demo_requested", False)
    assert Due.objects.values("contact").distinct().count() == 2
    assert "demo_requested" in text_of(client.get(f"/sources/{row.pk}/kinds/"))
    client.post(path, {"action": "ignore"})
    assert meaning(kind) == (None, True)
    client.post(path, {"action": "unmap"})
    assert meaning(kind) == (None, False)
    assert client.post(path, {"action": "map", "target": "13"}).status_code == 422
    assert client.post(path, {"action": "map", "target": "x"}).status_code == 422


def test_a_new_key_is_shown_once_and_ends_the_old_one(client: Client, source: tuple[Source, str]) -> None:
    row, key = source
    answer = client.post(f"/sources/{row.pk}/key/rotate/")
    found = re.search(r'secret" type="text" value="([^"]+)"', text_of(answer))
    assert found
    assert "no-store" in answer["Cache-Control"]
    assert found[1] not in text_of(client.get(f"/sources/{row.pk}/key/"))
    assert push(found[1], make_event())["accepted"] == 1
    old = Client().post(
        "/api/v1/events/", "{}", content_type="application/json", headers={"authorization": f"Bearer {key}"}
    )
    assert old.status_code == 401
    client.post(f"/sources/{row.pk}/key/revoke/")
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert Client().post("/v1/t", json.dumps({"writeKey": found[1]}), content_type="text/plain").status_code == 401
    assert "revoked" in text_of(client.get("/sources/"))


@pytest.mark.parametrize(
    ("lines", "names", "remark"),
    [
        ("Order Completed = purchased\n\nSigned up = newsletter_subscribed ", 2, ""),
        ("a = b = purchased", 1, ""),
        ("", 0, ""),
        ("Order Completed", None, "Write “name = kind”"),
        ("x = nonsense", None, "no kind that a source may send"),
        ("x = converted", None, "no kind that a source may send"),
    ],
)
def test_the_names_of_a_source_are_set(
    client: Client, source: tuple[Source, str], lines: str, names: int | None, remark: str
) -> None:
    row = source[0]
    answer = client.post(f"/sources/{row.pk}/key/", {"names": lines})
    row.refresh_from_db()
    if names is None:
        assert answer.status_code == 422
        assert remark in answer.content.decode()
        assert row.kind_names == {}
    else:
        assert answer.status_code == 302
        assert len(row.kind_names) == names


def test_what_ripen_records_itself_has_no_page_and_peoples_source_no_key(client: Client) -> None:
    assert client.get(f"/sources/{internal_source().pk}/").status_code == 404
    people = people_source()
    assert "each token is its person" in text_of(client.get(f"/sources/{people.pk}/key/"))
    assert client.post(f"/sources/{people.pk}/key/rotate/").status_code == 404
    assert client.get("/sources/99999999999999999999999/").status_code == 404
    kind = Kind.objects.get(name="purchased")
    assert client.get(f"/sources/{people.pk}/kinds/{kind.pk}/").status_code == 404
    assert client.get(f"/sources/{people.pk}/rejected/1/").status_code == 404
    assert people.kind == SourceKind.SERVER
