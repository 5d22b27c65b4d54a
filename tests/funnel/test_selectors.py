"""What the queue, "mine", a handoff's page, the health figures and the journey show; at a fixed number of queries."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact
from funnel.models import Handoff
from funnel.selectors.cards import HandoffCard
from funnel.selectors.chain import MoveStep
from funnel.selectors.detail import handoff_detail
from funnel.selectors.health import handoff_health
from funnel.selectors.journey import StageStep, contact_journey
from funnel.selectors.mine import mine
from funnel.selectors.queue import queue
from funnel.services.claiming import claim_handoff
from funnel.services.handoffs import accept_handoff, return_handoff, win_handoff
from funnel.services.outcomes import record_outcome
from tests.funnel.conftest import World

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


def queries(read: Callable[[], object]) -> int:
    read()
    with CaptureQueriesContext(connection) as captured:
        read()
    return len(captured)


def emails(cards: tuple[HandoffCard, ...]) -> list[str]:
    return [card.contact.email for card in cards]


def due_in(handoff: Handoff, world: World, **ahead: float) -> None:
    """Let the claim's clock be up then."""
    due = world.now + timedelta(**ahead)
    Handoff.objects.filter(pk=handoff.pk).update(due_at=due, warn_at=due - timedelta(hours=1))


def test_the_queue_shows_the_closest_deadline_first_page_by_page(world: World) -> None:
    rep = world.person()
    for number, hours in enumerate((5, 1, 3, 3, 2)):
        due_in(world.offer(f"person{number}@acme.example"), world, hours=hours)
    world.claimed(rep, "claimed@acme.example")

    first = queue(user=rep, now=world.now, limit=2)
    assert emails(first.cards) == ["person1@acme.example", "person4@acme.example"]
    assert first.waiting == 5
    second = queue(user=rep, now=world.now, after=first.next, limit=2)
    third = queue(user=rep, now=world.now, after=second.next, limit=2)
    assert emails(second.cards + third.cards) == [f"person{number}@acme.example" for number in (2, 3, 0)]
    assert third.next == ""


def test_an_offer_whose_clock_is_not_set_yet_goes_by_when_it_was_first_made(world: World) -> None:
    rep = world.person()
    due_in(world.offer("due@acme.example"), world, hours=2)
    Handoff.objects.filter(pk=world.offer("unset@acme.example").pk).update(due_at=None, warn_at=None)

    assert emails(queue(user=rep, now=world.now).cards) == ["unset@acme.example", "due@acme.example"]


def test_a_page_of_the_queue_goes_on_after_a_row_that_was_claimed_meanwhile(world: World) -> None:
    rep = world.person()
    for number in range(3):
        due_in(world.offer(f"person{number}@acme.example"), world, hours=number + 1)
    first = queue(user=rep, now=world.now, limit=1)
    claim_handoff(handoff_id=first.cards[0].handoff.pk, by=rep, now=world.now)

    following = queue(user=rep, now=world.now, after=first.next)
    assert emails(following.cards) == ["person1@acme.example", "person2@acme.example"]


def test_the_queue_can_be_narrowed_to_what_is_kept_for_oneself(world: World) -> None:
    rep, other = world.person(), world.person(name="Ravi Rep")
    for number, kept_for in enumerate((rep, other, None)):
        offer = world.offer(f"person{number}@acme.example")
        Handoff.objects.filter(pk=offer.pk).update(assigned_to=kept_for, routing={"why": "Looks after France."})

    everybody, own = queue(user=rep, now=world.now), queue(user=rep, now=world.now, only_kept=True)
    assert (everybody.waiting, everybody.kept) == (3, 1)
    assert emails(own.cards) == ["person0@acme.example"]
    cards = {card.contact.email: card for card in everybody.cards}
    theirs = cards["person1@acme.example"]
    assert (theirs.kept_for, theirs.why_kept, theirs.may_claim) == ("Ravi Rep", "Looks after France.", False)
    assert cards["person0@acme.example"].may_claim
    assert cards["person2@acme.example"].may_claim
    leader = {card.contact.email: card for card in queue(user=world.person(Role.MANAGER, "Max"), now=world.now).cards}
    assert leader["person1@acme.example"].may_claim


def test_the_queue_raises_the_alarm_about_offers_that_wait_too_long(world: World) -> None:
    rep = world.person()
    Handoff.objects.filter(pk=world.offer("old@acme.example").pk).update(first_offered_at=MONDAY, escalation=2)
    Handoff.objects.filter(pk=world.offer("new@acme.example").pk).update(first_offered_at=MONDAY + timedelta(days=2))

    assert queue(user=rep, now=MONDAY + timedelta(hours=7)).starving is None
    # Sixteen business hours after Monday nine o'clock: Tuesday at five.
    alarm = queue(user=rep, now=MONDAY + timedelta(days=1, hours=8)).starving
    assert alarm is not None
    assert (alarm.count, alarm.more, alarm.oldest, alarm.waited_hours) == (1, False, MONDAY, 16)
    alarm = queue(user=rep, now=MONDAY + timedelta(days=6)).starving
    assert alarm is not None
    assert alarm.count == 2
    cards = queue(user=rep, now=world.now).cards
    assert {card.in_vain for card in cards} == {"", "Offered 2 times in vain"}


