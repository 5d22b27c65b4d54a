"""The learned score as the engine computes it: what it weighs, when it changes, and how it is taken apart."""

import math
from typing import Any

import numpy as np
import pytest

from scoring.definition import read_document, to_builtins
from scoring.engine import NEVER, Compiled, Prior, compile_definition, factors_of_likelihood, judge
from scoring.engine.facts import DAY
from scoring.engine.stepping import smallest_step
from tests.scoring.worlds import FITTING, KINDS, T0, default_document, make_facts

LEARNED: dict[str, Any] = {
    "intercept": -2.0,
    "signals": {"readiness": 0.05, "newsletter": -0.1},
    "groups": {"browsing": 0.2},
    "fit_rules": {"industry": 0.5, "student_title": -1.0},
}


def compiled_with(learned: dict[str, Any] | None, threshold: float = 0.3, **changes: Any) -> Compiled:
    data: dict[str, Any] = to_builtins(default_document())
    data["learned"] = learned
    stages = list(data["stages"])
    wanted = {"all": [{"count": {"of": "interest"}}, {"likelihood": {"at_least": threshold}}]}
    stages[2] = {**{k: v for k, v in stages[2].items() if k != "keep"}, "enter": wanted}
    return compile_definition(read_document({**data, "stages": stages, **changes}), KINDS)


def log_odds(compiled: Compiled, history: list[tuple[int, str]], at: int = T0) -> float:
    verdict = judge(compiled, make_facts(compiled, [history]), np.array([at]), Prior.none(1))
    assert verdict.log_odds is not None
    return float(verdict.log_odds[0]) / 1_000_000


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], -1.5),
        ([(0, "demo_requested")], -1.5 + 40 * 0.05),
        ([(-30, "demo_requested")], -1.5 + 20 * 0.05),
        ([(0, "newsletter_subscribed")], -1.5 - 1.0),
        ([(0, "page_viewed")] * 3, -1.5 + 3 * 0.2),
        # The group's cap bounds what it says here too.
        ([(0, "page_viewed")] * 30, -1.5 + 10 * 0.2),
        # A signal that was not learned says nothing.
        ([(0, "social_liked")], -1.5),
    ],
)
def test_what_it_weighs(history: list[tuple[int, str]], expected: float) -> None:
    compiled = compiled_with(LEARNED)
    found = log_odds(compiled, [(T0 + days * DAY, name) for days, name in history])
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_negative_weight_turns_a_cap_over() -> None:
    compiled = compiled_with({**LEARNED, "groups": {"browsing": -0.2}})
    assert log_odds(compiled, [(T0, "page_viewed")] * 30) == pytest.approx(-1.5 - 10 * 0.2)


@pytest.mark.parametrize("learned", [None, {**LEARNED, "enabled": False}])
def test_without_one_that_is_switched_on_no_likelihood_is_reached(learned: dict[str, Any] | None) -> None:
    compiled = compiled_with(learned, threshold=0.001)
    facts = make_facts(compiled, [[(T0, "social_liked")]])
    verdict = judge(compiled, facts, np.array([T0]), Prior.none(1))
    assert (verdict.log_odds, verdict.likelihood) == (None, None)
    assert compiled.document.stages[verdict.stage[0]].key == "lead"
    assert factors_of_likelihood(compiled, facts, T0) is None


def test_the_stage_falls_when_the_likelihood_does_and_not_before() -> None:
    compiled = compiled_with(LEARNED, threshold=0.5)
    facts = make_facts(compiled, [[(T0, "demo_requested")]], {**FITTING, "means": "no"})
    # -1.5 + 2 * 2 ** -(days / 30) crosses 0 after 30 * log2(4 / 3) days.
    crossing = T0 + round(30 * math.log2(4 / 3) * DAY)
    first = judge(compiled, facts, np.array([T0]), Prior.none(1))
    assert first.review_at[0] <= crossing
    for at, stage in ((crossing - DAY // 24, "marketing_prospect"), (crossing + DAY // 24, "lead")):
        verdict = judge(compiled, facts, np.array([at]), Prior(first.stage, first.furthest))
        assert compiled.document.stages[verdict.stage[0]].key == stage
    assert verdict.likelihood is not None
    assert 0.49 < verdict.likelihood[0] < 0.5


def test_returned_evidence_does_not_count_for_a_handoff_stage() -> None:
    data: dict[str, Any] = to_builtins(default_document())
    stages = list(data["stages"])
    enter = {"all": [{"count": {"of": "readiness"}}, {"likelihood": {"at_least": 0.5}}]}
    stages[3] = {**{k: v for k, v in stages[3].items() if k != "keep"}, "enter": enter}
    document = read_document({**data, "stages": stages, "learned": LEARNED, "cool_down": {"days": 0.0}})
    compiled = compile_definition(document, KINDS)
    history = [(T0, "demo_requested"), (T0 + DAY, "handoff_returned"), (T0 + 2 * DAY, "pricing_requested")]
    stages_then = []
    for at in (T0, T0 + DAY, T0 + 2 * DAY):
        verdict = judge(compiled, make_facts(compiled, [history]), np.array([at]), Prior.none(1))
        stages_then.append(document.stages[verdict.stage[0]].key)
    assert stages_then == ["sales_prospect", "marketing_prospect", "sales_prospect"]


def test_the_factors_are_named_and_the_weightiest_comes_first() -> None:
    compiled = compiled_with(LEARNED)
    history = [(T0, "demo_requested"), (T0, "newsletter_subscribed"), *[(T0, "page_viewed")] * 30]
    factors = factors_of_likelihood(compiled, make_facts(compiled, [history]), T0)
    assert factors is not None
    assert [(one.feature, one.value, one.log_odds) for one in factors.lines] == [
        ("browsing", 10.0, 2.0),
        ("readiness", 40.0, 2.0),
        ("newsletter", 10.0, -1.0),
        ("industry", 1.0, 0.5),
        ("", 1.0, -2.0),
    ]
    assert factors.total == 1_500_000
    assert factors.likelihood == pytest.approx(1 / (1 + math.exp(-1.5)))


def test_extreme_log_odds_overflow_nothing() -> None:
    for intercept in (-1_000.0, 1_000.0):
        compiled = compiled_with({"intercept": intercept})
        verdict = judge(compiled, make_facts(compiled, [[]]), np.array([T0]), Prior.none(1))
        assert verdict.likelihood is not None
        assert verdict.likelihood.tolist() == [float(intercept > 0)]
        assert verdict.review_at.tolist() == [NEVER]


def test_the_smallest_step_knows_the_likelihood() -> None:
    compiled = compiled_with(LEARNED, threshold=0.6)
    facts = make_facts(compiled, [[(T0, "social_liked")]])
    prior = Prior(np.array([1], dtype=np.int16), np.array([1], dtype=np.int16))
    step = smallest_step(compiled, facts, {**FITTING}, KINDS, at=T0 + DAY, prior=prior, target=2)
    assert [kind.name for move in step for kind in KINDS if kind.id == move.kind_id] == ["meeting_requested"]


def test_learned_without_groups_or_rules_is_a_plain_sum() -> None:
    data: dict[str, Any] = to_builtins(default_document())
    asked = {"key": "x", "label": "X", "match": {"kinds": ["demo_requested"]}, "points": 2, "half_life_days": 0}
    data |= {"signals": [asked], "groups": [], "learned": {"intercept": 0.25, "signals": {"x": 0.5}}}
    compiled = compile_definition(read_document(data), KINDS)
    assert log_odds(compiled, [(T0, "demo_requested")] * 3, T0 + 900 * DAY) == 0.25 + 3 * 2 * 0.5
