"""Invariant 5: each violation that is planted in the handoffs is found."""

from datetime import UTC, datetime, timedelta

import pytest

from contacts.enums import Role
from contacts.models import Event, Kind
from contacts.services.record import internal_source
from funnel.models import Handoff, HandoffMove
from funnel.services.handoffs import claim_handoff, return_handoff
from scoring.models import Transition
from tests.funnel.conftest import World, contact, found, sql

pytestmark = pytest.mark.django_db


def of_5() -> list[tuple[int | None, str]]:
    return [(contact_id, message) for invariant, contact_id, message in found() if invariant == 5]


def test_5_two_open_handoffs_of_one_contact_are_found(sound: World) -> None:
    sql("DROP INDEX handoff_one_open")
    first = Handoff.objects.get(contact=contact("offered"))
    second = Handoff.objects.create(contact=first.contact, stage=first.stage)
    HandoffMove.objects.create(handoff=second, number=0, name="offer", to_state="offered")
    assert found() == [(5, first.contact_id, f"has 2 open handoffs: {first.pk}, {second.pk}")]


def test_5_a_claim_behind_the_moves_back_is_found(sound: World) -> None:
    Handoff.objects.filter(contact=contact("offered")).update(
        state="claimed", claimed_by=Handoff.objects.get(contact=contact("claimed")).claimed_by, claimed_at=sound.now
    )
    ((contact_id, message),) = of_5()
    assert contact_id == contact("offered").pk
    assert message.endswith("is claimed, and its last move left it offered")


def test_5_a_claim_without_its_fact_is_found(sound: World) -> None:
    one = contact("claimed")
    Event.objects.filter(contact=one, kind__name="handoff_claimed").delete()
    ((contact_id, message),) = of_5()
    assert contact_id == one.pk
    assert "made 1 moves that leave handoff_claimed at " in message
    assert message.endswith(", and 0 are recorded")


def test_5_a_claim_that_two_people_won_is_found(sound: World) -> None:
    handoff = Handoff.objects.get(contact=contact("claimed"))
    fact = Event.objects.get(contact=handoff.contact, kind__name="handoff_claimed")
    second = sound.person(Role.REP, name="Second Rep")
    Event.objects.create(
        contact=handoff.contact,
        origin_contact_id=handoff.contact_id,
        kind=Kind.objects.get(name="handoff_claimed"),
        # At the same instant, so that nothing but the claim is wrong.
        occurred_at=fact.occurred_at,
        source=internal_source(),
        message_id="again",
        dedupe_id="0197f3a0-0000-7000-8000-000000000001",
        properties=fact.properties,
        recorded_by=second,
    )
    ((contact_id, message),) = of_5()
    assert contact_id == handoff.contact_id
    assert "made 0 moves that leave handoff_claimed at " in message
    assert message.endswith(", and 1 are recorded"), "by somebody else than who moved it"
    # And where it was both recorded and moved, the chain itself breaks.
    HandoffMove.objects.create(
        handoff=handoff, number=2, name="claim", from_state="offered", to_state="claimed", by=second, to_rep=second,
        at=fact.occurred_at,
    )  # fmt: skip
    Handoff.objects.filter(pk=handoff.pk).update(moves_made=2, claimed_by=second)
    assert of_5() == [
        (
            handoff.contact_id,
            f"move 2 of handoff {handoff.pk} (claim) begins at offered, and the one before ended at claimed",
        )
    ]


def test_5_a_claim_held_by_somebody_else_than_its_winner_is_found(sound: World) -> None:
    other = sound.person(Role.REP, name="Other Rep")
    one = contact("claimed")
    Handoff.objects.filter(contact=one).update(claimed_by=other)
    ((contact_id, message),) = of_5()
    assert contact_id == one.pk
    assert message.endswith("is held by another than its last move left it with")


def test_5_a_chain_of_owners_with_a_gap_is_found(sound: World) -> None:
    handoff = Handoff.objects.get(contact=contact("back"))
    claim = HandoffMove.objects.get(handoff=handoff, name="claim")
    HandoffMove.objects.filter(pk=claim.pk).update(to_rep=sound.person(Role.REP, name="Other Rep"))
    of_return = f"move 2 of handoff {handoff.pk} (return)"
    assert of_5() == [
        (handoff.contact_id, f"{of_return} begins with another rep than the one before ended with"),
    ]
    claim.delete()
    messages = [message for _, message in of_5()]
    assert f"{of_return} comes after a gap" in messages


def test_5_a_move_that_the_state_machine_does_not_know_is_found(sound: World) -> None:
    handoff = Handoff.objects.get(contact=contact("offered"))
    HandoffMove.objects.create(handoff=handoff, number=1, name="expire", from_state="offered", to_state="claimed")
    Handoff.objects.filter(pk=handoff.pk).update(moves_made=1)
    messages = [message for _, message in of_5()]
    assert f"move 1 of handoff {handoff.pk} (expire) leads from offered to claimed, which is not allowed" in messages


def test_5_a_contact_ready_for_sales_that_nobody_offered_is_found_after_ten_seconds(sound: World) -> None:
    one = contact("offered")
    Handoff.objects.filter(contact=one).delete()
    recorded = Transition.objects.filter(contact=one).latest("recorded_at").recorded_at
    assert found(now=recorded + timedelta(seconds=9)) == []
    ((invariant, contact_id, message),) = found(now=recorded + timedelta(seconds=11))
    assert (invariant, contact_id) == (5, one.pk)
    assert message.startswith("stands at sales_prospect since ")


def test_5_a_return_that_is_not_judged_yet_leaves_nobody_unoffered(sound: World) -> None:
    rep = sound.person(Role.REP, name="Third Rep")
    handoff = Handoff.objects.get(contact=contact("offered"))
    claim_handoff(handoff_id=handoff.pk, by=rep, now=sound.now)
    return_handoff(handoff_id=handoff.pk, by=rep, reason="no_want", now=sound.now)
    assert contact("offered").standing.stage == "sales_prospect"
    assert [v for v in found(now=datetime.now(UTC) + timedelta(minutes=1)) if v[0] == 5] == []
