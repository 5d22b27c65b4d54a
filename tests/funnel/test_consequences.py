"""Offers open, are withdrawn and close by where contacts stand."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Event, Standing
from funnel.enums import HandoffState
from funnel.models import Handoff
from funnel.services.consequences import draw_consequences, reconcile_standings
from funnel.services.handoffs import return_handoff
from scoring.models import Transition
from scoring.services.evaluate import drain_due
from tests.funnel.conftest import FITTING, World


def test_a_demo_request_opens_exactly_one_offer_with_its_evidence(world: World) -> None:
    contact = world.prospect()

    handoff = Handoff.objects.get()
    assert (handoff.contact, handoff.state, handoff.stage) == (contact, HandoffState.OFFERED, "sales_prospect")
    assert handoff.offered_at == world.now
    assert handoff.transition is not None
    assert handoff.transition.to_stage == "sales_prospect"
    assert "asked for a demo" in handoff.evidence["sentence"]
    assert handoff.evidence["engagement"] == 40
    assert handoff.evidence["fit"] == 30
    assert sum(line["points"] for line in handoff.evidence["lines"]) == 40
    assert handoff.evidence["questions"] == ["means", "authority"]
    assert handoff.evidence["definition"] == "default@1"
    assert contact.standing.owner is None, "Marketing's until somebody claims"


def test_drawing_again_changes_nothing(world: World) -> None:
    world.prospect()
    Transition.objects.update(consumed_at=None)

    assert draw_consequences(now=world.now) == 1
    assert draw_consequences(now=world.now) == 0
    assert Handoff.objects.count() == 1
    assert reconcile_standings(now=world.now) == 0


def test_a_lead_is_not_offered(world: World) -> None:
    contact = world.happens("ann@acme.example", "newsletter_subscribed", traits=FITTING)
    world.settle()

    assert world.stage(contact) == "lead"
    assert not Handoff.objects.exists()
    assert not Transition.objects.filter(consumed_at=None).exists()


def test_a_lost_wake_up_costs_nothing_but_the_sweep(world: World) -> None:
    """Nobody is told of the transition; whoever looks next finds it, because it is a row."""
    world.happens("ann@acme.example", "demo_requested", traits=FITTING)
    drain_due(now=world.now)
    assert not Handoff.objects.exists()

    assert draw_consequences(now=world.later(seconds=2)) == 1
    assert Handoff.objects.get().state == HandoffState.OFFERED


def test_an_unclaimed_offer_is_withdrawn_when_the_contact_falls(world: World) -> None:
    handoff = world.offer()
    world.later(days=61)
    world.settle()

    handoff.refresh_from_db()
    assert world.stage(handoff.contact) != "sales_prospect"
    assert (handoff.state, handoff.closed_at) == (HandoffState.WITHDRAWN, world.now)
    fact = Event.objects.get(kind__name="handoff_withdrawn")
    assert (fact.contact_id, fact.properties) == (handoff.contact_id, {"handoff": str(handoff.pk)})


def test_a_claimed_handoff_stays_with_its_rep_when_the_contact_falls(world: World) -> None:
    rep = world.person()
    handoff = world.claimed(rep)
    world.later(days=61)
    world.settle()
    reconcile_standings(now=world.now)

    handoff.refresh_from_db()
    assert world.stage(handoff.contact) != "sales_prospect"
    assert (handoff.state, handoff.claimed_by) == (HandoffState.CLAIMED, rep)
    assert Standing.objects.get().owner == rep


@pytest.mark.parametrize("claimed", [False, True])
def test_a_purchase_closes_the_open_handoff_as_won(world: World, *, claimed: bool) -> None:
    handoff = world.claimed(world.person()) if claimed else world.offer()
    world.later(minutes=1)
    world.happens("ann@acme.example", "purchased")
    world.settle()

    handoff.refresh_from_db()
    assert world.stage(handoff.contact) == "customer"
    assert (handoff.state, handoff.closed_at) == (HandoffState.WON, world.now)


def test_a_returned_contact_is_not_offered_again_before_the_return_is_judged(world: World) -> None:
    """Between the return and its judgement the standing still says sales prospect."""
    rep = world.person()
    handoff = world.claimed(rep)
    return_handoff(handoff_id=handoff.pk, by=rep, reason="no_want", now=world.later(minutes=1))
    Transition.objects.update(consumed_at=None)

    assert world.stage(handoff.contact) == "sales_prospect"
    draw_consequences(now=world.now)
    reconcile_standings(now=world.now)
    assert Handoff.objects.count() == 1

    world.settle()
    assert world.stage(handoff.contact) != "sales_prospect"
    assert Handoff.objects.count() == 1


def test_new_readiness_after_a_return_opens_a_new_handoff(world: World) -> None:
    rep = world.person()
    first = world.claimed(rep)
    return_handoff(handoff_id=first.pk, by=rep, reason="no_response", now=world.later(minutes=1))
    world.settle()
    world.later(days=3)
    world.happens("ann@acme.example", "pricing_requested")
    world.settle()

    second = Handoff.objects.exclude(pk=first.pk).get()
    assert world.stage(first.contact) == "sales_prospect"
    assert (second.state, second.offered_at) == (HandoffState.OFFERED, world.now)


def test_return_and_new_readiness_judged_together_still_reopen(world: World) -> None:
    rep = world.person()
    first = world.claimed(rep)
    return_handoff(handoff_id=first.pk, by=rep, reason="no_response", now=world.later(minutes=1))
    world.later(minutes=1)
    world.happens("ann@acme.example", "pricing_requested")
    world.settle()

    assert list(Handoff.objects.order_by("id").values_list("state", flat=True)) == ["returned", "offered"]


def test_a_standing_that_no_transition_announced_is_offered_all_the_same(world: World) -> None:
    handoff = world.offer()
    Handoff.objects.filter(pk=handoff.pk).delete()

    assert draw_consequences(now=world.now) == 0
    assert reconcile_standings(now=world.now) == 1
    assert Handoff.objects.get().contact == handoff.contact
    assert reconcile_standings(now=world.now) == 0


def test_a_lost_owner_copy_is_restored(world: World) -> None:
    rep = world.person()
    world.claimed(rep)
    Standing.objects.update(owner=None)

    assert reconcile_standings(now=world.now) == 1
    assert Standing.objects.get().owner == rep


def test_withdrawing_takes_the_same_number_of_statements_for_one_and_for_three(world: World) -> None:
    counts = []
    for round_, people in enumerate((1, 3)):
        for number in range(people):
            world.prospect(f"person{round_}{number}@acme.example")
        world.later(days=61)
        while drain_due(now=world.now):
            pass
        assert Handoff.objects.filter(state=HandoffState.OFFERED).count() == people
        with CaptureQueriesContext(connection) as captured:
            assert draw_consequences(now=world.now) == people
        counts.append(len(captured))
        assert not Handoff.objects.filter(state=HandoffState.OFFERED).exists()
        world.settle()
    assert counts[0] == counts[1]
