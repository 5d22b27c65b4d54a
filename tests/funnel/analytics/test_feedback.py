"""What returns say about rules and sources: the arithmetic, and the planted bad rule with rows."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from funnel.analytics import Segment
from funnel.feedback import FEWEST_VERDICTS, RuleFeedback, RuleKind, rank_rules, wilson_lower
from funnel.selectors.feedback import led_by, rule_report, source_feedback
from funnel.selectors.handoff_figures import DECIDED, RETURNED, offered_in
from tests.funnel.analytics.rows import MARCH, evidence, tell

ALL = Segment()


def test_wilson_against_the_literature() -> None:
    # 81 of 263: the worked example of Newcombe, Statistics in Medicine 17 (1998), method 3: 0.2553 to 0.3662.
    assert wilson_lower(81, 263) == pytest.approx(0.2553, abs=0.0001)
    assert wilson_lower(15, 148) == pytest.approx(0.0624, abs=0.0001)
    assert wilson_lower(0, 20) == 0.0
    assert wilson_lower(0, 0) == 0.0


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0, max_value=1))
def test_the_bound_lies_below_the_share_and_rises_with_what_is_known(trials: int, part: float) -> None:
    successes = int(trials * part)
    bound = wilson_lower(successes, trials)
    assert 0.0 <= bound <= successes / trials + 1e-12
    assert wilson_lower(successes * 10, trials * 10) >= bound - 1e-12


def rule(name: str, decided: int, returned: int, kind: RuleKind = RuleKind.SIGNAL) -> RuleFeedback:
    return RuleFeedback("default", kind, name, name, decided, decided, decided - returned, returned)


def test_the_surely_worst_comes_first_and_what_is_little_known_last() -> None:
    few = FEWEST_VERDICTS - 1
    rows = [rule("fine", 400, 40), rule("two of two", few, few), rule("bad", 60, 40), rule("worse", 60, 55)]
    assert [row.rule for row in rank_rules(rows, rate=0.2)] == ["worse", "bad", "fine", "two of two"]


def test_rules_of_the_same_offers_stand_signals_first() -> None:
    rows = [rule("it", 9, 9, RuleKind.EVIDENCE), rule("it", 9, 9, RuleKind.FIT), rule("it", 9, 9)]
    assert [row.kind for row in rank_rules(rows, rate=0.2)] == [RuleKind.SIGNAL, RuleKind.FIT, RuleKind.EVIDENCE]


pytest_rows = pytest.mark.django_db


@pytest.fixture
def rep(db: None) -> User:
    return User.objects.create_user(username="rhea")


def taken(rep: User, *led: str, reason: str = "", **more: Any) -> None:
    """An offer that these signals led to, accepted or returned with a reason."""
    last = ("return", 5, None, {"reason": reason}) if reason else ("accept", 5, None)
    tell(("offer", 0, None), ("claim", 1, 4), last, rep=rep, evidence=evidence(*led), **more)


@pytest_rows
def test_the_planted_rule_is_first_with_its_reasons(rep: User) -> None:
    for _ in range(12):
        taken(rep, "demo", "visit")
    for _ in range(3):
        taken(rep, "demo", "visit", reason="no_response")
    for _ in range(6):
        taken(rep, "planted", "visit", reason="no_want")
    taken(rep, "planted", "visit", reason="no_authority")
    tell(("offer", 0, None), evidence=evidence("planted"))
    report = rule_report(MARCH, ALL)
    assert (report.decided, report.returned) == (22, 10)
    first = report.rules[0]
    assert (first.rule, first.label, first.kind) == ("planted", "Planted", RuleKind.SIGNAL)
    assert (first.offered, first.decided, first.accepted, first.returned) == (8, 7, 0, 7)
    assert first.reasons == (("no_want", 6), ("no_authority", 1))
    assert [row.rule for row in report.rules] == ["planted", "visit", "demo"]


@pytest_rows
def test_only_what_gave_points_contributed(rep: User) -> None:
    told = evidence("demo", fit=["title"], criteria=["readiness"])
    told["lines"] += [
        {"rule": "spent", "label": "Spent", "points": 0.0, "cap": False},
        {"rule": "bot", "label": "Bot", "points": -5.0, "cap": False},
        {"rule": "browsing", "label": "Cap", "points": 3.0, "cap": True},
        {"rule": "demo", "label": "Demo", "points": 2.0, "cap": False},
    ]
    told["fit_lines"].append({"rule": "tiny", "label": "Tiny", "points": -15.0})
    offer = tell(("offer", 0, None), ("claim", 1, 4), ("accept", 5, None), rep=rep, evidence=told)
    tell(("offer", 0, None), ("claim", 1, 4), ("accept", 5, None), rep=rep, evidence={})
    found = {(row.kind, row.rule): row for row in rule_report(MARCH, ALL).rules}
    assert set(found) == {
        (RuleKind.SIGNAL, "demo"),
        (RuleKind.FIT, "title"),
        (RuleKind.EVIDENCE, "readiness"),
    }
    # Two lines of one signal are one offer.
    assert found[RuleKind.SIGNAL, "demo"].offered == 1
    for kind, name in [*found, (RuleKind.SIGNAL, "browsing"), (RuleKind.SIGNAL, "bot"), (RuleKind.FIT, "tiny")]:
        behind = led_by(offered_in(MARCH, ALL), kind=kind, rule=name, definition="default")
        assert list(behind) == ([offer] if (kind, name) in found else [])


@pytest_rows
def test_every_number_has_its_handoffs_behind_it(rep: User) -> None:
    for reason in ("", "no_want", "no_want", "duplicate"):
        taken(rep, "demo", reason=reason)
    taken(rep, "other", reason="no_want")
    (demo,) = (row for row in rule_report(MARCH, ALL).rules if row.rule == "demo")
    behind = led_by(offered_in(MARCH, ALL), kind=demo.kind, rule=demo.rule, definition=demo.definition)
    assert demo.offered == behind.count() == 4
    assert demo.decided == behind.filter(DECIDED).count() == 4
    assert demo.returned == behind.filter(RETURNED).count() == 3
    assert dict(demo.reasons) == {"no_want": 2, "duplicate": 1}


@pytest_rows
def test_rules_of_the_same_name_in_two_definitions_are_two(rep: User) -> None:
    for key in ("default", "reaction"):
        tell(("offer", 0, None), ("claim", 1, 4), ("accept", 5, None), rep=rep, evidence=evidence("form", key=key))
    assert sorted(row.definition for row in rule_report(MARCH, ALL).rules) == ["default", "reaction"]


@pytest_rows
def test_by_source(rep: User) -> None:
    for reason in ("", "", "no_want"):
        taken(rep, "demo", reason=reason, contact={"source_channel": "web"})
    taken(rep, "demo", reason="no_want", contact={"source_channel": "list"})
    tell(("offer", 0, None), contact={"source_channel": "list"})
    taken(rep, "demo")
    web, bought, unknown = source_feedback(MARCH, ALL, facet="source")
    assert (web.label, web.offered, web.decided, web.accepted, web.returned) == ("web", 3, 3, 2, 1)
    assert (bought.label, bought.offered, bought.decided, bought.acceptance) == ("list", 2, 1, 0.0)
    assert (unknown.label, unknown.acceptance) == ("", 1.0)


@pytest_rows
@pytest.mark.parametrize("times", [1, 3])
def test_the_number_of_queries_is_fixed(rep: User, times: int, django_assert_num_queries: Callable[[int], Any]) -> None:
    for number in range(times):
        taken(rep, "demo", f"rule {number}", reason="no_want")
    with django_assert_num_queries(2):
        rule_report(MARCH, ALL)
