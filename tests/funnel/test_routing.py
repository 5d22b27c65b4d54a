"""Who gets an offer: what is stored of the decision, and that races break no limit."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact
from funnel.enums import HandoffState
from funnel.models import Absence, Handoff, RepProfile, RoutingRule, SalesSettings
from funnel.selectors.routing import language_of
from funnel.selectors.working import Capacity, capacities
from funnel.services.claiming import claim_handoff
from funnel.services.consequences import draw_consequences
from funnel.services.handoffs import return_handoff, win_handoff
from funnel.services.routing import route
from scoring.services.evaluate import drain_due
from tests.funnel.conftest import FITTING, World
from tests.funnel.test_races import at_once


@pytest.fixture
def team(world: World) -> list[User]:
    return [world.person(Role.REP, name) for name in ("Ann Rep", "Ben Rep", "Cara Rep")]


def rule(name: str = "In turn", mode: str = "round_robin", *named: User, **conditions: Any) -> RoutingRule:
    made = RoutingRule.objects.create(
        name=name, mode=mode, conditions=conditions, position=RoutingRule.objects.count() + 1
    )
    made.reps.set(named)
    return made


def owner_of(handoff: Handoff) -> str:
    return handoff.assigned_to.first_name if handoff.assigned_to else ""


@pytest.mark.django_db
def test_without_rules_an_offer_waits_in_the_queue_and_says_so(world: World, team: list[User]) -> None:
    offer = world.offer()

    assert offer.assigned_to is None
    assert offer.routing["why"] == "In the queue for whoever claims it first: no rule gives offers to anybody."


@pytest.mark.django_db
def test_offers_go_round_and_pass_over_who_is_away_full_gone_or_not_in_sales_any_more(
    world: World, team: list[User]
) -> None:
    away, full, gone, moved = (world.person(Role.REP, f"{name} Rep") for name in ("Dan", "Eve", "Fay", "Gus"))
    rule("Everybody", "round_robin", *team, away, full, gone, moved)
    today = world.now.date()
    Absence.objects.create(user=away, first_day=today - timedelta(1), last_day=today + timedelta(2))
    RepProfile.objects.create(user=full, claim_limit=0)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    moved.groups.set([Group.objects.get(name=Role.MARKETER.value)])

    offers = [world.offer(f"contact{number}@acme.example") for number in range(6)]

    assert sorted(map(owner_of, offers)) == ["Ann", "Ann", "Ben", "Ben", "Cara", "Cara"]
    passed = {one["person"]: one["why"] for one in offers[0].routing["passed_over"]}
    assert set(passed) == {"Dan Rep", "Eve Rep", "Fay Rep", "Gus Rep"}
    assert passed["Dan Rep"].startswith("is away until ")
    assert passed["Eve Rep"] == "is full, with 0 of 0"
    assert passed["Fay Rep"] == "has been deactivated"
    assert passed["Gus Rep"] == "is not in Sales any more"


@pytest.mark.django_db
def test_the_company_stays_with_who_has_or_won_its_other_contacts(world: World, team: list[User]) -> None:
    holder, winner, _ = team
    rule("Companies", "company_owner")
    won = world.claimed(winner, "won@acme.example")
    win_handoff(handoff_id=won.pk, by=winner, note="Signed.", now=world.later(minutes=1))
    world.settle()

    assert owner_of(world.offer("second@acme.example")) == "Ben", "who won the company"
    Handoff.objects.filter(contact__email="second@acme.example").update(assigned_to=None)
    claim_handoff(
        handoff_id=Handoff.objects.get(contact__email="second@acme.example").pk, by=holder, now=world.later(minutes=1)
    )
    third = world.offer("third@acme.example")
    assert owner_of(third) == "Ann", "who has it in hand comes first"
    assert third.routing["why"] == "Kept for Ann Rep by the rule “Companies”: has contacts of its company already."
    stranger = world.happens("stranger@other.example", "demo_requested", traits={**FITTING, "company": OTHER})
    world.settle()
    assert Handoff.objects.get(contact=stranger).assigned_to is None


OTHER = {"name": "Other", "domain": "other.example", "industry": "software", "employees": 200}


@pytest.mark.django_db
def test_a_returned_contact_does_not_tie_its_company_to_the_rep(world: World, team: list[User]) -> None:
    rule("Companies", "company_owner")
    returned = world.claimed(team[0], "back@acme.example")
    return_handoff(handoff_id=returned.pk, by=team[0], reason="no_want", now=world.later(minutes=1))
    world.settle()

    assert world.offer("second@acme.example").assigned_to is None


@pytest.mark.django_db
def test_territories_follow_the_contact_and_its_company(world: World, team: list[User]) -> None:
    rule("Territories", "territory")
    RepProfile.objects.create(user=team[0], countries=["Germany"])
    RepProfile.objects.create(user=team[1], languages=["pt"])
    traits = {**FITTING, "company": {**FITTING["company"], "country": "Germany"}}  # type: ignore[dict-item]
    german = world.happens("german@acme.example", "demo_requested", traits=traits)
    other = {**FITTING, "company": OTHER, "attributes.locale": "pt-BR"}
    portuguese = world.happens("brazilian@other.example", "demo_requested", traits=other)
    world.settle()

    assert owner_of(Handoff.objects.get(contact=german)) == "Ann"
    assert owner_of(Handoff.objects.get(contact=portuguese)) == "Ben"
    assert Handoff.objects.get(contact=portuguese).routing["why"].endswith("looks after the language pt.")


@pytest.mark.parametrize(
    ("attributes", "language"),
    [({"language": "DE"}, "de"), ({"locale": "pt_BR"}, "pt"), ({"locale": 7}, ""), ({}, ""), ({"language": " "}, "")],
)
def test_the_language_is_read_from_what_sources_send(attributes: dict[str, Any], language: str) -> None:
    assert language_of(Contact(attributes=attributes)) == language


@pytest.mark.django_db
def test_a_switched_off_rule_is_not_asked(world: World, team: list[User]) -> None:
    off = rule()
    RoutingRule.objects.filter(pk=off.pk).update(is_active=False)

    assert world.offer().assigned_to is None


def batch(world: World, count: int, prefix: str) -> list[Handoff]:
    """Unsaved offers of contacts that stand there."""
    contacts = [
        world.happens(f"{prefix}{number}@acme.example", "page_viewed", traits=FITTING) for number in range(count)
    ]
    return [Handoff(contact=contact, stage="sales_prospect") for contact in contacts]


@pytest.mark.django_db
def test_routing_takes_the_same_number_of_queries_for_one_and_for_many(world: World, team: list[User]) -> None:
    rule("Companies", "company_owner")
    rule("Territories", "territory", *team)
    rule()

    def statements(offers: list[Handoff]) -> int:
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            routed = route(offers, now=world.now)
        assert all(one.rep_id is not None for one in routed)
        return len(queries)

    one, many = batch(world, 1, "one"), batch(world, 12, "many")
    assert statements(one) == statements(many) <= 20


@pytest.mark.django_db
def test_without_rules_routing_asks_one_question(world: World, team: list[User]) -> None:
    offers = batch(world, 3, "some")

    with CaptureQueriesContext(connection) as queries:
        route(offers, now=world.now)

    assert len(queries) == 1


# Many at once


def scene(racing: World, *, reps_there: int, limit: int, contacts: int) -> Callable[[], int]:
    """Judged contacts that are not offered yet, and people for them by turns; returns a drain."""
    number = User.objects.count()
    people = [racing.person(Role.REP, f"Rep Number{number + one}") for one in range(reps_there)]
    SalesSettings.objects.update(claim_limit=limit)
    RoutingRule.objects.all().delete()
    rule("In turn", "round_robin", *people)
    for one in range(contacts):
        racing.happens(f"person{number}-{one}@acme.example", "demo_requested", traits=FITTING)
    while drain_due(now=racing.now):
        pass

    def drain() -> int:
        done = 0
        while drawn := draw_consequences(now=racing.now, limit=2):
            done += drawn
        return done

    return drain


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_several_drains_and_claims_at_once_give_nobody_more_than_their_limit() -> None:
    racing = World()
    offers = [racing.offer(f"early{number}@acme.example") for number in range(6)]
    drain = scene(racing, reps_there=3, limit=3, contacts=16)
    people = list(User.objects.order_by("pk"))

    def claiming(offer: Handoff, person: User) -> Callable[[], object]:
        return lambda: claim_handoff(handoff_id=offer.pk, by=person, now=racing.now)

    claims = [claiming(offer, people[number % 3]) for number, offer in enumerate(offers)]
    results = at_once([drain, drain, drain, *claims])
    racing.settle()

    errors = {type(result).__name__ for result in results if isinstance(result, Exception)}
    assert errors <= {"LimitReached"}, results
    taken = {user_id: one.taken for user_id, one in capacities([person.pk for person in people]).items()}
    assert taken == dict.fromkeys(taken, 3), "everybody is full, nobody is over"
    assert Handoff.objects.filter(state__in=[HandoffState.OFFERED, HandoffState.CLAIMED]).count() == 22


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_control_without_the_lock_gives_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the race above is one: drains that count without the lock give the same room twice."""
    both = threading.Barrier(2)

    def count_together(user_ids: Iterable[int]) -> Mapping[int, Capacity]:
        found = capacities(user_ids)
        # Counting takes a moment only, so that each waits for another to have counted too, as long as there is one.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.5)
        return found

    monkeypatch.setattr("funnel.services.routing.lock_capacities", count_together)
    for _ in range(10):
        drain = scene(World(), reps_there=2, limit=3, contacts=8)
        both.reset()
        at_once([drain, drain, drain])
        if any(one.is_over for one in capacities(User.objects.values_list("pk", flat=True)).values()):
            return
    pytest.fail("counting without the lock never gave anybody too many: the race is not run")
