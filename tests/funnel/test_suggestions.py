"""Calls to action for a contact: those of its stage, each with whether it may be used now; prices only if allowed."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact
from contacts.services.consent_facts import suppress_address
from contacts.services.people import create_token
from funnel.models import Handoff
from funnel.services.suggestions import Suggestion, common_hindrance, suggest_calls
from tests.funnel.conftest import World
from tests.funnel.test_pages import read, signed_in


def ask(world: World, handoff: Handoff, **who: object) -> dict[str, Suggestion]:
    contact = Contact.objects.select_related("standing__owner").get(pk=handoff.contact_id)
    found = suggest_calls(contact, offered_in=handoff.stage, now=world.now, **who)  # type: ignore[arg-type]
    return {suggestion.call: suggestion for suggestion in found}


def test_its_rep_may_use_those_of_the_stage_prices_too(world: World) -> None:
    rita = world.person()
    found = ask(world, world.claimed(rita), by=rita)
    assert list(found) == ["Book a demo", "Send a quote", "Agree on next steps"]
    assert all(one.allowed and one.fits for one in found.values())
    assert found["Send a quote"].kind == "pricing"


def test_before_the_claim_nobody_may_and_one_sentence_says_why(world: World) -> None:
    rita = world.person()
    offer = world.offer()
    found = ask(world, offer, by=rita)
    assert not any(one.allowed for one in found.values())
    assert common_hindrance(list(found.values())) == "Nobody has claimed them yet: claim the handoff first."
    page = read(signed_in(rita), f"/handoffs/{offer.pk}/")
    assert page.count("Nobody has claimed them yet") == 1
    assert "Send a quote" in page


def test_a_colleague_may_not(world: World) -> None:
    handoff = world.claimed(world.person())
    found = ask(world, handoff, by=world.person(name="Una Other"))
    assert {one.reasons[0].code for one in found.values()} == {"owned_by_another"}


def test_where_the_stage_fell_prices_are_not_for_them_and_the_stages_own_calls_are(world: World) -> None:
    """Under a rep's hands the contact asks for nothing any more; its evidence grows old."""
    rita = world.person()
    handoff = world.claimed(rita)
    world.later(days=120)
    world.settle()
    assert world.stage(handoff.contact) == "lead"
    found = ask(world, handoff, by=rita)
    assert list(found) == [
        "Download the guide", "Join the webinar", "Connect with us",
        "Book a demo", "Send a quote", "Agree on next steps",
    ]  # fmt: skip
    assert found["Download the guide"].allowed
    assert not found["Send a quote"].allowed
    assert not found["Send a quote"].fits
    assert "is for" in found["Send a quote"].why_not


def test_talking_about_prices_is_named_where_no_call_is(world: World) -> None:
    contact = world.happens("ann@acme.example", "newsletter_subscribed")
    world.settle()
    found = suggest_calls(contact, now=world.now)
    assert found[-1].call == "Talk about prices"
    assert not found[-1].allowed


def test_a_suppressed_address_stops_all_of_them(world: World) -> None:
    rita = world.person()
    handoff = world.claimed(rita)
    suppress_address(address="ann@acme.example", reason="complained", now=world.now + timedelta(minutes=1))
    found = ask(world, handoff, by=rita)
    assert {one.reasons[0].code for one in found.values()} == {"suppressed"}
    assert "Nothing is sent to this address" in read(signed_in(rita), f"/handoffs/{handoff.pk}/")


def test_the_api_tells_them_with_one_handoff_and_not_with_the_list(world: World) -> None:
    rita = world.person()
    handoff = world.claimed(rita)
    client = signed_in(rita)
    found = client.get(f"/api/v1/handoffs/{handoff.pk}/").json()["suggestions"]
    assert [one["call_to_action"] for one in found] == ["Book a demo", "Send a quote", "Agree on next steps"]
    assert found[1]["kind"] == "pricing"
    assert found[1]["allowed"] is True
    assert found[1]["reasons"]
    assert "suggestions" not in client.get("/api/v1/handoffs/").json()["results"][0]
    # A marketer's token reads too, and is told that it is not theirs to write.
    key = create_token(user=world.person(Role.MARKETER, "Mira Marketer"), name="test", by=None).key
    told = client.get(f"/api/v1/handoffs/{handoff.pk}/", headers={"Authorization": f"Bearer {key}"}).json()
    assert told["suggestions"][0]["allowed"] is False


def test_the_number_of_queries_does_not_grow_with_the_calls(world: World) -> None:
    rita = world.person()
    handoff = world.claimed(rita)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            ask(world, handoff, by=rita)
        counts.append(len(captured))
        world.later(days=120)
        world.settle()
    assert counts[0] == counts[1]
