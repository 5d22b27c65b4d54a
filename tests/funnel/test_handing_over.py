"""Who takes a handoff and who lets it go: limits, what is kept for others, reassigning, taking over, releasing."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Event, Standing
from funnel.enums import HandoffState
from funnel.errors import HandoffConflict, KeptForAnother, LimitReached, NotClaimable, WrongState
from funnel.models import Announcement, Handoff, HandoffMove, RepProfile, SalesSettings
from funnel.moves import RELEASE
from funnel.services.claiming import claim_handoff, reassign_handoff, take_over_handoff
from funnel.services.consequences import reconcile_standings
from funnel.services.handoff_verification import verify_handoffs
from funnel.services.handoffs import accept_handoff, return_handoff
from funnel.services.making import make_moves
from funnel.services.outcomes import record_outcome
from funnel.services.releasing import release_handoff
from tests.funnel.conftest import World, moves_of, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(world: World) -> User:
    return world.person(Role.MANAGER, "Mo Manager")


@pytest.fixture(autouse=True)
def sound_at_the_end(world: World) -> Any:
    """Whatever was done, the chain of owners holds."""
    yield
    assert [str(fault) for fault in verify_handoffs(now=datetime.now(UTC) - timedelta(days=30))] == []


def chain(handoff: Handoff) -> list[tuple[str, str, str]]:
    """Each move's name, who had it before and who after."""
    rows = HandoffMove.objects.filter(handoff=handoff).order_by("number").select_related("from_rep", "to_rep")
    return [
        (row.name, row.from_rep.first_name if row.from_rep else "", row.to_rep.first_name if row.to_rep else "")
        for row in rows
    ]


def rep_of(handoff: Handoff) -> User | None:
    """Whose it is now."""
    return Handoff.objects.get(pk=handoff.pk).claimed_by


def refused(code: str) -> Any:
    return pytest.raises(HandoffConflict, check=lambda error: error.code == code)


def test_a_rep_claims_up_to_the_limit_and_no_further(world: World) -> None:
    SalesSettings.objects.update(claim_limit=2)
    rep = world.person()
    first = world.claimed(rep, "ann@acme.example")
    world.claimed(rep, "bob@acme.example")
    third = world.offer("cid@acme.example")
    with pytest.raises(LimitReached, match="You hold 2 open handoffs or more, the limit") as full:
        claim_handoff(handoff_id=third.pk, by=rep, now=world.now)
    assert full.value.code == "limit_reached"
    third.refresh_from_db()
    assert (third.state, third.moves_made) == (HandoffState.OFFERED, 0), "nothing of it was done"
    assert Event.objects.filter(kind__name="handoff_claimed").count() == 2

    release_handoff(handoff_id=first.pk, by=rep, now=world.now)
    claim_handoff(handoff_id=third.pk, by=rep, now=world.now)
    assert rep_of(third) == rep


def test_somebody_s_own_limit_goes_before_the_installation_s(world: World) -> None:
    rep = world.person()
    RepProfile.objects.create(user=rep, claim_limit=1)
    world.claimed(rep)
    with refused("limit_reached"):
        claim_handoff(handoff_id=world.offer("bob@acme.example").pk, by=rep, now=world.now)


def test_what_is_kept_for_a_rep_only_they_or_a_manager_may_claim(world: World, manager: User) -> None:
    rhea, ravi = world.person(name="Rhea Rep"), world.person(name="Ravi Rep")
    one, other = world.offer("ann@acme.example"), world.offer("bob@acme.example")
    Handoff.objects.update(assigned_to=rhea)
    HandoffMove.objects.update(to_rep=rhea)
    with pytest.raises(KeptForAnother, match="Kept for Rhea Rep") as kept:
        claim_handoff(handoff_id=one.pk, by=ravi, now=world.now)
    assert (kept.value.code, kept.value.rep) == ("kept_for_another", "Rhea Rep")
    SalesSettings.objects.update(claim_limit=2)
    claim_handoff(handoff_id=one.pk, by=rhea, now=world.now)
    assert rep_of(one) == rhea
    claim_handoff(handoff_id=other.pk, by=manager, now=world.now)
    assert rep_of(other) == manager
    assert chain(other) == [("offer", "", "Rhea"), ("claim", "Rhea", "Mo")]


