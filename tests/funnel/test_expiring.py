"""Clocks that ring: warnings, offers that expire and are made again, claims that lapse, an alarm."""

from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact, Event, Standing
from funnel.enums import HandoffState
from funnel.models import Announcement, Handoff, HandoffMove, RoutingRule, SalesSettings, WorkingCalendar
from funnel.services.consequences import reconcile_standings
from funnel.services.expiring import expire_offers, release_unattempted, set_clocks, warn_of_deadlines
from funnel.services.handoffs import accept_handoff
from funnel.services.releasing import note_attempt
from funnel.services.starving import watch_starvation
from tests.funnel.conftest import World, moves_of, told

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def around_the_clock(world: World) -> None:
    """The team works day and night, so that hours of business are hours."""
    week = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    WorkingCalendar.objects.update(hours=week)


def keep_for(*reps: User) -> RoutingRule:
    rule = RoutingRule.objects.create(name="In turn", mode="round_robin")
    rule.reps.set(reps)
    return rule


def sweep(world: World) -> list[int]:
    tasks = (set_clocks, warn_of_deadlines, release_unattempted, expire_offers)
    return [task(now=world.now) for task in tasks]


def test_an_offer_warns_once_and_then_expires_and_is_made_again_further_up(world: World) -> None:
    offer = world.offer()
    assert (offer.waiting_since, offer.warn_at, offer.due_at) == (
        world.now,
        world.now + timedelta(hours=3),
        world.now + timedelta(hours=4),
    )
    first_offered = world.now
    world.later(hours=3)
    assert sweep(world) == [0, 1, 0, 0]
    assert sweep(world) == [0] * 4, "told once"
    assert told("handoff.warned") == [(offer.pk, {"state": "offered", "rep": None, "escalation": 0})]

    world.later(hours=1)
    assert sweep(world) == [0, 0, 0, 1]
    offer.refresh_from_db()
    assert (offer.state, offer.closed_at, offer.due_at) == (HandoffState.EXPIRED, world.now, None)
    again = Handoff.objects.get(previous=offer)
    assert (again.state, again.escalation, again.offered_at, again.first_offered_at) == (
        HandoffState.OFFERED,
        1,
        world.now,
        first_offered,
    )
    assert again.due_at == world.now + timedelta(hours=4)
    assert "asked for a demo" in again.evidence["sentence"]
    assert moves_of(offer) == [(0, "offer", "", "offered"), (1, "expire", "offered", "expired")]
    assert moves_of(again) == [(0, "offer", "", "offered")]
    fact = Event.objects.get(kind__name="handoff_expired")
    assert (fact.contact_id, fact.properties) == (offer.contact_id, {"handoff": str(offer.pk)})
    assert [data["escalation"] for _, data in told("handoff.offered", keys={"escalation"})] == [0, 1]
    assert len(told("handoff.expired")) == 1


def test_an_expiry_is_no_return_the_contact_stays_where_it_stands(world: World) -> None:
    offer = world.offer()
    world.later(hours=4)
    sweep(world)
    world.settle()
    assert reconcile_standings(now=world.now) == 0
    assert world.stage(offer.contact) == "sales_prospect"
    assert Handoff.objects.get(state=HandoffState.OFFERED).previous == offer


def test_the_offer_of_a_contact_that_fell_is_withdrawn_not_made_again(world: World) -> None:
    offer = world.offer()
    world.later(hours=4)
    Standing.objects.update(stage="lead")
    assert expire_offers(now=world.now) == 0
    assert reconcile_standings(now=world.now) == 1
    offer.refresh_from_db()
    assert offer.state == HandoffState.WITHDRAWN
    assert Handoff.objects.count() == 1


def test_what_is_made_again_passes_over_the_rep_who_let_it_lapse(world: World) -> None:
    rhea, ravi = world.person(name="Rhea Rep"), world.person(name="Ravi Rep")
    keep_for(rhea, ravi)
    offer = world.offer()
    slow = offer.assigned_to
    world.later(hours=4)
    sweep(world)
    again = Handoff.objects.get(previous=offer)
    assert {slow, again.assigned_to} == {rhea, ravi}
    assert [one["why"] for one in again.routing["passed_over"]] == ["let the last offer lapse"]
    assert HandoffMove.objects.get(handoff=again).to_rep == again.assigned_to


def test_expiring_takes_the_same_number_of_statements_for_one_and_for_three(world: World) -> None:
    """But for the explanations: each contact is explained by itself."""
    counts = []
    for people in (1, 3):
        for number in range(people):
            world.prospect(f"person{people}{number}@acme.example")
        world.later(hours=4)
        with CaptureQueriesContext(connection) as captured:
            assert expire_offers(now=world.now) == people
        statements = [query["sql"] for query in captured.captured_queries]
        # Each explanation has a savepoint around it.
        inside, around = 0, []
        for statement in statements:
            inside += statement.startswith("SAVEPOINT") - statement.startswith("RELEASE SAVEPOINT")
            if not inside and not statement.startswith("RELEASE"):
                around.append(statement)
        counts.append(len(around))
        Handoff.objects.filter(state=HandoffState.OFFERED).update(due_at=None)
    assert counts[0] == counts[1]


