"""The engine under definitions of every kind: order, repetition, batches and time zones change nothing; bounds hold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from scoring.definition import DefinitionDocument
from scoring.engine import (
    NEVER,
    UNKNOWN_PAST,
    Assessor,
    Change,
    Compiled,
    Facts,
    Prior,
    Timeline,
    Verdicts,
    compile_definition,
    factors_of_likelihood,
    judge,
    replay,
    take_apart,
)
from scoring.engine.facts import DAY, MINUTE
from scoring.engine.properties import meets_property
from scoring.engine.replaying import next_change
from scoring.moments import to_datetime, to_micros
from tests.scoring.languages import KINDS as KIND_NAMES
from tests.scoring.languages import documents
from tests.scoring.worlds import KINDS, T0, default_compiled

END = T0 + 300 * DAY
KIND_BY_NAME = {kind.name: kind for kind in KINDS}

TIMES = st.one_of(st.integers(0, 20).map(lambda n: T0 + n * 5 * DAY), st.integers(T0, T0 + 100 * DAY))
VALUES = st.sampled_from([None, "a", "Pro 1", 3, 3.0, True])
EVENTS = st.lists(
    st.tuples(
        TIMES,
        st.sampled_from([*KIND_NAMES, "handoff_returned"]),
        st.dictionaries(st.sampled_from(["plan", "a__b", "amount"]), VALUES, max_size=2),
    ),
    max_size=12,
)
PROFILES = st.fixed_dictionaries(
    {
        "email": st.sampled_from([None, "a@example.com"]),
        "job_title": st.sampled_from([None, "VP", "Student"]),
        "means": st.sampled_from([None, "yes", "no"]),
        "company.employees": st.sampled_from([None, 3, 200]),
    }
)
# Whole documents are not shrunk: it takes minutes and says no more.
SEARCH = (Phase.explicit, Phase.reuse, Phase.generate)

SHIPPED = default_compiled()

Event = tuple[int, str, dict[str, Any]]


def compiled_of(document: DefinitionDocument) -> Compiled:
    return compile_definition(document, KINDS, version="x@1")


def facts_of(
    compiled: Compiled,
    histories: Sequence[Sequence[Event]],
    profile: dict[str, object],
    order: Sequence[int] | None = None,
) -> Facts:
    """Facts as a loader makes them: a row for each event, and one more for each match of its own that it meets."""
    rows: list[tuple[int, int, int, int, int]] = []
    number = 0
    for contact, history in enumerate(histories):
        for at, name, properties in sorted(history, key=lambda event: (event[0], KIND_BY_NAME[event[1]].id)):
            number += 1
            kind = KIND_BY_NAME[name].id
            rows.append((contact, at, kind, number, 0))
            for code, kinds, match, value_of in compiled.property_matches:
                tests = match.properties.items()
                if kind in kinds and not match.channels and all(meets_property(t, properties.get(n)) for n, t in tests):
                    value = properties.get(value_of) if value_of else None
                    rows.append((contact, at, code, number, 0 if value is None else hash(str(value)) % 2**40 + 1))
    if order is not None:
        rows = [rows[place] for place in order]
    assessor = Assessor(compiled.document)
    assessment = assessor.assess([profile.get(name) for name in assessor.attributes])
    many = len(histories)
    columns = np.array(rows, dtype=np.int64).reshape(len(rows), 5).T
    return Facts(
        contacts=many,
        event_contact=columns[0],
        event_at=columns[1],
        event_code=columns[2].astype(np.int16),
        event_id=columns[3],
        event_value=columns[4],
        profile_contact=np.arange(many),
        profile_at=np.full(many, UNKNOWN_PAST, dtype=np.int64),
        profile_fit=np.full(many, assessment.fit, dtype=np.int64),
        profile_answers=np.array([assessment.answers] * many, dtype=np.bool_).reshape(many, assessor.leaf_count),
        first_seen=np.full(many, NEVER, dtype=np.int64),
        ordered=False,
    )


def fold(compiled: Compiled, facts: Facts, *, until: int = END) -> tuple[Timeline, list[Change]]:
    timeline = Timeline.start(facts.contacts)
    changes = replay(compiled, facts, timeline, until=np.full(facts.contacts, until))
    return timeline, sorted(changes, key=lambda change: (change.contact, change.at))


def state(timeline: Timeline) -> list[list[int]]:
    names = ("stage", "furthest", "since", "engagement", "fit", "evaluated_at", "review_at")
    return [getattr(timeline, name).tolist() for name in names]


@settings(max_examples=15, phases=SEARCH)
@given(document=documents(), histories=st.lists(EVENTS, min_size=1, max_size=3), profile=PROFILES, data=st.data())
def test_order_and_company_change_nothing(
    document: DefinitionDocument, histories: list[list[Event]], profile: dict[str, object], data: st.DataObject
) -> None:
    compiled = compiled_of(document)
    facts = facts_of(compiled, histories, profile)
    timeline, changes = fold(compiled, facts)
    order = data.draw(st.permutations(range(len(facts.event_at))))
    shuffled, shuffled_changes = fold(compiled, facts_of(compiled, histories, profile, order))
    assert (state(shuffled), shuffled_changes) == (state(timeline), changes)
    for contact, history in enumerate(histories):
        alone, own = fold(compiled, facts_of(compiled, [history], profile))
        assert [column[0] for column in state(alone)] == [column[contact] for column in state(timeline)]
        assert [replace(change, contact=contact) for change in own] == [c for c in changes if c.contact == contact]


@given(history=EVENTS, hours=st.lists(st.integers(-14, 14), min_size=12, max_size=12))
def test_an_instant_is_the_same_in_every_time_zone(history: list[Event], hours: list[int]) -> None:
    def told_in_zones() -> list[Event]:
        zones = [timezone(timedelta(hours=offset)) for offset in hours]
        return [
            (to_micros(to_datetime(at).astimezone(zone)), name, properties)
            for (at, name, properties), zone in zip(history, zones, strict=False)
        ]

    facts = facts_of(SHIPPED, [told_in_zones()], {})
    assert facts.event_at.tolist() == facts_of(SHIPPED, [history], {}).event_at.tolist()
    assert to_datetime(T0).tzinfo is UTC
    assert state(fold(SHIPPED, facts)[0]) == state(fold(SHIPPED, facts_of(SHIPPED, [history], {}))[0])


@settings(max_examples=15, phases=SEARCH)
@given(document=documents(), history=EVENTS, profile=PROFILES, cuts=st.lists(TIMES, max_size=4))
def test_living_through_it_equals_learning_it_afterwards(
    document: DefinitionDocument, history: list[Event], profile: dict[str, object], cuts: list[int]
) -> None:
    """At each cut only what has happened by then is known, and the fold goes on from there."""
    compiled = compiled_of(document)
    whole, changes = fold(compiled, facts_of(compiled, [history], profile))
    lived, found = Timeline.start(1), []
    for until in [*sorted(cuts), END]:
        known = facts_of(compiled, [[event for event in history if event[0] <= until]], profile)
        found += replay(compiled, known, lived, until=np.array([until]))
    assert (state(lived), found) == (state(whole), changes)


@settings(max_examples=15, phases=SEARCH)
@given(document=documents(), history=EVENTS, profile=PROFILES, at=TIMES)
def test_every_score_can_be_taken_apart(
    document: DefinitionDocument, history: list[Event], profile: dict[str, object], at: int
) -> None:
    compiled = compiled_of(document)
    facts = facts_of(compiled, [history], profile)
    verdict = judge(compiled, facts, np.array([at]), Prior.none(1))
    ledger = take_apart(compiled, facts, at)
    assert sum(line.millipoints for line in ledger.lines) == ledger.total == int(verdict.engagement[0])
    factors = factors_of_likelihood(compiled, facts, at)
    if document.learned is None or not document.learned.enabled:
        assert factors is None
        assert verdict.likelihood is None
    else:
        assert factors is not None
        assert verdict.log_odds is not None
        assert verdict.likelihood is not None
        assert sum(factor.micro for factor in factors.lines) == factors.total == int(verdict.log_odds[0])
        assert factors.likelihood == float(verdict.likelihood[0])


def is_decided_by_rounding(compiled: Compiled, verdict: Verdicts, events: int) -> bool:
    """Whether a score is as near to a threshold as rounding each event to thousandths of a point may bring it.

    What only approaches a threshold meets it once the rest rounds to nothing; no bound tells to the minute when.
    """
    score, fit = int(verdict.engagement[0]), int(verdict.fit[0])
    missing = [score - threshold for threshold in compiled.thresholds]
    missing += [score + fit - threshold for threshold in compiled.score_thresholds]
    return any(abs(one) <= events for one in missing)


@settings(max_examples=15, phases=SEARCH)
@given(document=documents(), history=EVENTS, profile=PROFILES, at=TIMES, data=st.data())
def test_nothing_changes_before_the_review(
    document: DefinitionDocument, history: list[Event], profile: dict[str, object], at: int, data: st.DataObject
) -> None:
    """review_at is a safe lower bound: at any moment before it, without new facts, every criterion holds as before."""
    compiled = compiled_of(document)
    facts = facts_of(compiled, [[event for event in history if event[0] <= at]], profile)
    verdict = judge(compiled, facts, np.array([at]), Prior.none(1))
    # Rounded up to the full minute and at least a minute on, so that is how late a change may be seen.
    latest = min(int(verdict.review_at[0]), at + 2_000 * DAY) - 2 * MINUTE
    if latest <= at:
        return
    moments = [latest, *(at + round((latest - at) * part) for part in data.draw(st.lists(st.floats(0, 1), max_size=4)))]
    for moment in moments:
        later = judge(compiled, facts, np.array([moment]), Prior(verdict.stage, verdict.furthest))
        if is_decided_by_rounding(compiled, later, len(history)):
            continue
        assert later.stage.tolist() == verdict.stage.tolist()
        assert later.enter.tolist() == verdict.enter.tolist()
        assert later.keep.tolist() == verdict.keep.tolist()


@settings(max_examples=10, phases=SEARCH)
@given(document=documents(), history=EVENTS, profile=PROFILES)
def test_time_does_not_ask_for_a_review_each_minute(
    document: DefinitionDocument, history: list[Event], profile: dict[str, object]
) -> None:
    compiled = compiled_of(document)
    facts = facts_of(compiled, [history], profile)
    timeline = Timeline.start(1)
    replay(compiled, facts, timeline, until=np.array([T0 + 100 * DAY]))
    reviews = 0
    while timeline.review_at[0] < T0 + 400 * DAY:
        replay(compiled, facts, timeline, until=timeline.review_at.copy())
        reviews += 1
        assert reviews < 3_000


@settings(max_examples=15, phases=SEARCH)
@given(document=documents(), history=EVENTS, profile=PROFILES, at=TIMES)
def test_what_is_foretold_comes_true(
    document: DefinitionDocument, history: list[Event], profile: dict[str, object], at: int
) -> None:
    """A forecast leaves out the reviews that only refresh scores, and finds the change that living finds."""
    compiled = compiled_of(document)
    facts = facts_of(compiled, [[event for event in history if event[0] <= at]], profile)
    lived, _ = fold(compiled, facts, until=at)
    foreseen = replace(lived, **{name: getattr(lived, name).copy() for name in lived.__slots__})
    foretold = next_change(compiled, facts, foreseen, horizon=300 * DAY)
    later = replay(compiled, facts, lived, until=np.maximum(lived.evaluated_at, 0) + 300 * DAY)
    assert [(one.at, one.to_rank) for one in foretold[:1]] == [(one.at, one.to_rank) for one in later[:1]]
