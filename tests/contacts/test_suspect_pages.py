"""Judging what machines did in groups, on the page; and the hooks' own page."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact, EmailHook, Event, EventCorrection
from contacts.selectors.suspects import GroupKey, Query, read_key
from contacts.services import suspects as suspects_service
from contacts.services.suspects import reclassify_groups
from scoring.services.evaluate import drain_due
from tests.factories import make_contact, make_event, make_source, make_user, record

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)


def signed_in(role: Role = Role.MARKETER) -> Client:
    client = Client()
    client.force_login(make_user(role))
    return client


def click(email: str, agent: str = "Barracuda/1.0", *, at: datetime = YESTERDAY, mail: str = "m1") -> dict[str, Any]:
    properties = {"message_id": mail, "url": "https://vendor.test/pricing", "user_agent": agent}
    return make_event("email_clicked", contact={"email": email}, occurred_at=at.isoformat(), properties=properties)


def read(client: Client, query: str = "") -> str:
    answer = client.get(f"/suspects/{query}")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def keys(page: str) -> list[str]:
    return re.findall(r'name="group" value="(.*?)" id=', page)


def stage_of(email: str) -> tuple[str, int]:
    standing = Contact.objects.select_related("standing").get(email=email).standing
    return standing.stage, standing.engagement_mp


def test_groups_say_what_happened_and_giving_one_back_changes_the_scores() -> None:
    source, _ = make_source(name="Mail tool")
    record(*(click(f"p{number}@acme.test") for number in range(3)), click("p0@acme.test", "curl/8"), source=source)
    drain_due(now=NOW)
    assert stage_of("p1@acme.test") == ("audience", 0)
    client = signed_in()
    page = read(client)
    assert "bot: link scanner Barracuda" in page
    assert "bot: program curl" in page
    assert "via Mail tool" in page
    (wanted,) = [key for key in keys(page) if "Barracuda" in key]

    answer: Any = client.post("/suspects/", {"group": wanted}, follow=True)

    assert "3 events given back to people" in unescape(answer.content.decode())
    assert set(Event.objects.values_list("suspect_reason", flat=True)) == {"", "bot: program curl"}
    drain_due(now=NOW)
    assert stage_of("p1@acme.test")[0] == "lead"
    assert stage_of("p1@acme.test")[1] > 7_000
    rows = EventCorrection.objects.all()
    assert {(row.reason, row.corrected_by is not None) for row in rows} == {("", True)}


def test_what_counts_can_be_marked_and_weighs_nothing_then() -> None:
    record(click("p1@acme.test", "Some Browser 1"), click("p2@acme.test", "Some Browser 2"))
    drain_due(now=NOW)
    client = signed_in()
    (wanted,) = [key for key in keys(read(client, "?view=counted")) if "Browser 1" in key]
    answer: Any = client.post("/suspects/?view=counted", {"group": wanted}, follow=True)
    assert "1 event marked as a machine's" in unescape(answer.content.decode())
    drain_due(now=NOW)
    assert stage_of("p1@acme.test") == ("audience", 0)
    assert stage_of("p2@acme.test")[0] == "lead"


def test_a_group_is_one_reason_source_day_and_mail() -> None:
    first, _ = make_source()
    second, _ = make_source()
    record(
        click("p1@acme.test"),
        click("p2@acme.test"),
        click("p3@acme.test", mail="m2"),
        click("p4@acme.test", at=YESTERDAY - timedelta(days=1)),
        source=first,
    )
    record(click("p5@acme.test"), click("p6@acme.test", at=YESTERDAY - timedelta(days=60)), source=second)
    page = read(signed_in())
    assert len(keys(page)) == 4
    assert len(keys(read(signed_in(), "?days=90"))) == 5
    assert len(keys(read(signed_in(), f"?source={second.pk}"))) == 1
    assert keys(read(signed_in(), "?reason=bot:+program+curl")) == []
    client = signed_in()
    client.post("/suspects/", {"group": keys(page)[0]})
    assert Event.objects.filter(suspect_reason="").count() in {1, 2}
    assert EventCorrection.objects.count() == Event.objects.filter(suspect_reason="").count()


def test_pages_follow_one_another_without_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    from contacts.selectors import suspects as selector

    monkeypatch.setattr(selector, "PAGE_SIZE", 2)
    record(*(click(f"p{number}@acme.test", mail=f"m{number}") for number in range(5)))
    client, found, query = signed_in(), list[str](), ""
    for _ in range(5):
        page = read(client, query)
        found += keys(page)
        following = re.search(r'href="(\?[^"]*after=[^"]+)" rel="next"', page)
        if following is None:
            break
        query = following[1]
    assert len(found) == len(set(found)) == 5


def test_more_than_fits_in_one_go_is_said_and_done_by_asking_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects_service, "MAX_AT_ONCE", 3)
    monkeypatch.setattr(suspects_service, "MAX_EVENTS", 2)
    record(*(click(f"p{number}@acme.test") for number in range(5)))
    person = make_user()
    query = Query(suspect=True, since=NOW - timedelta(days=30))
    (key,) = [read_key(text) for text in keys(read(signed_in()))]
    assert key is not None
    first = reclassify_groups(query=query, keys=[key], suspect_reason="", by=person, now=NOW)
    assert (first.events, first.more) == (3, True)
    second = reclassify_groups(query=query, keys=[key], suspect_reason="", by=person, now=NOW)
    assert (second.events, second.more) == (2, False)


def test_nonsense_is_answered() -> None:
    client = signed_in()
    for query in ("?source=x&days=-1", "?after=%00", "?after=[]", '?after=["a",1,"2026-99-99",""]', "?reason=%00"):
        read(client, query)
    nobody = '["a", 0, "2026-01-01", ""]'
    for group in ("", "{}", nobody, '["\\u0000", 1, "2026-01-01", ""]', '["a", 1, "9999-12-31", ""]'):
        assert client.post("/suspects/", {"group": group}).status_code == 302
    assert client.post("/suspects/").status_code == 302
    assert read_key(GroupKey("a", 1, NOW.date(), "m").written()) == GroupKey("a", 1, NOW.date(), "m")


def test_the_page_costs_the_same_however_much_it_shows() -> None:
    client = signed_in()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            read(client)
        return len(captured)

    record(click("p1@acme.test"))
    queries()
    one = queries()
    record(*(click(f"q{number}@acme.test", mail=f"m{number}") for number in range(3)))
    assert queries() == one


def test_the_timeline_leads_to_all_that_are_suspected_alike() -> None:
    record(click("p1@acme.test"))
    client = signed_in()
    page = client.get(f"/contacts/{Contact.objects.get().pk}/").content.decode()
    link = re.search(r'href="(/suspects/\?reason=[^"]+)"', page)
    assert link is not None
    assert len(keys(unescape(client.get(unescape(link[1])).content.decode()))) == 1


def test_a_rep_may_not() -> None:
    client = signed_in(Role.REP)
    assert client.get("/suspects/").status_code == 403


# Hooks


def test_an_address_is_shown_once_with_where_to_paste_it_and_can_be_closed() -> None:
    source, _ = make_source(name="Mail tool")
    client = signed_in(Role.ADMIN)
    url = f"/sources/{source.pk}/email/"
    page = unescape(client.post(url, {"provider": "postmark"}).content.decode())
    found = re.search(r'value="(http[^"]*/hooks/email/postmark/rpn_hook_[^"]+)"', page)
    assert found is not None
    assert "Inbound stream" in page
    again = unescape(client.get(url).content.decode())
    assert found[1].rsplit("/", 1)[1] not in again
    assert "Postmark" in again
    make_contact(email="anna@acme.test")
    path = found[1][found[1].index("/hooks/") :]
    body = {"RecordType": "Open", "Recipient": "anna@acme.test", "ReceivedAt": YESTERDAY.isoformat(), "MessageID": "m"}
    assert Client().post(path, body, content_type="application/json").json()["accepted"] == 1

    hook = EmailHook.objects.get()
    answer: Any = client.post(f"{url}{hook.pk}/revoke/", follow=True)
    assert "The address is closed." in unescape(answer.content.decode())
    assert Client().post(path, body, content_type="application/json").status_code == 401
    answer = client.post(f"{url}{hook.pk}/revoke/", follow=True)
    assert "closed already" in unescape(answer.content.decode())


def test_a_public_source_has_no_hooks() -> None:
    source, _ = make_source(kind="public", scopes=["events:write"])
    client = signed_in(Role.ADMIN)
    assert "server source that is in use" in unescape(client.get(f"/sources/{source.pk}/email/").content.decode())
    assert client.post(f"/sources/{source.pk}/email/", {"provider": "postmark"}).status_code == 422
    assert client.post(f"/sources/{source.pk}/email/", {"provider": "pigeon"}).status_code == 422
    assert not EmailHook.objects.exists()