def test_a_released_handoff_is_anybody_s_again_and_no_return(world: World) -> None:
    rhea, ravi = world.person(name="Rhea Rep"), world.person(name="Ravi Rep")
    handoff = world.claimed(rhea)
    accept_handoff(handoff_id=handoff.pk, by=rhea, now=world.now)
    due = Handoff.objects.get().due_at
    release_handoff(handoff_id=handoff.pk, by=rhea, note="Not my field", now=world.later(minutes=5))
    handoff.refresh_from_db()
    assert (handoff.state, handoff.claimed_by, handoff.claimed_at, handoff.accepted_at) == ("offered", None, None, None)
    assert handoff.waiting_since == world.now
    assert Standing.objects.get().owner is None
    fact = Event.objects.get(kind__name="handoff_released")
    assert fact.properties == {"handoff": str(handoff.pk), "reason": "by_hand", "note": "Not my field"}
    world.settle()
    assert world.stage(handoff.contact) == "sales_prospect"
    claim_handoff(handoff_id=handoff.pk, by=ravi, now=world.later(minutes=1))
    assert rep_of(handoff) == ravi
    assert chain(handoff) == [
        ("offer", "", ""), ("claim", "", "Rhea"), ("accept", "Rhea", "Rhea"), ("release", "Rhea", ""),
        ("claim", "", "Ravi"),
    ]  # fmt: skip
    assert HandoffMove.objects.get(name="release").due_at == due, "the clock that it ended"


def test_a_released_handoff_of_a_contact_that_fell_meanwhile_is_withdrawn(world: World) -> None:
    """Under a rep's hands it stays; in the queue it has no place."""
    rep = world.person()
    handoff = world.claimed(rep)
    world.later(days=61)
    world.settle()
    handoff.refresh_from_db()
    assert (world.stage(handoff.contact) == "sales_prospect", handoff.state) == (False, HandoffState.CLAIMED)
    release_handoff(handoff_id=handoff.pk, by=rep, now=world.now)
    with pytest.raises(NotClaimable):
        claim_handoff(handoff_id=handoff.pk, by=rep, now=world.now)
    world.settle()
    reconcile_standings(now=world.now)
    handoff.refresh_from_db()
    assert handoff.state == HandoffState.WITHDRAWN


@pytest.mark.parametrize("accepted", [False, True])
def test_a_manager_reassigns_what_a_rep_holds(world: World, manager: User, *, accepted: bool) -> None:
    rhea, ravi = world.person(name="Rhea Rep"), world.person(name="Ravi Rep")
    handoff = world.claimed(rhea)
    if accepted:
        accept_handoff(handoff_id=handoff.pk, by=rhea, now=world.now)
    record_outcome(handoff_id=handoff.pk, by=rhea, outcome="in_talks", now=world.later(minutes=5))
    reassign_handoff(handoff_id=handoff.pk, by=manager, to=ravi, note="On leave", now=world.later(minutes=5))
    handoff.refresh_from_db()
    assert (handoff.state, handoff.claimed_by, handoff.claimed_at) == (
        "accepted" if accepted else "claimed",
        ravi,
        world.now,
    )
    assert handoff.attempted_at is None, "Ravi has not tried yet"
    assert handoff.due_at is not None
    assert Standing.objects.get().owner == ravi
    fact = Event.objects.get(kind__name="handoff_reassigned")
    assert (fact.recorded_by, fact.properties) == (
        manager,
        {"handoff": str(handoff.pk), "to": str(ravi.pk), "note": "On leave"},
    )
    with pytest.raises(PermissionDenied):
        return_handoff(handoff_id=handoff.pk, by=rhea, reason="other", now=world.now)
    return_handoff(handoff_id=handoff.pk, by=ravi, reason="other", now=world.now)
    handoff.refresh_from_db()
    assert handoff.state == HandoffState.RETURNED
    assert chain(handoff)[-3:] == [("outcome", "Rhea", "Rhea"), ("reassign", "Rhea", "Ravi"), ("return", "Ravi", "")]


