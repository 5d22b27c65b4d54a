"""Handoffs of contacts that become one, and of those that part again."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from contacts.enums import Role
from contacts.models import Contact, Event, Merge, Standing
from contacts.services.merging import merge_contacts
from contacts.services.parting import undo_merge
from funnel.enums import HandoffState
from funnel.errors import NotClaimable, WrongState
from funnel.models import Handoff
from funnel.services.consequences import reconcile_standings
from funnel.services.handoffs import accept_handoff, claim_handoff, return_handoff, win_handoff
from funnel.services.verification import verify_invariants
from scoring.models import Transition
from tests.funnel.conftest import FITTING, World

pytestmark = pytest.mark.django_db


def merge(world: World, winner: Contact, loser: Contact) -> Merge:
    made = merge_contacts(
        winner_id=winner.pk, loser_id=loser.pk, by=None, source=None, reason="", now=world.later(minutes=1)
    )
    settle(world)
    return made


def undo(world: World, merge: Merge) -> None:
    undo_merge(merge_id=merge.pk, by=None, now=world.later(minutes=1))
    settle(world)


def settle(world: World) -> None:
    world.settle()
    while reconcile_standings(now=world.now):
        world.settle()
    world.tell()
    assert [str(fault) for fault in verify_invariants(now=max(world.now, datetime.now(UTC)))] == []


def shown(*handoffs: Handoff) -> list[tuple[str, int]]:
    """State and contact of each, as they are now."""
    for handoff in handoffs:
        handoff.refresh_from_db()
    return [(handoff.state, handoff.contact_id) for handoff in handoffs]


def owner_of(contact: Contact) -> str:
    owner = Standing.objects.select_related("owner").get(contact=contact).owner
    return owner.first_name if owner else ""


def test_of_two_offers_the_older_stays_open_and_the_other_comes_back(world: World) -> None:
    late = world.prospect("late@acme.example")
    world.later(hours=-2)
    early = world.prospect("early@acme.example")
    kept, other = Handoff.objects.get(contact=early), Handoff.objects.get(contact=late)
    Handoff.objects.filter(pk=kept.pk).update(offered_at=other.offered_at - (other.offered_at - kept.offered_at) * 2)
    world.later(hours=3)
    made = merge(world, late, early)
    assert shown(kept, other) == [("offered", late.pk), ("suspended", late.pk)]
    assert (other.suspended_by, other.suspended_from) == (made, "offered")
    assert other.closed_at is not None
    undo(world, made)
    assert shown(kept, other) == [("offered", early.pk), ("offered", late.pk)]
    assert Handoff.objects.filter(suspended_by=None, suspended_from="", closed_at=None).count() == 2


def test_the_claimed_one_stays_with_its_rep_whoever_wins_the_merge(world: World) -> None:
    rep = world.person()
    offered = world.offer("older@acme.example")
    world.later(hours=1)
    claimed = world.claimed(rep, "newer@acme.example")
    older, newer = offered.contact, claimed.contact
    made = merge(world, older, newer)
    assert shown(offered, claimed) == [("suspended", older.pk), ("claimed", older.pk)]
    assert owner_of(older) == rep.first_name
    assert world.stage(older) == "sales_prospect"
    # What is done with it is a fact of the contact whose handoff it is.
    accept_handoff(handoff_id=claimed.pk, by=rep, now=world.later(minutes=1))
    fact = Event.objects.get(kind__name="handoff_accepted")
    assert (fact.contact_id, fact.origin_contact_id) == (older.pk, newer.pk)
    with pytest.raises(WrongState):
        accept_handoff(handoff_id=offered.pk, by=world.person(Role.MANAGER, "Mo Manager"), now=world.now)
    settle(world)
    undo(world, made)
    assert shown(offered, claimed) == [("offered", older.pk), ("accepted", newer.pk)]
    assert (owner_of(older), owner_of(newer)) == ("", rep.first_name)


def test_what_was_won_meanwhile_stays_won_and_the_other_comes_back(world: World) -> None:
    rep = world.person()
    offered = world.offer("older@acme.example")
    claimed = world.claimed(rep, "newer@acme.example")
    older, newer = offered.contact, claimed.contact
    made = merge(world, older, newer)
    win_handoff(handoff_id=claimed.pk, by=rep, note="Signed", now=world.later(minutes=1))
    settle(world)
    assert world.stage(older) == "customer"
    assert shown(offered, claimed) == [("suspended", older.pk), ("won", older.pk)]
    undo(world, made)
    assert shown(offered, claimed) == [("offered", older.pk), ("won", newer.pk)]
    assert (world.stage(older), world.stage(newer)) == ("sales_prospect", "customer")
    assert (owner_of(older), owner_of(newer)) == ("", rep.first_name)


def test_where_another_was_opened_meanwhile_the_claimed_one_stays(world: World) -> None:
    """The loser's, which had stayed open, went back; a new offer of both was claimed before they parted."""
    rep, other_rep = world.person(), world.person(name="Otto Other")
    offered = world.offer("winner@acme.example")
    claimed = world.claimed(rep, "loser@acme.example")
    winner, loser = offered.contact, claimed.contact
    made = merge(world, winner, loser)
    return_handoff(handoff_id=claimed.pk, by=rep, reason="no_response", now=world.later(minutes=1))
    settle(world)
    world.later(days=31)
    world.happens("winner@acme.example", "demo_requested")
    settle(world)
    fresh = Handoff.objects.get(contact=winner, state=HandoffState.OFFERED)
    claim_handoff(handoff_id=fresh.pk, by=other_rep, now=world.later(minutes=1))
    settle(world)
    undo(world, made)
    assert shown(fresh, offered, claimed) == [
        ("claimed", winner.pk),
        ("withdrawn", winner.pk),
        ("returned", loser.pk),
    ]
    assert Event.objects.filter(kind__name="handoff_withdrawn", contact=winner).count() == 1
    assert owner_of(winner) == other_rep.first_name


