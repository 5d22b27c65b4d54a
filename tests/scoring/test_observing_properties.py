"""Observations of any history: nothing later than a moment, nor anything from the outcome on, can be seen in them."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.definition import Match
from scoring.definition.document import Evidence
from scoring.engine import NEVER, Timeline, replay
from scoring.engine.facts import DAY
from scoring.engine.observing import Mode, Observations, Observer, Schedule
from tests.scoring.worlds import KINDS, T0, default_document, make_facts

HORIZON = 30 * DAY
NOW = T0 + 400 * DAY
WHAT = ["page_viewed", "email_clicked", "form_submitted", "demo_requested", "call_connected+", "handoff_returned"]

History = list[tuple[int, str]]
events = st.tuples(st.integers(0, 399 * 24).map(lambda hour: T0 + hour * DAY // 24), st.sampled_from(WHAT))
histories = st.lists(events, min_size=1, max_size=12)
bought = st.none() | st.integers(0, 399 * 24).map(lambda hour: T0 + hour * DAY // 24)
modes: st.SearchStrategy[Mode] = st.sampled_from(["month-ends", "own-times"])

OBSERVER = Observer(default_document(), KINDS, outcome=Evidence(label="bought", any_of=(Match(kinds=("purchased",)),)))


def observe(found: Sequence[History], mode: Mode) -> Observations:
    facts = make_facts(OBSERVER.compiled, found)
    return OBSERVER.observe(facts, np.arange(len(found)) + 100, Schedule(mode=mode, now=NOW, horizon=HORIZON))


def same(one: object, other: object) -> bool:
    """Whether two results are equal in every array."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, np.asarray(other))
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))  # type: ignore[arg-type]  # a dataclass
    return one == other


@settings(max_examples=20)
@given(st.lists(st.tuples(histories, bought), min_size=1, max_size=4), histories, modes)
def test_what_comes_from_the_outcome_on_leaves_no_trace(
    people: list[tuple[History, int | None]], later: History, mode: Mode
) -> None:
    before: list[History] = []
    after: list[History] = []
    for history, when in people:
        purchase = [] if when is None else [(when, "purchased")]
        before.append([*history, *purchase])
        # From the very moment of the purchase on; without one, nothing is added.
        added = [] if when is None else [(max(at, when), kind) for at, kind in later]
        after.append([*history, *purchase, *added, *purchase])
    assert same(observe(before, mode), observe(after, mode))


@settings(max_examples=15)
@given(st.lists(st.tuples(histories, bought), min_size=1, max_size=3), modes)
def test_an_observation_is_what_the_facts_up_to_it_give(people: list[tuple[History, int | None]], mode: Mode) -> None:
    found = [[*history, *([] if when is None else [(when, "purchased")])] for history, when in people]
    part = observe(found, mode)
    for row, (contact, at) in enumerate(zip((part.contact - 100).tolist(), part.at.tolist(), strict=True)):
        known = [event for event in found[contact] if event[0] <= at]
        alone = observe([known], mode)
        assert known
        assert not any(kind == "purchased" for _, kind in known)
        if mode == "month-ends":
            # At own times the choice of moments may differ, not what is seen at them.
            assert at in alone.at
        for other in np.flatnonzero(alone.at == at):
            for name in ("stage", "engagement", "fit", "values", "weighs"):
                assert np.array_equal(getattr(part, name)[row], getattr(alone, name)[other]), name
        timeline = Timeline.start(1)
        facts = make_facts(OBSERVER.compiled, [known])
        replay(OBSERVER.compiled, facts, timeline, until=np.array([at]))
        assert timeline.stage[0] == part.stage[row]
        when = min((moment for moment, kind in found[contact] if kind == "purchased"), default=NEVER)
        assert (part.purchase_at[row], bool(part.label[row])) == (when, at < when <= at + HORIZON)


@settings(max_examples=15)
@given(st.lists(st.tuples(histories, bought), min_size=1, max_size=3))
def test_buyers_reached_what_a_replay_up_to_their_purchase_reaches(people: list[tuple[History, int | None]]) -> None:
    found = [[*history, *([] if when is None else [(when, "purchased")])] for history, when in people]
    buyers = observe(found, "month-ends").buyers
    assert buyers.contact.tolist() == [100 + place for place, (_, when) in enumerate(people) if when is not None]
    for row, contact in enumerate((buyers.contact - 100).tolist()):
        when = int(buyers.purchase_at[row])
        known = [event for event in found[contact] if event[0] < when]
        assert bool(buyers.known[row]) == bool(known)
        timeline = Timeline.start(1)
        changes = replay(
            OBSERVER.compiled, make_facts(OBSERVER.compiled, [known]), timeline, until=np.array([when - 1])
        )
        assert buyers.stage[row] == timeline.stage[0]
        for rank in range(OBSERVER.compiled.stage_count):
            reached = min((change.at for change in changes if change.to_rank >= rank), default=NEVER)
            assert buyers.reached_at[row, rank] == reached
