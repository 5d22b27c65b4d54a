"""Who gets an offer, as a pure function: rules, contacts and reps in, a decision with its reasons out."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.enums import RoutingMode
from funnel.routing import Case, Conditions, Rep, Rule, decide

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
