"""Who gets an offer: the decision as a pure function, what is stored of it, and that races break no limit."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.enums import Role
from contacts.models import Contact
from funnel.enums import HandoffState, RoutingMode
from funnel.models import Absence, Handoff, RepProfile, RoutingRule, SalesSettings
from funnel.routing import Case, Conditions, Rep, Rule, decide
from funnel.selectors.routing import language_of
from funnel.selectors.working import capacities
from funnel.services.claiming import claim_handoff
from funnel.services.consequences import draw_consequences
from funnel.services.handoffs import return_handoff, win_handoff
from funnel.services.routing import route
from scoring.services.evaluate import drain_due
from tests.funnel.conftest import FITTING, World
from tests.funnel.test_races import at_once

NOW = datetime(2026, 11, 18, 10, tzinfo=UTC)
IN_TURN = Rule(1, "In turn", RoutingMode.ROUND_ROBIN)


def reps(*given: Rep) -> dict[int, Rep]:
    return {rep.id: rep for rep in given}


def ann(**fields: Any) -> Rep:
    return Rep(**{"id": 1, "name": "Ann", "limit": 10, **fields})


def ben(**fields: Any) -> Rep:
    return Rep(**{"id": 2, "name": "Ben", "limit": 10, **fields})


def cara(**fields: Any) -> Rep:
    return Rep(**{"id": 3, "name": "Cara", "limit": 10, **fields})


# The decision


def test_without_rules_everything_is_for_the_queue() -> None:
    routed = decide(Case("sales_prospect"), [], {}, now=NOW)

    assert routed.rep_id is None
    assert routed.stored == {
        "rule": "",
        "why": "In the queue for whoever claims it first: no rule gives offers to anybody.",
        "passed_over": [],
    }


def test_in_turn_it_goes_to_the_smallest_part_of_a_limit_then_to_whom_waited_longest() -> None:
    early, late = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    team = reps(
        ann(taken=4, limit=20), ben(taken=2, limit=10, last_assigned_at=late), cara(taken=3, last_assigned_at=early)
    )

    given_to = [decide(Case("sales_prospect"), [IN_TURN], team, now=NOW).rep_id for _ in range(4)]

    # Ann and Ben have 20 % each, and Ann never had one; then Ben has 20 %, then Ann 25 %; then all have 30 %, and Cara
    # waited longest.
    assert given_to == [1, 2, 1, 3]


def test_the_sentence_says_why_and_who_was_passed_over() -> None:
    team = reps(
        ann(away_until=date(2026, 12, 3)),
        ben(taken=10),
        cara(taken=3),
        Rep(4, "Dan", 10, why_not="has been deactivated"),
        Rep(5, "Eve", 10, is_routed=False),
        Rep(6, "Fay", 10),
    )
    rule = Rule(1, "Everybody", RoutingMode.ROUND_ROBIN, reps=(1, 2, 3, 4, 5, 6))

    routed = decide(Case("sales_prospect", not_to={6: "let the last offer lapse"}), [rule], team, now=NOW)

    why = "Kept for Cara by the rule “Everybody”: nobody else can take it, and there is room, with 3 of 10 taken."
    assert routed.stored == {
        "rule": "Everybody",
        "why": why,
        "passed_over": [
            {"id": 1, "person": "Ann", "why": "is away until 3 December 2026"},
            {"id": 2, "person": "Ben", "why": "is full, with 10 of 10"},
            {"id": 4, "person": "Dan", "why": "has been deactivated"},
            {"id": 5, "person": "Eve", "why": "takes no handoffs by rules"},
            {"id": 6, "person": "Fay", "why": "let the last offer lapse"},
        ],
    }


def test_a_rule_that_finds_nobody_passes_on_to_the_next() -> None:
    first = Rule(1, "Ann's", RoutingMode.ROUND_ROBIN, Conditions(countries=("Germany",)), reps=(1,))
    team = reps(ann(taken=10), ben())

    routed = decide(Case("sales_prospect", country="germany"), [first, IN_TURN], team, now=NOW)

    assert (routed.rep_id, routed.rule) == (2, "In turn")
    assert not routed.steps[0].decided
    assert routed.steps[0].words == "Matches, but nobody can take it: Ann is full, with 10 of 10"
    alone = decide(Case("sales_prospect", country="Germany"), [first], team, now=NOW)
    assert "nobody whom a matching rule names can take it now" in alone.why
    assert [one.name for one in alone.passed_over] == ["Ann"]


def test_a_rule_for_the_queue_ends_the_asking() -> None:
    small = Rule(1, "Small ones", RoutingMode.QUEUE, Conditions(employees_at_most=50))

    routed = decide(Case("sales_prospect", employees=12), [small, IN_TURN], reps(ann()), now=NOW)

    assert (routed.rep_id, routed.rule) == (None, "Small ones")
    assert "by the rule “Small ones”" in routed.why


@pytest.mark.parametrize(
    ("case", "expected", "because"),
    [
        ({"country": "GERMANY", "language": "de"}, 2, "looks after GERMANY and speaks de"),
        ({"country": "Germany", "language": "fr"}, 1, "looks after Germany"),
        ({"country": "France", "language": "de"}, 3, "looks after the language de"),
        ({"country": "France"}, None, "no rule"),
        ({}, None, "no rule"),
    ],
)
def test_territory_asks_the_country_first_and_then_the_language(
    case: dict[str, Any], expected: int | None, because: str
) -> None:
    germany, german = frozenset({"germany"}), frozenset({"de"})
    team = reps(
        ann(countries=germany),
        ben(countries=germany, languages=german, taken=5),
        cara(languages=german),
    )
    rule = Rule(1, "Territories", RoutingMode.TERRITORY)

    routed = decide(Case("sales_prospect", **case), [rule], team, now=NOW)

    assert routed.rep_id == expected
    assert because in routed.why or expected is None


def test_the_company_goes_to_who_has_it_in_hand_before_who_won_it() -> None:
    rule = Rule(1, "Companies", RoutingMode.COMPANY_OWNER)
    case = Case("sales_prospect", company_reps=(2, 1))

    assert decide(case, [rule], reps(ann(), ben(taken=9)), now=NOW).rep_id == 2
    assert decide(case, [rule], reps(ann(), ben(taken=10)), now=NOW).rep_id == 1
    nobodys = decide(Case("sales_prospect"), [rule], reps(ann()), now=NOW)
    assert nobodys.steps[0].words == "Matches, but nobody has another contact of its company."


@pytest.mark.parametrize(
    ("asked", "case", "failing"),
    [
        ({"stages": ["sales_prospect"]}, {}, ""),
        ({"stages": ["customer"]}, {}, "its stage is sales_prospect"),
        ({"industries": ["Software"]}, {"industry": "software"}, ""),
        ({"industries": ["Software"]}, {}, "its industry is unknown"),
        ({"sources": ["website"]}, {"source": "partner"}, "its source is partner"),
        ({"languages": ["de", "fr"]}, {"language": "fr"}, ""),
        ({"employees_at_least": 50}, {"employees": 49}, "its company has 49 employees"),
        ({"employees_at_least": 50, "employees_at_most": 60}, {"employees": 60}, ""),
        ({"employees_at_most": 50}, {}, "the size of its company is unknown"),
        ({"countries": ["Germany"], "industries": ["Software"]}, {"country": "Germany"}, "its industry is unknown"),
    ],
)
def test_a_rule_asks_all_that_it_names(asked: dict[str, Any], case: dict[str, Any], failing: str) -> None:
    assert Conditions.read(asked).failing(Case("sales_prospect", **case)) == failing


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()), min_size=1, max_size=6),
    st.integers(0, 40),
)
def test_nobody_ever_gets_beyond_their_limit_and_nothing_waits_while_somebody_has_room(
    people: list[tuple[int, int, bool]], offers: int
) -> None:
    team = {
        number: Rep(number, f"Rep {number}", limit, taken, away_until=date(2027, 1, 1) if away else None)
        for number, (limit, taken, away) in enumerate(people)
    }
    before = {number: rep.taken for number, rep in team.items()}
    room = sum(max(limit - taken, 0) for limit, taken, away in people if not away)

    given_to = [decide(Case("sales_prospect"), [IN_TURN], team, now=NOW).rep_id for _ in range(offers)]

    assert sum(number is not None for number in given_to) == min(room, offers)
    assert all(rep.taken <= max(rep.limit, before[number]) for number, rep in team.items())


# With the database


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
    monkeypatch.setattr("funnel.services.routing.lock_capacities", capacities)
    for _ in range(10):
        drain = scene(World(), reps_there=2, limit=3, contacts=8)
        at_once([drain, drain, drain])
        if any(one.is_over for one in capacities(User.objects.values_list("pk", flat=True)).values()):
            return
    pytest.fail("counting without the lock never gave anybody too many: the race is not run")
