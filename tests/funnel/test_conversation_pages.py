"""Logging, outcomes and changes of hands on the pages of handoffs and contacts."""

import re
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Event
from funnel.services.conversation import log_on_handoff
from funnel.services.outcomes import record_outcome
from tests.funnel.conftest import World
from tests.funnel.test_conversation import said
from tests.funnel.test_pages import read, signed_in


def test_a_call_is_logged_from_the_handoffs_page(world: World) -> None:
    rita = world.person()
    handoff, client = world.claimed(rita), signed_in(rita)
    token = re.search(r'name="form_id" value="([^"]+)"', read(client, f"/handoffs/{handoff.pk}/"))
    assert token is not None
    sent = {
        "log-kind": "call_connected",
        "log-occurred_at": f"{world.now:%Y-%m-%dT%H:%M}",
        "log-with_person": "Rhea Rep",
        "log-result": "interested",
        "log-note": "Wants a demo on Friday.",
        "form_id": token[1],
    }
    page = client.post(f"/handoffs/{handoff.pk}/log/", sent, follow=True).content.decode()
    assert "Call recorded" in page
    assert "Wants a demo on Friday." in page
    client.post(f"/handoffs/{handoff.pk}/log/", sent)
    assert Event.objects.filter(kind__name="call_connected").count() == 1


def test_a_form_that_says_too_little_comes_back_open_with_its_words(world: World) -> None:
    rita = world.person()
    handoff, client = world.claimed(rita), signed_in(rita)
    sent = {"log-kind": "call_connected", "log-occurred_at": "2026-01-01T10:00", "log-note": "Half a sentence"}
    answer = client.post(f"/handoffs/{handoff.pk}/log/", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Name who of ours" in page
    assert "Half a sentence" in page
    answer = client.post(f"/handoffs/{handoff.pk}/log/", sent, headers={"HX-Request": "true"})
    assert answer.status_code == 200, "htmx swaps it in"


def test_an_outcome_without_the_date_it_needs_comes_back(world: World) -> None:
    rita = world.person()
    handoff, client = world.claimed(rita), signed_in(rita)
    answer = client.post(f"/handoffs/{handoff.pk}/outcome/", {"outcome-outcome": "later"})
    assert answer.status_code == 422
    assert "needs the date when to go on" in answer.content.decode()
    then = f"{world.now + timedelta(days=30):%Y-%m-%dT%H:%M}"
    page = client.post(
        f"/handoffs/{handoff.pk}/outcome/", {"outcome-outcome": "later", "outcome-next_at": then}, follow=True
    ).content.decode()
    assert "It stays open" in page
    assert "Later" in page


def test_in_place_on_a_contacts_page_the_form_is_a_part_and_done_is_a_refresh(world: World) -> None:
    rita = world.person()
    handoff, client = world.claimed(rita), signed_in(rita)
    path = f"/contacts/{handoff.contact_id}/log/"
    part = client.get(path, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert f'hx-post="{path}"' in part
    sent = {"kind": "note_added", "occurred_at": "2026-11-01T10:00", "note": ""}
    refused = client.post(path, sent, headers={"HX-Request": "true"})
    assert (refused.status_code, "Write what is worth knowing" in refused.content.decode()) == (200, True)
    done = client.post(path, {**sent, "note": "Prefers mail."}, headers={"HX-Request": "true"})
    assert done["HX-Refresh"] == "true"
    assert "Prefers mail." in read(client, f"/contacts/{handoff.contact_id}/")


def test_a_manager_gives_it_to_another_and_takes_it_over(world: World) -> None:
    rita, ben, max_ = world.person(), world.person(name="Ben Better"), world.person(Role.MANAGER, "Max Boss")
    handoff, client = world.claimed(rita), signed_in(max_)
    page = read(client, f"/handoffs/{handoff.pk}/")
    assert "Ben Better (room for 25 of 25)" in page
    assert "Rhea Rep (room" not in page, "she has it already"
    refused = client.post(f"/handoffs/{handoff.pk}/reassign/", {"reassign-rep": "x"})
    assert refused.status_code == 422
    page = client.post(
        f"/handoffs/{handoff.pk}/reassign/",
        {"reassign-rep": str(ben.pk), "reassign-note": "Speaks French."},
        follow=True,
    ).content.decode()
    assert "Ben Better&#x27;s now" in page
    assert "Reassigned from Rhea Rep to Ben Better by Max Boss" in page
    assert "Speaks French." in page
    page = client.post(f"/handoffs/{handoff.pk}/take-over/", follow=True).content.decode()
    assert "It is yours now" in page
    handoff.refresh_from_db()
    assert handoff.claimed_by == max_
    journey = read(client, f"/contacts/{handoff.contact_id}/journey/")
    assert "Taken over from Ben Better by Max Boss" in journey


def test_release_puts_it_back_into_the_queue_and_the_journey_says_so(world: World) -> None:
    rita = world.person()
    handoff, client = world.claimed(rita), signed_in(rita)
    page = client.post(f"/handoffs/{handoff.pk}/release/", {"release-note": "On leave."}, follow=True).content.decode()
    assert "it is in the queue again" in page
    assert "Released by Rhea Rep" in page
    assert "ann@acme.example" in read(client, "/queue/")
    assert "Released by Rhea Rep" in read(client, f"/contacts/{handoff.contact_id}/journey/")


def test_reps_get_no_buttons_of_leaders(world: World) -> None:
    rita = world.person()
    handoff, client = world.claimed(rita), signed_in(rita)
    assert "Take it over" not in read(client, f"/handoffs/{handoff.pk}/")
    for what in ("reassign", "take-over"):
        assert client.post(f"/handoffs/{handoff.pk}/{what}/").status_code == 403


def test_the_page_takes_the_same_number_of_queries_however_much_was_said(world: World) -> None:
    rita = world.person()
    handoff, client = world.claimed(rita), signed_in(rita)

    def talk() -> None:
        log_on_handoff(handoff_id=handoff.pk, said=said(world), by=rita, now=world.later(minutes=1))
        record_outcome(handoff_id=handoff.pk, by=rita, outcome="in_talks", now=world.now)

    def count() -> int:
        read(client, f"/handoffs/{handoff.pk}/")
        with CaptureQueriesContext(connection) as captured:
            read(client, f"/handoffs/{handoff.pk}/")
        return len(captured)

    talk()
    one = count()
    talk()
    talk()
    assert count() == one


def test_a_number_of_reps_does_not_grow_the_leaders_page(world: World) -> None:
    handoff, client = world.claimed(world.person()), signed_in(world.person(Role.MANAGER, "Max Boss"))
    counts = []
    for number in range(3):
        world.person(name=f"Rep {number}")
        if number != 1:
            read(client, f"/handoffs/{handoff.pk}/")
            with CaptureQueriesContext(connection) as captured:
                read(client, f"/handoffs/{handoff.pk}/")
            counts.append(len(captured))
    assert counts[0] == counts[1]