def test_a_card_says_the_last_words_the_open_questions_and_what_one_may_do(world: World) -> None:
    offer = world.offer()
    world.later(minutes=5)
    world.happens("ann@acme.example", "pricing_requested", traits={"means": "yes"})
    world.later(minutes=5)
    world.happens("ann@acme.example", "email_sent")
    world.settle()

    (card,) = queue(user=world.person(), now=world.now).cards
    assert card.handoff == offer
    assert card.last_words is not None
    assert card.last_words.kind.name == "pricing_requested", "what we sent is not their word"
    assert [gate.key for gate in card.questions] == ["authority"]
    assert [move.name for move in card.moves] == ["claim"]
    (card,) = queue(user=world.person(Role.MARKETER, "Mira Marketer"), now=world.now).cards
    assert card.moves == ()


def test_mine_is_grouped_by_what_each_waits_for_and_nobody_elses(world: World) -> None:
    rep, other = world.person(name="Rhea Rep"), world.person(name="Ravi Rep")
    world.claimed(rep, "claimed@acme.example")
    world.claimed(other, "other@acme.example")
    accept_handoff(handoff_id=world.claimed(rep, "accepted@acme.example").pk, by=rep, now=world.now)
    talking = world.claimed(rep, "talking@acme.example")
    record_outcome(handoff_id=talking.pk, by=rep, outcome="in_talks", now=world.now)
    waiting = world.claimed(rep, "waiting@acme.example")
    then = world.now + timedelta(days=3)
    record_outcome(handoff_id=waiting.pk, by=rep, outcome="waiting", next_at=then, now=world.now)
    win_handoff(handoff_id=world.claimed(rep, "won@acme.example").pk, by=rep, note="Signed.", now=world.now)
    world.offer("offered@acme.example")

    own = mine(user=rep, now=world.now)
    assert emails(own.claimed.cards) == ["claimed@acme.example", "accepted@acme.example"], "nobody got in touch yet"
    assert emails(own.talking.cards) == ["talking@acme.example"]
    assert emails(own.waiting.cards) == ["waiting@acme.example"]
    assert emails(own.due.cards) == []
    assert emails(own.closed.cards) == ["won@acme.example"]
    hers = ["outcome", "return", "win", "release"]
    assert [move.name for move in own.claimed.cards[0].moves] == ["accept", *hers]
    assert [move.name for move in own.claimed.cards[1].moves] == hers
    assert own.closed.cards[0].moves == ()

    passed = mine(user=rep, now=then)
    assert emails(passed.due.cards) == ["waiting@acme.example"]
    assert "Waiting for them" in passed.due.cards[0].due
    silent = mine(user=rep, now=world.now + timedelta(days=7))
    assert set(emails(silent.due.cards)) == {"waiting@acme.example", "talking@acme.example"}
    assert emails(silent.talking.cards) == []


def test_what_the_contact_says_keeps_a_conversation_from_going_stale(world: World) -> None:
    rep = world.person()
    handoff = world.claimed(rep)
    record_outcome(handoff_id=handoff.pk, by=rep, outcome="in_talks", now=world.now)
    world.later(days=6)
    world.happens("ann@acme.example", "page_viewed")
    assert emails(mine(user=rep, now=world.now + timedelta(days=1)).due.cards) == ["ann@acme.example"], (
        "looking is not talking"
    )
    world.happens("ann@acme.example", "email_replied", properties={"with": "Rhea Rep"})
    assert mine(user=rep, now=world.now + timedelta(days=6)).due.cards == ()
    assert emails(mine(user=rep, now=world.now + timedelta(days=7)).due.cards) == ["ann@acme.example"]


def test_queue_and_mine_take_the_same_number_of_queries_for_one_and_for_three(world: World) -> None:
    rep = world.person()
    counts: list[tuple[int, int]] = []
    for number in range(3):
        world.offer(f"offered{number}@acme.example")
        world.claimed(rep, f"claimed{number}@acme.example")
        if number != 1:
            counts.append(
                (queries(lambda: queue(user=rep, now=world.now)), queries(lambda: mine(user=rep, now=world.now)))
            )
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 11


def test_the_page_of_a_handoff(world: World) -> None:
    rep = world.person()
    first = world.claimed(rep)
    return_handoff(handoff_id=first.pk, by=rep, reason="no_response", now=world.later(minutes=1))
    world.settle()
    world.later(days=3)
    world.happens("ann@acme.example", "page_viewed")
    world.happens("ann@acme.example", "demo_requested")
    world.settle()
    second = Handoff.objects.exclude(pk=first.pk).get()

    detail = handoff_detail(handoff_id=second.pk, user=rep, now=world.now)
    assert detail.handoff == second
    assert detail.others == (first,)
    assert detail.stage.label == "Sales prospect"
    assert detail.stage.calls_to_action
    assert [event.kind.name for event in detail.log] == [
        "demo_requested",
        "handoff_returned",
        "handoff_claimed",
        "demo_requested",
    ]
    before = queries(lambda: handoff_detail(handoff_id=second.pk, user=rep, now=world.now))
    for _ in range(3):
        world.later(hours=1)
        world.happens("ann@acme.example", "pricing_requested")
    assert queries(lambda: handoff_detail(handoff_id=second.pk, user=rep, now=world.now)) == before


