"""Claim, accept, return, win: the moves people make, the facts they leave, and who may make them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError, connection

from contacts.enums import Role
from contacts.models import Contact, Event, Standing
from funnel.enums import HandoffState, ReturnReason
from funnel.errors import HandoffTaken, NotClaimable, WrongState
from funnel.models import Handoff
from funnel.services.handoffs import accept_handoff, claim_handoff, return_handoff, win_handoff
from tests.funnel.conftest import World

Step = Callable[[Handoff, User, World], Handoff]


def accept(handoff: Handoff, by: User, world: World) -> Handoff:
    accept_handoff(handoff_id=handoff.pk, by=by, now=world.now)
    return Handoff.objects.get(pk=handoff.pk)


def give_back(handoff: Handoff, by: User, world: World) -> Handoff:
    return_handoff(handoff_id=handoff.pk, by=by, reason="no_response", now=world.now)
    return Handoff.objects.get(pk=handoff.pk)


def win(handoff: Handoff, by: User, world: World) -> Handoff:
    win_handoff(handoff_id=handoff.pk, by=by, note="Signed for a year.", now=world.now)
    return Handoff.objects.get(pk=handoff.pk)


def facts(contact: Contact) -> list[tuple[str, Any]]:
    rows = Event.objects.filter(contact=contact, kind__id__gte=100).order_by("id")
    return [(event.kind.name, event.properties) for event in rows.select_related("kind")]


def test_claiming_makes_the_rep_the_owner_and_leaves_a_fact(world: World) -> None:
    rep = world.person()
    offer = world.offer()
    claim_handoff(handoff_id=offer.pk, by=rep, now=world.later(minutes=5))
    handoff = Handoff.objects.get(pk=offer.pk)

    assert (handoff.state, handoff.claimed_by, handoff.claimed_at) == (HandoffState.CLAIMED, rep, world.now)
    assert Standing.objects.get(contact=offer.contact).owner == rep
    fact = Event.objects.get(kind__name="handoff_claimed")
    assert (fact.occurred_at, fact.recorded_by, fact.properties) == (world.now, rep, {"handoff": str(offer.pk)})


def test_a_claim_changes_neither_stage_nor_score(world: World) -> None:
    """What a rep does never rewrites the evidence."""
    offer = world.offer()
    before = Standing.objects.values("stage", "stage_since", "furthest_stage", "fit_mp").get()
    world.claimed(world.person())

    assert Standing.objects.values("stage", "stage_since", "furthest_stage", "fit_mp").get() == before
    assert Handoff.objects.get() == offer


def test_the_second_claim_is_told_who_was_faster(world: World) -> None:
    handoff = world.claimed(world.person(name="Rhea Rep"))

    with pytest.raises(HandoffTaken) as lost:
        claim_handoff(handoff_id=handoff.pk, by=world.person(name="Ravi Rep"), now=world.now)

    assert lost.value.winner == "Rhea Rep"
    assert lost.value.message == "Claimed by Rhea Rep: somebody was faster."
    assert [kind for kind, _ in facts(handoff.contact)] == ["handoff_claimed"]


def test_claiming_twice_says_that_it_is_yours(world: World) -> None:
    rep = world.person(name="Rhea Rep")
    handoff = world.claimed(rep)

    with pytest.raises(HandoffTaken, match=r"^Claimed by Rhea Rep: it is yours already\.$"):
        claim_handoff(handoff_id=handoff.pk, by=rep, now=world.now)


def test_a_fallen_contact_cannot_be_claimed_even_before_its_offer_is_withdrawn(world: World) -> None:
    offer = world.offer()
    Standing.objects.update(stage="audience")

    with pytest.raises(NotClaimable) as refused:
        claim_handoff(handoff_id=offer.pk, by=world.person(), now=world.now)

    assert refused.value.code == "not_claimable"
    assert "stands at Audience now" in refused.value.message
    offer.refresh_from_db()
    assert offer.state == HandoffState.OFFERED
    assert facts(offer.contact) == []


def test_a_withdrawn_offer_cannot_be_claimed(world: World) -> None:
    offer = world.offer()
    world.later(days=61)
    world.settle()

    with pytest.raises(NotClaimable, match="withdrawn"):
        claim_handoff(handoff_id=offer.pk, by=world.person(), now=world.now)


def test_a_marketer_cannot_claim(world: World) -> None:
    offer = world.offer()

    with pytest.raises(PermissionDenied):
        claim_handoff(handoff_id=offer.pk, by=world.person(Role.MARKETER), now=world.now)
    offer.refresh_from_db()
    assert offer.state == HandoffState.OFFERED


def test_accepting_and_winning_makes_a_customer_through_a_fact(world: World) -> None:
    rep = world.person()
    handoff = accept(world.claimed(rep), rep, world)
    assert (handoff.state, handoff.accepted_at) == (HandoffState.ACCEPTED, world.now)

    world.later(hours=1)
    handoff = win(handoff, rep, world)
    assert (handoff.state, handoff.closed_at, handoff.note) == (HandoffState.WON, world.now, "Signed for a year.")
    assert world.stage(handoff.contact) == "sales_prospect", "not by the rep's hand: the judgement decides"

    world.settle()
    assert world.stage(handoff.contact) == "customer"
    assert Handoff.objects.count() == 1
    assert Standing.objects.get().owner == rep
    number = str(handoff.pk)
    assert facts(handoff.contact) == [
        ("handoff_claimed", {"handoff": number}),
        ("handoff_accepted", {"handoff": number}),
        ("converted", {"handoff": number, "note": "Signed for a year."}),
    ]


def test_winning_at_once_counts_as_accepted(world: World) -> None:
    rep = world.person()

    assert win(world.claimed(rep), rep, world).accepted_at == world.now


def test_winning_needs_a_note(world: World) -> None:
    rep = world.person()
    handoff = world.claimed(rep)

    with pytest.raises(ValidationError) as refused:
        win_handoff(handoff_id=handoff.pk, by=rep, note="  ", now=world.now)
    assert list(refused.value.message_dict) == ["note"]


def test_a_return_gives_the_contact_back_to_marketing_with_its_reason(world: World) -> None:
    rep = world.person()
    handoff = world.claimed(rep)
    return_handoff(
        handoff_id=handoff.pk, by=rep, reason="cannot_buy_now", note="Budget next year", now=world.later(days=1)
    )
    handoff.refresh_from_db()

    assert (handoff.state, handoff.reason, handoff.note) == ("returned", "cannot_buy_now", "Budget next year")
    assert Standing.objects.get().owner is None
    number = str(handoff.pk)
    assert facts(handoff.contact)[-1] == (
        "handoff_returned",
        {"handoff": number, "reason": "cannot_buy_now", "note": "Budget next year"},
    )
    world.settle()
    assert world.stage(handoff.contact) == "marketing_prospect", "evidence before the return does not count for Sales"


@pytest.mark.parametrize(("reason", "gate"), [("no_authority", "authority"), ("no_means", "means")])
def test_a_reason_that_is_a_gate_closes_it(world: World, reason: str, gate: str) -> None:
    rep = world.person()
    handoff = world.claimed(rep)
    return_handoff(handoff_id=handoff.pk, by=rep, reason=reason, now=world.later(days=1))
    world.later(days=1)
    contact = world.happens("ann@acme.example", "demo_requested")
    world.settle()

    assert getattr(contact, gate) == "no"
    assert world.stage(contact) == "marketing_prospect", "whatever it asks for, the gate keeps it out"
    assert Handoff.objects.count() == 1


@pytest.mark.parametrize("reason", sorted(set(ReturnReason.values) - {"no_authority", "no_means"}))
def test_other_reasons_close_no_gate(world: World, reason: str) -> None:
    rep = world.person()
    handoff = world.claimed(rep)
    return_handoff(handoff_id=handoff.pk, by=rep, reason=reason, now=world.now)

    handoff.contact.refresh_from_db()
    assert (handoff.contact.means, handoff.contact.authority) == ("unknown", "unknown")


def test_an_unknown_reason_returns_nothing(world: World) -> None:
    rep = world.person()
    handoff = world.claimed(rep)

    with pytest.raises(ValidationError) as refused:
        return_handoff(handoff_id=handoff.pk, by=rep, reason="bored", now=world.now)
    assert list(refused.value.message_dict) == ["reason"]
    handoff.refresh_from_db()
    assert handoff.state == HandoffState.CLAIMED


@pytest.mark.parametrize("step", [accept, give_back, win])
def test_only_its_rep_a_manager_or_an_administrator_works_a_handoff(world: World, step: Step) -> None:
    handoff = world.claimed(world.person(name="Rhea Rep"))

    for stranger in (world.person(name="Ravi Rep"), world.person(Role.MARKETER, "Mira Marketer")):
        with pytest.raises(PermissionDenied):
            step(handoff, stranger, world)
    handoff.refresh_from_db()
    assert handoff.state == HandoffState.CLAIMED


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ADMIN])
@pytest.mark.parametrize("step", [accept, give_back, win])
def test_managers_and_administrators_work_anybodys(world: World, step: Step, role: Role) -> None:
    rep = world.person()
    handoff = step(world.claimed(rep), world.person(role, "Mona Manager"), world)

    assert handoff.state != HandoffState.CLAIMED
    assert handoff.claimed_by == rep, "it stays the rep's"


@pytest.mark.parametrize("step", [accept, give_back, win])
def test_nothing_is_worked_twice_or_unclaimed(world: World, step: Step) -> None:
    rep, manager = world.person(), world.person(Role.MANAGER, "Mona Manager")
    with pytest.raises(WrongState, match="offered"):
        step(world.offer(), manager, world)

    handoff = step(world.claimed(rep, "bob@acme.example"), rep, world)
    with pytest.raises(WrongState):
        step(handoff, rep, world)


def test_a_handoff_that_does_not_exist(world: World) -> None:
    with pytest.raises(Handoff.DoesNotExist):
        claim_handoff(handoff_id=404, by=world.person(), now=world.now)


def test_a_fact_that_cannot_be_recorded_undoes_the_claim(world: World) -> None:
    """State and fact are written together or not at all."""

    def fail(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if "INSERT INTO contacts_due" in sql:
            raise OperationalError("the disk is full")
        return execute(sql, params, many, context)

    offer = world.offer()
    with connection.execute_wrapper(fail), pytest.raises(OperationalError):
        claim_handoff(handoff_id=offer.pk, by=world.person(), now=world.now)

    offer.refresh_from_db()
    assert (offer.state, offer.claimed_by) == (HandoffState.OFFERED, None)
    assert Standing.objects.get(contact=offer.contact).owner is None
