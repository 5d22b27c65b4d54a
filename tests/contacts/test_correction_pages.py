"""Correcting events from the timeline, with plain forms."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact, Event, EventCorrection
from contacts.services.record import record_fact
from scoring.services.evaluate import drain_due
from tests.factories import make_contact, make_user

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)


def contact_with(*kinds: str) -> Contact:
    events = [{"kind": kind, "occurred_at": (NOW - timedelta(days=2)).isoformat()} for kind in kinds]
    contact = make_contact(*events)
    drain_due(now=NOW)
    return contact


def signed_in(role: Role = Role.MARKETER, **name: str) -> Client:
    client = Client()
    client.force_login(make_user(role, **name))
    return client


def read(client: Client, contact: Contact, query: str = "") -> str:
    answer = client.get(f"/contacts/{contact.pk}/{query}")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def offered(page: str) -> list[tuple[str, str]]:
    """The forms of the menus: what is posted where, and the words on the button; not the way back in the message."""
    page = page.partition('class="timeline')[2]
    found = re.findall(
        r'action="(/contacts/\d+/events/\d+/[^"]+)">.*?<button[^>]*>(?:<svg.*?</svg>)?([^<]+)', page, re.DOTALL
    )
    return [(path, words.strip()) for path, words in found]


def press(client: Client, contact: Contact, words: str, query: str = "") -> str:
    """Post the form with this button and return the page one lands on."""
    (path,) = [path for path, said in offered(read(client, contact, query)) if said == words]
    answer: Any = client.post(path, follow=True)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_retract_says_so_strikes_through_with_the_reason_and_offers_to_restore() -> None:
    client, contact = signed_in(first_name="Mara", last_name="Marketer"), contact_with("demo_requested")
    page = press(client, contact, "Retract (mistake)")
    assert "Retracted: it counts no more." in page
    assert "timeline-item is-void" in page
    assert "by Mara Marketer: a mistake" in page
    assert [words for _, words in offered(page)] == ["Restore"]
    drain_due(now=NOW)
    contact.refresh_from_db()
    assert contact.standing.stage == "audience"
    page = press(client, contact, "Restore")
    assert "Restored: it counts again." in page
    assert "is-void" not in page
    assert [words for _, words in offered(page)] == ["Mark as bot", "Retract (mistake)"]


def test_bots_are_told_from_people() -> None:
    client, contact = signed_in(), contact_with("email_clicked")
    page = press(client, contact, "Mark as bot")
    assert "bot: marked by hand" in page
    assert [words for _, words in offered(page)] == ["Not a bot", "Retract (mistake)"]
    assert "No longer suspect" in press(client, contact, "Not a bot")
    assert list(EventCorrection.objects.order_by("id").values_list("reason", flat=True)) == ["bot: marked by hand", ""]


def test_one_comes_back_to_the_same_part_of_the_timeline() -> None:
    client, contact = signed_in(), contact_with("demo_requested", "email_clicked")
    (path,) = [
        path for path, said in offered(read(client, contact, "?kind=email_clicked")) if said == "Retract (mistake)"
    ]
    answer = client.post(path)
    assert answer.headers["Location"] == f"/contacts/{contact.pk}/?kind=email_clicked"


def test_what_ripen_recorded_offers_nothing_and_refuses() -> None:
    client, contact = signed_in(), contact_with("demo_requested")
    record_fact(contact_id=contact.pk, kind="handoff_returned", by=None, occurred_at=NOW, system=True)
    page = read(client, contact, "?kind=handoff_returned")
    assert offered(page) == []
    fact = Event.objects.get(kind__name="handoff_returned")
    refused: Any = client.post(f"/contacts/{contact.pk}/events/{fact.pk}/retract/", follow=True)
    assert "Only Ripen itself records such events" in refused.content.decode()
    assert not EventCorrection.objects.exists()


def test_a_rep_is_offered_nothing_and_may_not() -> None:
    client, contact = signed_in(Role.REP), contact_with("demo_requested")
    assert offered(read(client, contact)) == []
    event = Event.objects.get()
    assert client.post(f"/contacts/{contact.pk}/events/{event.pk}/retract/").status_code == 403
    assert not EventCorrection.objects.exists()


def test_what_is_not_there_is_not_found() -> None:
    client, contact = signed_in(), contact_with("demo_requested")
    other = contact_with("demo_requested")
    event = Event.objects.get(contact=contact)
    for path in (
        f"/contacts/{other.pk}/events/{event.pk}/retract/",
        f"/contacts/{contact.pk}/events/{event.pk}/erase/",
        f"/contacts/{contact.pk}/events/999999/retract/",
    ):
        assert client.post(path).status_code == 404
    assert client.get(f"/contacts/{contact.pk}/events/{event.pk}/retract/").status_code == 405


def test_the_timeline_costs_the_same_however_many_are_retracted() -> None:
    client = signed_in()

    def queries(count: int) -> int:
        contact = contact_with(*["email_clicked"] * count)
        for event in Event.objects.filter(contact=contact):
            client.post(f"/contacts/{contact.pk}/events/{event.pk}/retract/")
        client.get(f"/contacts/{contact.pk}/")
        with CaptureQueriesContext(connection) as captured:
            read(client, contact)
        return len(captured)

    assert queries(1) == queries(3)