def test_health_counts_the_period_and_names_the_top_reasons(world: World) -> None:
    rep = world.person()
    for number, reason in enumerate(["no_response", "no_response", "bad_data"]):
        handoff = world.claimed(rep, f"returned{number}@acme.example")
        return_handoff(handoff_id=handoff.pk, by=rep, reason=reason, now=world.now)
    win_handoff(handoff_id=world.claimed(rep, "won@acme.example").pk, by=rep, note="Signed.", now=world.now)
    world.claimed(rep, "claimed@acme.example")
    waiting = world.offer("offered@acme.example")

    health = handoff_health(now=world.now)
    assert (health.waiting, health.oldest_waiting, health.in_hand) == (1, waiting.offered_at, 1)
    counts = health.offers.counts
    assert {name: counts[name] for name in ("offered", "claimed", "won", "returned", "withdrawn")} == {
        "offered": 6, "claimed": 5, "won": 1, "returned": 3, "withdrawn": 0,
    }  # fmt: skip
    assert health.reasons == (("No response", "no_response", 2), ("Bad data", "bad_data", 1))

    later = handoff_health(now=world.now + timedelta(days=31))
    assert (later.waiting, later.in_hand) == (1, 1), "what is open counts however old it is"
    assert (set(later.offers.counts.values()), later.reasons) == ({0}, ())
    assert queries(lambda: handoff_health(now=world.now)) == 6


def test_health_of_a_large_period_is_counted_once_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.offer("first@acme.example")
    monkeypatch.setattr("funnel.selectors.health.KEPT_FROM", 1)
    assert handoff_health(now=world.now).offers.counts["offered"] == 1
    world.offer("second@acme.example")
    kept = handoff_health(now=world.now)
    assert (kept.waiting, kept.offers.counts["offered"]) == (2, 1), "what is open is never kept"
    assert queries(lambda: handoff_health(now=world.now)) == 3
    assert handoff_health(now=world.now, days=31).offers.counts["offered"] == 2


def story(contact: Contact) -> list[str]:
    return [
        step.transition.to_stage if isinstance(step, StageStep) else f"({step.what})"
        for step in contact_journey(contact_id=contact.pk).steps
    ]


def test_a_journey_tells_stages_and_handoffs_in_time_order(world: World) -> None:
    rep = world.person()
    contact = world.happens("ann@acme.example", "page_viewed", at=world.now - timedelta(days=9))
    world.happens("ann@acme.example", "newsletter_subscribed", at=world.now - timedelta(days=5))
    handoff = world.claimed(rep)
    accept_handoff(handoff_id=handoff.pk, by=rep, now=world.later(hours=1))
    win_handoff(handoff_id=handoff.pk, by=rep, note="Signed.", now=world.later(days=2))
    world.settle()

    assert story(contact) == [
        "audience",
        "lead",
        "sales_prospect",
        "(Offered)",
        "(Claimed by Rhea Rep)",
        "(Accepted by Rhea Rep)",
        "customer",
        "(Won by Rhea Rep)",
    ]
    steps = contact_journey(contact_id=contact.pk).steps
    stages = [step for step in steps if isinstance(step, StageStep)]
    assert [step.until for step in stages] == [step.at for step in stages[1:]] + [None]
    assert [step.handoff_id for step in steps if isinstance(step, MoveStep)] == [handoff.pk] * 4


def test_a_journey_shows_corrections_and_gives_them_no_time(world: World) -> None:
    contact = world.happens("ann@acme.example", "newsletter_subscribed")
    world.settle()
    world.happens("ann@acme.example", "page_viewed", at=world.now - timedelta(days=9))
    world.settle()

    steps = [step for step in contact_journey(contact_id=contact.pk).steps if isinstance(step, StageStep)]
    held = [(step.transition.to_stage, step.until) for step in steps if not step.corrected]
    assert held == [("audience", steps[-1].at), ("lead", None)]
    assert all(step.until is None for step in steps if step.corrected)


@pytest.mark.parametrize("limit", [1, 2])
def test_a_long_journey_keeps_its_newest_steps_and_says_so(world: World, limit: int) -> None:
    contact = world.happens("ann@acme.example", "page_viewed", at=world.now - timedelta(days=9))
    world.happens("ann@acme.example", "newsletter_subscribed", at=world.now - timedelta(days=5))
    world.prospect()

    journey = contact_journey(contact_id=contact.pk, limit=limit)
    stages = [step.transition.to_stage for step in journey.steps if isinstance(step, StageStep)]
    assert stages == ["audience", "lead", "sales_prospect"][-limit:]
    assert journey.truncated
    assert not contact_journey(contact_id=contact.pk).truncated


def test_a_journey_takes_two_queries(world: World) -> None:
    contact = world.prospect()
    assert queries(lambda: contact_journey(contact_id=contact.pk)) == 2
