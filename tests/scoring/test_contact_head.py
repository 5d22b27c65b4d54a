"""The head that all pages of one contact share: scores with their trend, freshness, and parts that keep up to date."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact, Event
from contacts.selectors.views import tags_of
from contacts.services.tags import tag_contacts
from scoring.models import Transition
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from scoring.services.trend import DAYS, engagement_trend
from tests.factories import make_contact, make_user

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LIVE = {"X-Ripen-Live": "1"}


def ann(*events: tuple[str, float], **traits: str) -> Contact:
    now = datetime.now(UTC)
    told = [{"kind": kind, "occurred_at": (now - days * DAY).isoformat()} for kind, days in events]
    contact = make_contact(*told, **traits)
    while drain_due(now=datetime.now(UTC)):
        pass
    return contact


@pytest.fixture
def pages() -> Client:
    client = Client()
    client.force_login(make_user(Role.MARKETER))
    return client


def test_the_trend_is_the_score_that_why_tells_for_each_of_its_days() -> None:
    contact = ann(("demo_requested", 80), ("email_clicked", 31), ("page_viewed", 3))
    now = datetime.now(UTC)
    trend = engagement_trend(contact_id=contact.pk, now=now)
    assert trend.moments[-1] == now
    assert trend.moments[-1] - trend.moments[0] == DAYS * DAY
    assert trend.engagement[0] == 0
    for place in (3, 10, -1):
        why = explain_contact(contact_id=contact.pk, at=trend.moments[place])
        assert trend.engagement[place] == round(why["scores"]["engagement"] * 1000)
    assert np.array(trend.engagement).max() > trend.engagement[-1]
    with pytest.raises(Contact.DoesNotExist):
        engagement_trend(contact_id=0, now=now)


def test_the_line_comes_by_itself_and_the_figures_without_scripts(pages: Client) -> None:
    contact = ann(("demo_requested", 8))
    path = f"/contacts/{contact.pk}/trend/"
    head = pages.get(f"/contacts/{contact.pk}/").content.decode()
    assert f'hx-get="{path}" hx-trigger="load"' in head
    assert f'href="{path}"' in head
    line = pages.get(path, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in line
    assert "Engagement over the last 90 days: from 0 to" in line
    whole = pages.get(path).content.decode()
    assert whole.count("<tr>") == 20
    assert pages.get("/contacts/0/trend/", headers={"HX-Request": "true"}).status_code == 404


def test_the_trend_costs_the_same_for_one_event_and_for_many(pages: Client) -> None:
    one, many = ann(("page_viewed", 1)), ann(*(("page_viewed", day) for day in range(1, 40)))

    def queries(contact: Contact) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert pages.get(f"/contacts/{contact.pk}/trend/", headers={"HX-Request": "true"}).status_code == 200
        return len(captured)

    queries(one)
    assert queries(one) == queries(many)


def test_freshness_says_when_under_which_version_and_what_waits(pages: Client) -> None:
    contact = ann(("demo_requested", 1))
    page = unescape(pages.get(f"/contacts/{contact.pk}/").content.decode())
    assert re.search(r"Judged <time.*</time> under .+ v1\.", page)
    assert "New facts came in" not in page
    make_contact({"kind": "page_viewed"}, email=contact.email)
    assert "New facts came in and are being judged." in pages.get(f"/contacts/{contact.pk}/").content.decode()


def test_an_open_page_is_told_what_changed_and_nothing_else(pages: Client) -> None:
    contact = ann(("newsletter_subscribed", 1), email="ann@acme.example")
    path = f"/contacts/{contact.pk}/head/"
    assert pages.get(path).status_code == 302
    first = pages.get(path, headers=LIVE)
    assert first.status_code == 200
    text = first.content.decode()
    assert 'data-live-part="contact-head"' in text
    assert "<html" not in text
    assert pages.get(path, headers={**LIVE, "If-None-Match": first["ETag"]}).status_code == 304
    ann(("demo_requested", 0), email="ann@acme.example")
    again = pages.get(path, headers={**LIVE, "If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert "Sales prospect" in again.content.decode()


def test_an_open_timeline_is_told_of_new_events(pages: Client) -> None:
    contact = ann(("newsletter_subscribed", 1), email="ann@acme.example")
    path = f"/contacts/{contact.pk}/"
    page = pages.get(path).content.decode()
    assert f'data-live="{path}"' in page
    first = pages.get(path, headers=LIVE)
    assert first.content.decode().count('data-live-part="event-') == 1
    assert pages.get(path, headers={**LIVE, "If-None-Match": first["ETag"]}).status_code == 304
    ann(("page_viewed", 0), email="ann@acme.example")
    again = pages.get(path, headers={**LIVE, "If-None-Match": first["ETag"]}).content.decode()
    assert again.count('data-live-part="event-') == 2
    assert "Viewed a page" in again
    assert "<html" not in again


def test_a_contact_without_events_says_what_to_do(pages: Client) -> None:
    contact = ann()
    # What was said is another's now, as after undoing a merge.
    Transition.objects.filter(contact=contact).delete()
    Event.objects.filter(contact=contact).update(contact=ann())
    page = pages.get(f"/contacts/{contact.pk}/").content.decode()
    assert "Nothing has happened yet" in page
    assert f'href="/contacts/{contact.pk}/log/"' in page


def test_every_page_of_a_contact_costs_the_same_for_one_thing_and_for_three(pages: Client) -> None:
    one = ann(("page_viewed", 1))
    three = ann(("page_viewed", 1), ("demo_requested", 2), ("asset_downloaded", 3))

    def queries(contact: Contact, part: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert pages.get(f"/contacts/{contact.pk}/{part}").status_code == 200
        return len(captured)

    queries(one, "")
    for part in ("", "journey/", "consent/", "pin/", "merge/"):
        assert queries(one, part) == queries(three, part), part


def test_tags_stand_in_the_head_and_lead_to_all_who_bear_them(pages: Client) -> None:
    contact, other = ann(("page_viewed", 1), first_name="Ann"), ann(("page_viewed", 1), first_name="Bob")
    tag_contacts(contact_ids=[contact.pk, other.pk], name="Trade fair", by=make_user("manager"), now=datetime.now(UTC))
    for part in ("", "why/", "journey/", "consent/", "pin/"):
        page = pages.get(f"/contacts/{contact.pk}/{part}").content.decode()
        assert '<a class="truncate" href="/contacts/?tag=Trade%20fair">Trade fair</a>' in page, part
    found = pages.get("/contacts/?tag=Trade%20fair").content.decode()
    assert f'href="/contacts/{contact.pk}/"' in found
    assert f'href="/contacts/{other.pk}/"' in found


def test_a_tag_is_added_and_taken_off_in_the_head_with_a_way_back(pages: Client) -> None:
    contact = ann(("page_viewed", 1), first_name="Ann")
    path = f"/contacts/{contact.pk}/"
    sent = {"contact": contact.pk, "back": "contact", "confirm": "1"}

    def tags() -> list[str]:
        return list(tags_of([contact.pk]).get(contact.pk, []))

    def way_back(page: str) -> str:
        found = re.search(r'action="(/contacts/acts/jobs/\d+/undo/\?back=contact)"', page)
        assert found
        return found[1]

    added = pages.post("/contacts/acts/tag/", {**sent, "act-tag": " Trade  fair "}, follow=True)
    assert added.redirect_chain == [(path, 302)]
    assert "Ann bears the tag “Trade fair” now." in unescape(added.content.decode())
    assert tags() == ["Trade fair"]
    undone = pages.post(way_back(added.content.decode()), follow=True)
    assert undone.redirect_chain == [(path, 302)]
    assert "The tag “Trade fair” is taken off Ann." in unescape(undone.content.decode())
    assert tags() == []
    pages.post("/contacts/acts/tag/", {**sent, "act-tag": "fair"})
    again = pages.post("/contacts/acts/tag/", {**sent, "act-tag": "FAIR"}, follow=True)
    assert again.redirect_chain == [(path, 302)]
    assert "Nothing was changed." in again.content.decode()
    taken = pages.post("/contacts/acts/untag/", {**sent, "act-tag": "fair"}, follow=True)
    assert tags() == []
    pages.post(way_back(taken.content.decode()))
    assert tags() == ["fair"]


def test_what_cannot_be_a_tag_is_said_and_leads_back_to_the_contact(pages: Client) -> None:
    contact = ann(("page_viewed", 1), first_name="Ann")
    sent = {"contact": contact.pk, "back": "contact", "confirm": "1", "act-tag": "one, two"}
    refused = pages.post("/contacts/acts/tag/", sent)
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "A tag holds no comma." in page
    assert f'<a href="/contacts/{contact.pk}/">Ann</a>' in page
    assert '<input type="hidden" name="back" value="contact">' in page


def test_who_may_not_tag_sees_the_tags_and_cannot_change_them(pages: Client) -> None:
    contact = ann(("page_viewed", 1))
    tag_contacts(contact_ids=[contact.pk], name="fair", by=make_user("manager"), now=datetime.now(UTC))
    rep = Client()
    rep.force_login(make_user(Role.REP))
    page = rep.get(f"/contacts/{contact.pk}/").content.decode()
    assert '<a href="/contacts/?tag=fair">fair</a>' in page
    assert "/contacts/acts/" not in page
    assert "/contacts/acts/untag/" in pages.get(f"/contacts/{contact.pk}/").content.decode()


def test_the_head_costs_the_same_for_one_tag_and_for_three(pages: Client) -> None:
    one, three = ann(("page_viewed", 1)), ann(("page_viewed", 1))
    by, now = make_user("manager"), datetime.now(UTC)
    tag_contacts(contact_ids=[one.pk], name="a", by=by, now=now)
    for name in ("a", "b", "c"):
        tag_contacts(contact_ids=[three.pk], name=name, by=by, now=now)

    def queries(contact: Contact) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert pages.get(f"/contacts/{contact.pk}/").status_code == 200
        return len(captured)

    queries(one)
    assert queries(one) == queries(three)