def test_an_offer_that_is_reassigned_is_claimed_by_that_rep(world: World, manager: User) -> None:
    rep = world.person()
    offer = world.offer()
    reassign_handoff(handoff_id=offer.pk, by=manager, to=rep, now=world.later(minutes=1))
    handoff = Handoff.objects.get(pk=offer.pk)
    assert (handoff.state, handoff.claimed_by) == (HandoffState.CLAIMED, rep)
    assert moves_of(handoff) == [(0, "offer", "", "offered"), (1, "reassign", "offered", "claimed")]


def test_reassigning_obeys_the_limit_unless_it_is_overridden(world: World, manager: User) -> None:
    rep = world.person()
    RepProfile.objects.create(user=rep, claim_limit=0)
    offer = world.offer()
    with pytest.raises(LimitReached, match="Rhea Rep holds 0 open handoffs or more"):
        reassign_handoff(handoff_id=offer.pk, by=manager, to=rep, now=world.now)
    reassign_handoff(handoff_id=offer.pk, by=manager, to=rep, override=True, now=world.now)
    assert rep_of(offer) == rep


def test_reassigning_refuses_whom_and_what_it_cannot(world: World, manager: User) -> None:
    rep, marketer = world.person(), world.person(Role.MARKETER, "Mira Marketer")
    handoff = world.claimed(rep)
    with pytest.raises(ValidationError, match="Mira Marketer does not work handoffs"):
        reassign_handoff(handoff_id=handoff.pk, by=manager, to=marketer, now=world.now)
    with pytest.raises(WrongState, match="Rhea Rep has it already"):
        reassign_handoff(handoff_id=handoff.pk, by=manager, to=rep, now=world.now)
    for act in (reassign_handoff, take_over_handoff):
        given: Mapping[str, Any] = {"to": rep} if act is reassign_handoff else {}
        with pytest.raises(PermissionDenied):
            act(handoff_id=handoff.pk, by=rep, now=world.now, **given)
    return_handoff(handoff_id=handoff.pk, by=rep, reason="other", now=world.now)
    with pytest.raises(WrongState, match="cannot change hands any more"):
        reassign_handoff(handoff_id=handoff.pk, by=manager, to=rep, now=world.now)
    offer = world.offer("bob@acme.example")
    Standing.objects.filter(contact=offer.contact).update(stage="lead")
    with pytest.raises(NotClaimable, match="stands at Lead now"):
        reassign_handoff(handoff_id=offer.pk, by=manager, to=rep, now=world.now)
    Standing.objects.filter(contact=offer.contact).update(stage="sales_prospect")


def test_a_manager_takes_over_whatever_they_hold(world: World, manager: User) -> None:
    RepProfile.objects.create(user=manager, claim_limit=0)
    handoff = world.claimed(world.person())
    take_over_handoff(handoff_id=handoff.pk, by=manager, now=world.later(minutes=1))
    handoff.refresh_from_db()
    assert (handoff.state, handoff.claimed_by) == (HandoffState.CLAIMED, manager)
    with pytest.raises(WrongState, match="has it already"):
        take_over_handoff(handoff_id=handoff.pk, by=manager, now=world.now)
    assert chain(handoff)[-1] == ("take over", "Rhea", "Mo")


