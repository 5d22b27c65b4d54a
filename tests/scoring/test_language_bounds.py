"""When time alone may change a score: safe for any mix of groups, caps, floors and signs, and not asked too often."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.definition import read_document
from scoring.engine import NEVER, Compiled, Prior, Timeline, compile_definition, judge, replay
from scoring.engine.facts import DAY, MINUTE
from tests.scoring.worlds import KIND_IDS, KINDS, T0, make_facts

NAMES = ("page_viewed", "email_clicked", "asset_downloaded", "form_submitted", "unsubscribed")
NOW = T0 + 60 * DAY


def compiled_with(
    signals: list[dict[str, Any]], groups: list[dict[str, Any]], thresholds: list[float], floor: bool
) -> Compiled:
    """A definition whose criteria ask for each of the thresholds, of engagement and of a likelihood."""
    leaves: list[dict[str, Any]] = [{"engagement": {"at_least": threshold}} for threshold in thresholds]
    leaves += [{"likelihood": {"at_least": share}} for share in (0.2, 0.5, 0.9)]
    said = {"label": "X", "owner": "sales", "description": "", "communication": ""}
    data = {
        "key": "x",
        "name": "X",
        "description": "",
        "signals": signals,
        "groups": groups,
        "floor_at_zero": floor,
        "evidence": {"any": {"label": "any", "any_of": [{"kinds": ["page_viewed"]}]}},
        "stages": [
            {"key": "audience", **said},
            {"key": "lead", **said, "enter": {"all": [{"count": {"of": "any"}}, *leaves]}},
        ],
        "learned": {
            "intercept": -1.0,
            "signals": {signal["key"]: 0.3 for signal in signals if not signal.get("group")},
            "groups": {group["key"]: weight for group, weight in zip(groups, (0.2, -0.2), strict=False)},
        },
    }
    return compile_definition(read_document(data), KINDS)


POINTS = st.one_of(st.integers(-40, 40).map(float), st.floats(-40, 40))
SIGNALS = st.lists(
    st.tuples(POINTS, st.sampled_from([0.0, 7.0, 30.0, 30.0, 30.0, 90.0]), st.sampled_from(["", "", "a", "b"])),
    min_size=1,
    max_size=5,
)
GROUPS = st.lists(
    st.fixed_dictionaries({"cap": st.sampled_from([None, 0.0, 10.0, 50.0]), "floor_at_zero": st.booleans()}),
    min_size=2,
    max_size=2,
)
HISTORY = st.lists(st.tuples(st.integers(T0, NOW), st.sampled_from(NAMES)), min_size=1, max_size=10)


def document_parts(
    signals: list[tuple[float, float, str]], groups: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    built = [
        {
            "key": f"s{n}",
            "label": "S",
            "match": {"kinds": [NAMES[n]]},
            "points": points,
            "half_life_days": days,
            "group": group,
        }
        for n, (points, days, group) in enumerate(signals)
    ]
    return built, [{"key": key, "label": key, **group} for key, group in zip(("a", "b"), groups, strict=True)]


@settings(max_examples=400)
@given(
    signals=SIGNALS,
    groups=GROUPS,
    history=HISTORY,
    floor=st.booleans(),
    thresholds=st.lists(st.integers(-40, 40).map(float), min_size=1, max_size=3, unique=True),
    near=st.lists(st.floats(-3, 3), max_size=2),
    parts=st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_no_threshold_is_crossed_before_the_review(
    signals: list[tuple[float, float, str]],
    groups: list[dict[str, Any]],
    history: list[tuple[int, str]],
    floor: bool,
    thresholds: list[float],
    near: list[float],
    parts: list[float],
) -> None:
    built = document_parts(signals, groups)
    at = np.array([NOW])
    plain = compiled_with(*built, thresholds, floor)
    score = int(judge(plain, make_facts(plain, [history]), at, Prior.none(1)).engagement[0]) / 1000
    # Thresholds close to the score are where a bound fails first.
    compiled = compiled_with(*built, sorted({*thresholds, *(round(score + step, 3) for step in near)}), floor)
    facts = make_facts(compiled, [history])
    now = judge(compiled, facts, at, Prior.none(1))
    latest = min(int(now.review_at[0]) - 2 * MINUTE, NOW + 3_000 * DAY)
    if latest <= NOW:
        return
    leaves = [index for index, leaf in enumerate(compiled.leaves) if leaf.count is None]
    for part in [*parts, 1.0]:
        later = judge(compiled, facts, at + round((latest - NOW) * part), Prior(now.stage, now.furthest))
        for index in leaves:
            if not within_rounding(compiled, index, later, len(history)):
                assert later.truths[index].tolist() == now.truths[index].tolist()
        # What is stored is never staler than five points.
        assert now.engagement[0] - later.engagement[0] <= 5_000 + 2 * len(history)


def within_rounding(compiled: Compiled, index: int, verdict: Any, events: int) -> bool:
    """Whether a score lies so near to a threshold that rounding each event decides."""
    criterion = compiled.leaves[index].criterion
    if criterion.engagement is not None:
        return bool(abs(verdict.engagement[0] - criterion.engagement.at_least * 1000) <= events + 1)
    odds = np.log(criterion.likelihood.at_least / (1 - criterion.likelihood.at_least)) if criterion.likelihood else 0.0
    return bool(abs(verdict.log_odds[0] - odds * 1_000_000) <= events + 1)


def test_a_threshold_that_a_score_only_approaches_is_met_when_the_rest_rounds_to_nothing() -> None:
    """-3 points that halve every week are 0.000 after three months, and then the score is at least 0."""
    compiled = compiled_with(*document_parts([(-3.0, 7.0, "")], [{}, {}]), [0.0], floor=False)
    facts = make_facts(compiled, [[(NOW, NAMES[0])]])
    timeline = Timeline.start(1)
    replay(compiled, facts, timeline, until=np.array([NOW + 80 * DAY]))
    assert timeline.engagement[0] < 0
    assert timeline.review_at[0] <= NOW + 90 * DAY
    replay(compiled, facts, timeline, until=np.array([NOW + 400 * DAY]))
    assert timeline.engagement[0] == 0
    assert timeline.review_at[0] == NEVER


@settings(max_examples=60)
@given(signals=SIGNALS, groups=GROUPS, history=HISTORY, floor=st.booleans(), threshold=st.integers(-20, 20).map(float))
def test_a_contact_is_not_reviewed_over_and_over(
    signals: list[tuple[float, float, str]],
    groups: list[dict[str, Any]],
    history: list[tuple[int, str]],
    floor: bool,
    threshold: float,
) -> None:
    """Whatever the definition: at most a few reviews a day on average, and an end to them."""
    compiled = compiled_with(*document_parts(signals, groups), [threshold], floor)
    facts = make_facts(compiled, [history])
    timeline = Timeline.start(1)
    replay(compiled, facts, timeline, until=np.array([NOW]))
    reviews = 0
    while timeline.review_at[0] < NOW + 1_000 * DAY:
        replay(compiled, facts, timeline, until=timeline.review_at.copy())
        reviews += 1
    # The most of some thousands of definitions was 1,826: half-lives of 7 and 90 days, looked at by the shorter one.
    assert reviews <= 3_000


def test_who_is_held_at_a_threshold_by_a_cap_is_not_looked_at_every_minute() -> None:
    """53 points count as 10 and stay 10 until three quarters of them are gone; then, and not before, it is less."""
    built = document_parts([(16.0, 30.0, "a"), (21.0, 7.0, "a")], [{"cap": 10.0}, {}])
    compiled = compiled_with(*built, [10.0], floor=False)
    facts = make_facts(compiled, [[(NOW, NAMES[0]), (NOW, NAMES[0]), (NOW, NAMES[1])]])
    timeline = Timeline.start(1)
    replay(compiled, facts, timeline, until=np.array([NOW]))
    reviews = 0
    while timeline.engagement[0] == 10_000:
        held_at = int(timeline.review_at[0])
        replay(compiled, facts, timeline, until=np.array([held_at]))
        reviews += 1
    assert reviews <= 60
    # Two of 16 that halve in 30 days and one of 21 that halves in 7: 10 points are left after 50.93 days.
    assert 50.9 * DAY < held_at - NOW < 51 * DAY


def judged(
    signals: list[dict[str, Any]], groups: list[dict[str, Any]], history: list[tuple[int, str]], floor: bool = False
) -> int:
    compiled = compiled_with(signals, groups, [30.0], floor)
    return int(judge(compiled, make_facts(compiled, [history]), np.array([NOW]), Prior.none(1)).engagement[0])


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"cap": 10.0}, 10_000),
        ({}, 40_000),
        ({"cap": 0.0}, 0),
        ({"cap": 10.0, "floor_at_zero": True}, 10_000),
    ],
)
def test_a_cap_is_optional(group: dict[str, Any], expected: int) -> None:
    signal = {"key": "s", "label": "S", "match": {"kinds": ["page_viewed"]}, "points": 20.0, "group": "g"}
    groups = [{"key": "g", "label": "G", **group}]
    assert judged([signal], groups, [(NOW, "page_viewed"), (NOW, "page_viewed")]) == expected


@pytest.mark.parametrize(("floor", "whole", "expected"), [(False, False, -30_000), (True, False, 0), (False, True, 0)])
def test_a_floor_holds_the_group_or_the_whole(floor: bool, whole: bool, expected: int) -> None:
    signal = {"key": "s", "label": "S", "match": {"kinds": ["unsubscribed"]}, "points": -30.0, "group": "g"}
    groups = [{"key": "g", "label": "G", "floor_at_zero": floor}]
    assert judged([signal], groups, [(NOW, "unsubscribed")], whole) == expected


COUNTINGS: list[tuple[dict[str, Any], list[int], int]] = [
    ({}, [0, 0, 1, 2, 3], 5),
    ({"once": True}, [0, 1, 2], 1),
    ({"latest": 2}, [0, 1, 2], 2),
    ({"at_most": 1, "within_days": 1}, [0, 0, 1, 1, 2], 3),
    ({"at_most": 2, "within_days": 1}, [0, 0, 0, 1], 3),
    ({"at_most": 1, "within_days": 7}, [0, 1, 2, 3], 1),
]
# The start of a day of UTC, and of a period of seven days.
MONDAY = (NOW // (7 * DAY)) * 7 * DAY


@pytest.mark.parametrize(("count", "days", "expected"), COUNTINGS)
def test_counting(count: dict[str, Any], days: list[int], expected: int) -> None:
    signal = {
        "key": "s", "label": "S", "match": {"kinds": ["page_viewed"]}, "points": 1.0, "half_life_days": 0.0,
        "count": count,
    }  # fmt: skip
    compiled = compiled_with([signal], [], [30.0], False)
    history = [(MONDAY + day * DAY + n * MINUTE, "page_viewed") for n, day in enumerate(days)]
    verdict = judge(compiled, make_facts(compiled, [history]), np.array([MONDAY + 30 * DAY]), Prior.none(1))
    assert verdict.engagement.tolist() == [expected * 1_000]


def test_the_first_of_a_period_weighs_however_late_it_arrives() -> None:
    """The first in time, not in arrival: its age decides what is left of it."""
    signal = {"key": "s", "label": "S", "match": {"kinds": ["page_viewed"]}, "points": 10.0, "half_life_days": 1.0}
    signal["count"] = {"at_most": 1, "within_days": 7}
    compiled = compiled_with([signal], [], [30.0], False)
    for order in ([0, 1], [1, 0]):
        facts = make_facts(compiled, [[(MONDAY, "page_viewed"), (MONDAY + 5 * DAY, "page_viewed")]], order=order)
        verdict = judge(compiled, facts, np.array([MONDAY + 5 * DAY]), Prior.none(1))
        assert verdict.engagement.tolist() == [round(10_000 / 2**5)]


def test_each_property_value_counts_once() -> None:
    signal = {"key": "s", "label": "S", "match": {"kinds": ["page_viewed"]}, "points": 1.0, "half_life_days": 0.0}
    signal["count"] = {"once_per": "page"}
    compiled = compiled_with([signal], [], [30.0], False)
    ((code, kinds, _, value_of),) = compiled.property_matches
    assert (kinds, value_of) == ((KIND_IDS["page_viewed"],), "page")
    facts = make_facts(compiled, [[(NOW + n, "page_viewed") for n in range(5)]])
    values = np.array([7, 7, 0, 9, 0])
    facts = replace(facts, event_code=np.full(5, code, dtype=np.int16), event_value=values)
    verdict = judge(compiled, facts, np.array([NOW + DAY]), Prior.none(1))
    assert verdict.engagement.tolist() == [3_000]


def test_ten_thousand_events_of_every_construct() -> None:
    signals = [
        {"key": "a", "label": "A", "match": {"kinds": ["page_viewed"]}, "points": 1.0, "group": "g"},
        {"key": "b", "label": "B", "match": {"kinds": ["unsubscribed"]}, "points": -2.0, "group": "g"},
        {"key": "c", "label": "C", "match": {"kinds": ["email_clicked"]}, "points": 3.0, "count": {"latest": 50}},
        {
            "key": "d",
            "label": "D",
            "match": {"kinds": ["email_clicked"]},
            "points": 3.0,
            "count": {"at_most": 3, "within_days": 1},
        },
    ]
    groups = [{"key": "g", "label": "G", "cap": 25.0, "floor_at_zero": True}]
    compiled = compiled_with(signals, groups, [30.0], True)
    history = [(T0 + n * 5 * MINUTE, NAMES[n % 5]) for n in range(10_000)]
    facts = make_facts(compiled, [history])
    at = T0 + 40 * DAY
    whole = judge(compiled, facts, np.array([at]), Prior.none(1))
    order = np.random.default_rng(7).permutation(len(history)).tolist()
    again = judge(compiled, make_facts(compiled, [history], order=order), np.array([at]), Prior.none(1))
    assert (again.engagement.tolist(), again.review_at.tolist()) == (
        whole.engagement.tolist(),
        whole.review_at.tolist(),
    )
