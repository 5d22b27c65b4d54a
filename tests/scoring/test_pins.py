"""Pins: a person's word on where a contact stands replaces the stage shown, and nothing else."""

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact, Event, Standing
from contacts.selectors.pins import pins_in_force, pins_of
from contacts.services.corrections import retract_events
from contacts.services.merging import merge_contacts
from contacts.services.pinning import MAX_NOTE, CannotPin, pin_stage, undo_pin, unpin_stage
from scoring.models import Transition
from scoring.selectors.definitions import published_definition
from scoring.selectors.pins import shown_pin
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from tests.factories import make_contact, make_user

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def now() -> datetime:
    return datetime.now(UTC)


def judge() -> None:
    while drain_due(now=now()):
        pass


def ann(*kinds: str, **traits: Any) -> Contact:
    contact = make_contact(*({"kind": kind} for kind in kinds or ("newsletter_subscribed",)), **traits)
    judge()
    return contact


def pin(contact: Contact, stage: str, *, note: str = "They told me at the fair.", days: int = 30) -> int:
    at = now()
    by = make_user(Role.MARKETER, first_name="Mara", last_name="Moss")
    facts = pin_stage(contact_ids=[contact.pk], stage=stage, note=note, until=at + days * DAY, by=by, now=at)
    return facts[contact.pk]


@pytest.fixture
def pages() -> Client:
    client = Client()
    client.force_login(make_user(Role.MARKETER))
    return client