def test_handoffs_of_three_come_back_in_any_order(world: World) -> None:
    offers = [world.offer(f"{name}@acme.example") for name in ("ann", "bob", "cid")]
    ann, bob, cid = (handoff.contact for handoff in offers)
    inner = merge(world, bob, cid)
    outer = merge(world, ann, bob)
    assert sorted(state for state, _ in shown(*offers)) == ["offered", "suspended", "suspended"]
    undo(world, inner)
    assert sorted(state for state, _ in shown(*offers)) == ["offered", "offered", "suspended"]
    assert offers[2].contact == cid
    assert offers[2].state == "offered"
    undo(world, outer)
    assert shown(*offers) == [("offered", ann.pk), ("offered", bob.pk), ("offered", cid.pk)]


def test_a_merge_is_judged_once_from_the_facts_of_both(world: World) -> None:
    """The same facts told of one contact from the outset give the same score; nothing is added twice."""
    for email, kinds in (
        ("one@a.example", ["form_submitted", "asset_downloaded"]),
        ("other@b.example", ["event_registered"]),
    ):
        for kind in kinds:
            world.happens(email, kind, traits=FITTING)
            world.happens("both@c.example", kind, traits=FITTING)
    world.settle()
    one, other, both = (
        Contact.objects.get(email=email) for email in ("one@a.example", "other@b.example", "both@c.example")
    )
    apart = {row.contact_id: row.engagement_mp for row in Standing.objects.all()}
    made = merge(world, one, other)
    standings = {row.contact_id: row for row in Standing.objects.all()}
    assert other.pk not in standings
    assert standings[one.pk].engagement_mp == standings[both.pk].engagement_mp
    assert standings[one.pk].stage == standings[both.pk].stage
    assert not Transition.objects.filter(contact=other, superseded_at=None).exists()
    undo(world, made)
    assert {row.contact_id: row.engagement_mp for row in Standing.objects.all()} == apart


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_claim_and_a_merge_at_once_both_succeed(transactional_db: None) -> None:
    """The claim holds the handoff and wants its contact, the merge the other way round."""
    world = World()
    rep = world.person()
    for turn in range(4):
        first, second = world.offer(f"first{turn}@acme.example"), world.offer(f"second{turn}@acme.example")
        winner, loser = (first.contact, second.contact) if turn % 2 else (second.contact, first.contact)
        now = world.later(minutes=1)
        start = threading.Barrier(2)

        def run(call: Callable[[], Any], start: threading.Barrier = start) -> Any:
            try:
                start.wait()
                return call()
            except Exception as error:  # noqa: BLE001  the test looks at it
                return error
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            claiming = pool.submit(run, partial(claim_handoff, handoff_id=second.pk, by=rep, now=now))
            merging = pool.submit(
                run,
                partial(
                    merge_contacts,
                    winner_id=winner.pk, loser_id=loser.pk, by=None, source=None, reason="", now=now,
                ),
            )  # fmt: skip
            claimed, made = claiming.result(), merging.result()
        assert isinstance(made, Merge), made
        if claimed is None:
            assert shown(first, second) == [("suspended", winner.pk), ("claimed", winner.pk)]
        else:
            # The merge was first, and left the older offer open.
            assert isinstance(claimed, NotClaimable)
            assert shown(first, second) == [("offered", winner.pk), ("suspended", winner.pk)]
        settle(world)


@pytest.mark.parametrize("page", ["", "why/", "journey/", "consent/"])
def test_the_pages_of_a_merged_contact_lead_to_whom_it_became(world: World, client: Client, page: str) -> None:
    kept, gone = world.prospect("kept@acme.example"), world.prospect("gone@acme.example")
    made = merge(world, kept, gone)
    client.force_login(world.person())
    answer = client.get(f"/contacts/{gone.pk}/{page}?at=2026-01-01")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/contacts/{kept.pk}/{page}?at=2026-01-01")
    assert client.get(f"/contacts/{kept.pk}/{page}").status_code == 200
    undo(world, made)
    assert client.get(f"/contacts/{gone.pk}/{page}").status_code == 200
    assert client.get(f"/contacts/999999/{page}").status_code == 404