def test_everything_that_people_do_is_told_and_an_outcome_is_not(world: World, manager: User) -> None:
    rep = world.person()
    handoff = world.claimed(rep)
    accept_handoff(handoff_id=handoff.pk, by=rep, now=world.now)
    record_outcome(handoff_id=handoff.pk, by=rep, outcome="in_talks", now=world.now)
    take_over_handoff(handoff_id=handoff.pk, by=manager, now=world.now)
    release_handoff(handoff_id=handoff.pk, by=manager, now=world.now)
    types = list(Announcement.objects.filter(handoff=handoff).order_by("id").values_list("type", flat=True))
    assert types == [f"handoff.{name}" for name in ("offered", "claimed", "accepted", "reassigned", "released")]
    ((_, data),) = told("handoff.reassigned", keys={"move", "number", "from", "to", "by", "from_rep", "to_rep"})
    assert data == {
        "move": "take over",
        "number": 4,
        "from": "accepted",
        "to": "accepted",
        "by": manager.pk,
        "from_rep": rep.pk,
        "to_rep": manager.pk,
    }


def test_a_claim_takes_few_statements_whatever_the_reps_already_have(world: World) -> None:
    """Many claim at once, and each statement is paid for by all who wait for one of the machine's cores."""
    rep = world.person()
    counts = []
    for number in range(3):
        offer = world.offer(f"person{number}@acme.example")
        with CaptureQueriesContext(connection) as captured:
            claim_handoff(handoff_id=offer.pk, by=rep, now=world.later(minutes=1))
        counts.append(len(captured))
    # The first asks for the rep's role, too; a transaction within the test's own is a savepoint, which is two.
    assert counts[1] == counts[2] <= 18, [query["sql"] for query in captured]


def test_a_lost_claim_takes_three_statements(world: World) -> None:
    winner, loser = world.person(name="Rhea Rep"), world.person(name="Ravi Rep")
    handoff = world.claimed(winner)
    with refused("already_claimed"):
        claim_handoff(handoff_id=handoff.pk, by=loser, now=world.now)
    with CaptureQueriesContext(connection) as captured, refused("already_claimed"):
        claim_handoff(handoff_id=handoff.pk, by=loser, now=world.now)
    # The definition, the claim, and whose it is; the savepoint that the test's transaction makes of its own is three.
    assert len(captured) == 6, [query["sql"] for query in captured]


def test_making_a_move_takes_the_same_number_of_statements_for_one_and_for_three(world: World) -> None:
    counts = []
    for people in (1, 3):
        rep = world.person(name=f"Rep Number{people}")
        ids = [world.claimed(rep, f"person{people}{number}@acme.example").pk for number in range(people)]
        with CaptureQueriesContext(connection) as captured:
            moved = make_moves(RELEASE, Handoff.objects.filter(pk__in=ids), now=world.now, reason="by_hand")
        assert [one.handoff_id for one in moved] == ids
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_after_a_return_only_a_new_readiness_signal_lifts_the_cool_down(world: World) -> None:
    rep = world.person()
    first = world.claimed(rep)
    return_handoff(handoff_id=first.pk, by=rep, reason="no_response", now=world.later(minutes=1))
    world.settle()
    # A dialogue alone does not, within the thirty days...
    world.later(days=10)
    world.happens("ann@acme.example", "call_connected", properties={"with": "Rhea Rep"})
    world.settle()
    assert world.stage(first.contact) == "marketing_prospect"
    assert Handoff.objects.count() == 1
    # ...readiness does, at once.
    world.later(days=1)
    world.happens("ann@acme.example", "meeting_requested")
    world.settle()
    assert world.stage(first.contact) == "sales_prospect"
    second = Handoff.objects.get(state=HandoffState.OFFERED)
    assert (second.offered_at, second.previous, second.escalation) == (world.now, None, 0)


def test_expiry_and_release_start_no_cool_down(world: World) -> None:
    rep = world.person()
    handoff = world.claimed(rep)
    release_handoff(handoff_id=handoff.pk, by=rep, now=world.later(minutes=1))
    world.settle()
    world.later(days=10)
    world.happens("ann@acme.example", "call_connected", properties={"with": "Rhea Rep"})
    world.settle()
    assert world.stage(handoff.contact) == "sales_prospect", "its evidence from before counts still"