def read(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_a_pin_changes_what_is_shown_and_not_what_is_judged() -> None:
    contact = ann()
    before = explain_contact(contact_id=contact.pk, at=now())["sentence"]
    pin(contact, "sales_prospect")
    judge()
    assert Standing.objects.get(contact=contact).stage == "lead"
    assert [row.to_stage for row in Transition.objects.filter(contact=contact).order_by("effective_at")] == ["lead"]
    assert explain_contact(contact_id=contact.pk, at=now())["sentence"] == before
    shown = shown_pin(contact.pk, published_definition()[1], at=now())
    assert shown is not None
    assert (shown.stage.key, shown.is_shown) == ("sales_prospect", True)


def test_a_pin_to_the_weakest_stage_is_no_deed_of_the_contact() -> None:
    contact = ann("email_sent")
    pin(contact, "customer")
    judge()
    sentence = explain_contact(contact_id=contact.pk, at=now())["sentence"]
    assert "was sent an e-mail" in sentence
    assert "pinned" not in sentence


def test_a_pin_opens_no_closed_gate_and_is_shown_once_it_opens() -> None:
    contact = ann(means="no")
    pin(contact, "sales_prospect")
    shown = shown_pin(contact.pk, published_definition()[1], at=now())
    assert shown is not None
    assert not shown.is_shown
    assert [label.lower() for label in shown.closed] == ["means"]
    make_contact({"kind": "page_viewed"}, email=contact.email, means="yes")
    shown = shown_pin(contact.pk, published_definition()[1], at=now())
    assert shown is not None
    assert shown.is_shown


def test_a_pin_ends_by_itself_and_gives_way_to_a_later_one() -> None:
    contact = ann()
    first = pin(contact, "customer", days=2)
    second = pin(contact, "audience", days=9)
    assert pins_in_force([contact.pk], at=now())[contact.pk].event_id == second
    assert pins_in_force([contact.pk], at=now() + 10 * DAY) == {}
    latest, older = pins_of(contact.pk, at=now() + 10 * DAY)
    assert (latest.event_id, latest.ended_at) == (second, latest.until)
    assert (older.event_id, older.ended_at) == (first, latest.since)


def test_what_makes_no_pin_is_refused_with_the_reason() -> None:
    contact, by, at = ann(), make_user(Role.MARKETER), now()

    def refused(**changes: Any) -> str:
        asked = {"contact_ids": [contact.pk], "stage": "lead", "note": "why", "until": at + DAY, "by": by, "now": at}
        with pytest.raises(CannotPin) as error:
            pin_stage(**{**asked, **changes})
        return error.value.field

    assert refused(note="  ") == "note"
    assert refused(note="x" * (MAX_NOTE + 1)) == "note"
    assert refused(until=at) == "until"
    assert refused(until=at + 400 * DAY) == "until"
    with pytest.raises(PermissionDenied):
        pin_stage(contact_ids=[contact.pk], stage="lead", note="why", until=at + DAY, by=make_user(Role.REP), now=at)
    assert pins_in_force([contact.pk], at=now()) == {}


def test_many_are_pinned_with_as_many_statements_as_one() -> None:
    people, by = [ann() for _ in range(4)], make_user(Role.MANAGER)

    def queries(chosen: list[Contact]) -> int:
        at = now()
        with CaptureQueriesContext(connection) as captured:
            ids = [contact.pk for contact in chosen]
            pin_stage(contact_ids=ids, stage="customer", note="all", until=at + DAY, by=by, now=at)
        return len(captured)

    queries(people[:1])
    assert queries(people[:1]) == queries(people[1:])
    assert set(pins_in_force([contact.pk for contact in people], at=now())) == {contact.pk for contact in people}


def test_undo_puts_back_what_held_before() -> None:
    contact, by = ann(), make_user(Role.MARKETER)
    first = pin(contact, "customer")
    assert undo_pin(contact_id=contact.pk, event_id=first, by=by, now=now()) is None
    pin(contact, "customer", note="first")
    second = pin(contact, "audience", note="second")
    back = undo_pin(contact_id=contact.pk, event_id=second, by=by, now=now())
    assert back is not None
    assert (back.stage, back.note) == ("customer", "first")
    taken = unpin_stage(contact_ids=[contact.pk], by=by, now=now())[contact.pk]
    back = undo_pin(contact_id=contact.pk, event_id=taken, by=by, now=now())
    assert back is not None
    assert back.stage == "customer"
    with pytest.raises(CannotPin):
        undo_pin(contact_id=contact.pk, event_id=taken, by=by, now=now())
    # Nothing to take back where there is no pin.
    unpin_stage(contact_ids=[contact.pk], by=by, now=now())
    assert unpin_stage(contact_ids=[contact.pk], by=by, now=now()) == {}


def test_a_pin_goes_along_with_a_merge_and_cannot_be_retracted() -> None:
    winner, loser, by = ann(email="ann@acme.example"), ann(email="ben@acme.example"), make_user(Role.ADMIN)
    fact = pin(loser, "customer")
    assert retract_events(event_ids=[fact], reason="", by=by, now=now()).reserved == {fact}
    merge_contacts(winner_id=winner.pk, loser_id=loser.pk, by=by, source=None, reason="", now=now())
    assert pins_in_force([winner.pk], at=now())[winner.pk].stage == "customer"


def test_the_head_the_timeline_and_why_show_the_pin_with_its_note(pages: Client) -> None:
    contact = ann(first_name="Ann", last_name="Lee")
    pin(contact, "customer", note="Signed on paper <b>today</b>.")
    judge()
    page = read(pages, f"/contacts/{contact.pk}/")
    assert "Pinned to “Customer” by Mara Moss until" in page
    assert "Judged: Lead." in page
    assert "Was pinned to “Customer” until" in page
    raw = pages.get(f"/contacts/{contact.pk}/").content.decode()
    assert "Signed on paper &lt;b&gt;today&lt;/b&gt;." in raw
    assert 'aria-current="step"' in raw
    why = read(pages, f"/contacts/{contact.pk}/why/")
    assert "Shown as “Customer” all the same: it is pinned until" in why
    assert "it is pinned" not in read(pages, f"/contacts/{contact.pk}/why/?definition=reaction@1")
    assert "Signed on paper" in read(pages, f"/contacts/{contact.pk}/journey/")


def test_the_form_pins_says_so_and_can_be_undone(pages: Client) -> None:
    contact = ann()
    path = f"/contacts/{contact.pk}/pin/"
    assert "What a pin does" in read(pages, path)
    bad = pages.post(path, {"stage": "customer", "note": "", "until": "2020-01-01"})
    assert bad.status_code == 422
    assert "That day is over." in bad.content.decode()
    until = (now() + 9 * DAY).date().isoformat()
    answer = pages.post(path, {"stage": "customer", "note": "Signed.", "until": until}, follow=True)
    page = unescape(answer.content.decode())
    assert "is pinned to “Customer” until" in page
    fact = Event.objects.get(kind__name="stage_pinned")
    undo = f"/contacts/{contact.pk}/pin/{fact.pk}/undo/"
    assert f'action="{undo}"' in page
    page = unescape(pages.post(undo, follow=True).content.decode())
    assert "Undone: no pin, the judged stage is shown." in page
    assert "Pinned to" not in page
    assert "The pin was changed meanwhile" in unescape(pages.post(undo, follow=True).content.decode())


def test_a_pin_is_taken_back_on_the_page(pages: Client) -> None:
    contact = ann()
    pin(contact, "customer")
    page = unescape(pages.post(f"/contacts/{contact.pk}/unpin/", follow=True).content.decode())
    assert "is taken back." in page
    assert "Pinned to" not in page
    assert "There was no pin any more." in pages.post(f"/contacts/{contact.pk}/unpin/", follow=True).content.decode()