def test_a_claim_without_an_attempt_in_time_goes_back_to_the_queue(world: World) -> None:
    rep = world.person()
    handoff = world.claimed(rep)
    assert (handoff.due_at, handoff.attempted_at) == (world.now + timedelta(hours=8), None)
    accept_handoff(handoff_id=handoff.pk, by=rep, now=world.later(hours=1))
    world.later(hours=5)
    assert sweep(world) == [0, 1, 0, 0]
    assert told("handoff.warned")[0][1]["rep"] == rep.pk
    world.later(hours=2)
    assert sweep(world) == [0, 0, 1, 0]

    handoff.refresh_from_db()
    assert (handoff.state, handoff.claimed_by, handoff.claimed_at, handoff.accepted_at) == ("offered", None, None, None)
    assert (handoff.waiting_since, handoff.due_at) == (world.now, world.now + timedelta(hours=4))
    assert Standing.objects.get().owner is None
    last = HandoffMove.objects.filter(handoff=handoff).latest("number")
    assert (last.name, last.reason, last.by, last.from_rep, last.to_rep) == ("release", "no_attempt", None, rep, None)
    assert last.due_at == world.now
    fact = Event.objects.get(kind__name="handoff_released")
    assert fact.properties == {"handoff": str(handoff.pk), "reason": "no_attempt"}
    world.settle()
    assert world.stage(handoff.contact) == "sales_prospect", "no return: nothing cools down"
    assert [data["reason"] for _, data in told("handoff.released", keys={"reason"})] == ["no_attempt"]


@pytest.mark.parametrize("kind", ["call_attempted", "call_connected", "email_written", "email_replied", "meeting_held"])
def test_the_first_attempt_ends_the_clock_whoever_reports_it(world: World, kind: str) -> None:
    handoff = world.claimed(world.person())
    at = world.later(hours=2)
    world.happens("ann@acme.example", kind, properties={"with": "Rhea Rep"})
    world.later(hours=7)
    assert sweep(world) == [0] * 4
    handoff.refresh_from_db()
    assert (handoff.state, handoff.attempted_at, handoff.due_at) == (HandoffState.CLAIMED, at, None)


def test_what_happened_before_the_claim_or_is_no_attempt_does_not_count(world: World) -> None:
    world.happens("ann@acme.example", "call_connected", properties={"with": "Rhea Rep"})
    handoff = world.claimed(world.person())
    world.later(hours=1)
    world.happens("ann@acme.example", "email_opened")
    world.later(hours=8)
    assert release_unattempted(now=world.now) == 1
    handoff.refresh_from_db()
    assert handoff.state == HandoffState.OFFERED


def test_an_attempt_that_is_noted_at_once_ends_the_clock(world: World) -> None:
    handoff = world.claimed(world.person())
    assert note_attempt([handoff.pk], at=world.later(minutes=5)) == 1
    assert note_attempt([handoff.pk], at=world.later(minutes=5)) == 0
    world.later(days=2)
    assert sweep(world) == [0] * 4


def test_clocks_that_are_not_set_yet_start_now(world: World) -> None:
    """After an upgrade nothing that waited long is due at once."""
    offered, claimed = world.offer("old@acme.example"), world.claimed(world.person())
    Handoff.objects.update(waiting_since=None, warn_at=None, due_at=None)
    world.later(days=30)
    assert sweep(world) == [2, 0, 0, 0]
    offered.refresh_from_db()
    claimed.refresh_from_db()
    assert (offered.due_at, claimed.due_at) == (world.now + timedelta(hours=4), world.now + timedelta(hours=8))


def test_starvation_is_told_once_an_episode(world: World) -> None:
    offer = world.offer()
    SalesSettings.objects.update(starving_hours=10)
    assert not watch_starvation(now=world.later(hours=9))
    assert watch_starvation(now=world.later(hours=1))
    assert not watch_starvation(now=world.later(hours=1))
    assert told("queue.starving", keys={"hours"}) == [(offer.pk, {"hours": 10})]
    # Expiring and offering again does not make it young.
    sweep(world)
    assert not watch_starvation(now=world.now)
    Handoff.objects.filter(state=HandoffState.OFFERED).update(state=HandoffState.WITHDRAWN, closed_at=world.now)
    assert not watch_starvation(now=world.now)
    assert SalesSettings.objects.get().starving_said_at is None
    world.offer("bob@acme.example")
    world.later(hours=10)
    assert watch_starvation(now=world.now), "another episode"
    assert Announcement.objects.filter(type="queue.starving").count() == 2


def test_the_sweep_runs_every_five_seconds_and_does_all_of_it(world: World) -> None:
    current_app.loader.import_default_modules()
    every = {entry["task"]: entry["schedule"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert every["funnel.clocks"] == 5.0
    world.now -= timedelta(days=2)
    offer = world.offer()
    manager = world.person(Role.MANAGER, "Mo Manager")
    assert manager.pk
    current_app.tasks["funnel.clocks"]()
    offer.refresh_from_db()
    assert offer.state == HandoffState.EXPIRED
    assert Handoff.objects.get(previous=offer).due_at is not None


def test_an_offer_whose_evidence_cannot_be_computed_is_made_again_on_the_old(world: World) -> None:
    offer = world.offer()
    world.later(hours=4)

    def fail(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if "scoring_pin" in sql or "contacts_attributechange" in sql:
            raise ValueError("cannot be explained")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        assert expire_offers(now=world.now) == 1
    assert Handoff.objects.get(previous=offer).evidence == offer.evidence
    assert Contact.objects.count() == 1
