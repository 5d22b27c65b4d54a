"""The engine as a pure function: the same facts give the same judgement, whatever their order or batching."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.engine import NEVER, Change, Facts, MomentCause, Prior, Timeline, judge, replay, take_apart
from scoring.engine.facts import DAY, MINUTE
from tests.scoring.worlds import FITTING, T0, default_compiled, default_document, make_facts

COMPILED = default_compiled()
STAGES = [stage.key for stage in COMPILED.document.stages]

KIND_NAMES = st.sampled_from(
    [
        "list_imported", "email_sent", "email_opened", "email_clicked", "newsletter_subscribed", "page_viewed",
        "form_submitted", "asset_downloaded", "event_registered", "social_liked", "social_question",
        "trade_show_conversation", "call_connected", "call_connected+", "demo_requested", "pricing_requested",
        "purchased", "refunded", "churned", "handoff_returned",
    ]
)  # fmt: skip
# A coarse grid besides free times, so that several events of one instant are common.
TIMES = st.one_of(st.integers(0, 40).map(lambda n: T0 + n * 5 * DAY), st.integers(T0, T0 + 200 * DAY))
HISTORY = st.lists(st.tuples(TIMES, KIND_NAMES), max_size=15)
HISTORIES = st.lists(HISTORY, min_size=1, max_size=4)
END = T0 + 500 * DAY


def fold(
    histories: list[list[tuple[int, str]]], *, until: int = END, order: list[int] | None = None
) -> tuple[Facts, Timeline, list[Change]]:
    facts = make_facts(COMPILED, histories, order=order)
    timeline = Timeline.start(facts.contacts)
    changes = replay(COMPILED, facts, timeline, until=np.full(facts.contacts, until))
    return facts, timeline, sorted(changes, key=lambda change: (change.contact, change.at))


def state(timeline: Timeline) -> list[list[int]]:
    columns = (
        timeline.stage, timeline.furthest, timeline.since, timeline.engagement, timeline.fit,
        timeline.evaluated_at, timeline.review_at,
    )  # fmt: skip
    return [column.tolist() for column in columns]


def stages_of(changes: list[Change]) -> list[str]:
    return [STAGES[change.to_rank] for change in changes]


@given(histories=HISTORIES, data=st.data())
def test_order_of_the_rows_changes_nothing(histories: list[list[tuple[int, str]]], data: st.DataObject) -> None:
    facts, timeline, changes = fold(histories)
    order = data.draw(st.permutations(range(len(facts.event_at))))
    _, shuffled_timeline, shuffled_changes = fold(histories, order=list(order))
    assert shuffled_changes == changes
    assert state(shuffled_timeline) == state(timeline)


@given(histories=HISTORIES, cuts=st.lists(TIMES, max_size=4))
def test_going_on_from_where_a_fold_stopped_equals_one_fold(
    histories: list[list[tuple[int, str]]], cuts: list[int]
) -> None:
    facts, whole, changes = fold(histories)
    stepwise = Timeline.start(facts.contacts)
    found: list[Change] = []
    for until in [*sorted(cuts), END]:
        found += replay(COMPILED, facts, stepwise, until=np.full(facts.contacts, until))
    assert sorted(found, key=lambda change: (change.contact, change.at)) == changes
    assert state(stepwise) == state(whole)


@given(histories=HISTORIES)
def test_contacts_do_not_influence_each_other(histories: list[list[tuple[int, str]]]) -> None:
    _, together, changes = fold(histories)
    for index, history in enumerate(histories):
        _, alone, own_changes = fold([history])
        assert [column[0] for column in state(alone)] == [column[index] for column in state(together)]
        assert [replace(change, contact=index) for change in own_changes] == [c for c in changes if c.contact == index]


@given(history=HISTORY, at=TIMES)
def test_the_ledger_adds_up_to_the_score(history: list[tuple[int, str]], at: int) -> None:
    facts = make_facts(COMPILED, [history])
    verdict = judge(COMPILED, facts, np.array([at]), Prior.none(1))
    ledger = take_apart(COMPILED, facts, at)
    assert sum(line.millipoints for line in ledger.lines) == ledger.total == int(verdict.engagement[0])
    assert all(line.occurred_at <= at for line in ledger.lines)


@given(histories=HISTORIES, at=TIMES)
def test_judging_again_at_the_same_moment_changes_nothing(histories: list[list[tuple[int, str]]], at: int) -> None:
    facts = make_facts(COMPILED, histories)
    moment = np.full(facts.contacts, at)
    first = judge(COMPILED, facts, moment, Prior.none(facts.contacts))
    again = judge(COMPILED, facts, moment, Prior(first.stage, first.furthest))
    assert again.stage.tolist() == first.stage.tolist()
    assert again.engagement.tolist() == first.engagement.tolist()
    assert again.review_at.tolist() == first.review_at.tolist()


@given(history=HISTORY, at=TIMES, ahead=st.integers(1, 60 * DAY))
def test_nothing_changes_before_the_review(history: list[tuple[int, str]], at: int, ahead: int) -> None:
    """review_at is a safe lower bound: any moment before it, without new facts, judges the same stage."""
    facts = make_facts(COMPILED, [[(when, kind) for when, kind in history if when <= at]])
    verdict = judge(COMPILED, facts, np.array([at]), Prior.none(1))
    # The bound is rounded up to the full minute and at least a minute on, so that is how late a change may be seen.
    latest = int(verdict.review_at[0]) - 2 * MINUTE
    moment = min(at + ahead, latest)
    if moment > at:
        later = judge(COMPILED, facts, np.array([moment]), Prior(verdict.stage, verdict.furthest))
        assert later.stage.tolist() == verdict.stage.tolist()


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([(0, "list_imported")], ["audience"]),
        ([(0, "email_opened"), (1, "page_viewed")], ["audience"]),
        ([(0, "social_question")], ["marketing_prospect", "lead"]),
        ([(0, "email_clicked"), (1, "email_clicked")], ["lead", "marketing_prospect", "lead"]),
        ([(0, "demo_requested")], ["sales_prospect", "lead"]),
        ([(0, "call_connected")], ["marketing_prospect", "lead"]),
        ([(0, "call_connected+")], ["sales_prospect", "lead"]),
        ([(0, "purchased"), (9, "refunded")], ["customer", "marketing_prospect"]),
        # What it did before it left no longer makes a former customer a sales prospect.
        (
            [(0, "demo_requested"), (1, "purchased"), (2, "churned")],
            ["sales_prospect", "customer", "marketing_prospect"],
        ),
    ],
)
def test_stages_over_time(history: list[tuple[int, str]], expected: list[str]) -> None:
    _, _, changes = fold([[(T0 + days * DAY, kind) for days, kind in history]])
    assert stages_of(changes) == expected


def test_page_views_alone_ripen_nobody() -> None:
    _, timeline, changes = fold([[(T0 + n * MINUTE, "page_viewed") for n in range(200)]], until=T0 + DAY)
    assert stages_of(changes) == ["audience"]
    assert timeline.engagement.tolist() == [10_000]


def test_a_return_starts_the_cool_down_that_only_new_readiness_lifts() -> None:
    returned = [(T0, "demo_requested"), (T0 + 5 * DAY, "handoff_returned")]
    _, _, talked = fold([[*returned, (T0 + 6 * DAY, "trade_show_conversation")]])
    assert [(STAGES[c.to_rank], round((c.at - T0) / DAY, 1)) for c in talked[:3]] == [
        ("sales_prospect", 0.0),
        ("marketing_prospect", 5.0),
        # The conversation counts once the 30 days are over, by time alone.
        ("sales_prospect", 35.0),
    ]
    assert talked[2].cause == MomentCause.TIME
    _, _, asked = fold([[*returned, (T0 + 6 * DAY, "pricing_requested")]])
    assert [(STAGES[c.to_rank], (c.at - T0) // DAY) for c in asked[:3]] == [
        ("sales_prospect", 0),
        ("marketing_prospect", 5),
        ("sales_prospect", 6),
    ]


@pytest.mark.parametrize("gate", ["means", "authority"])
def test_a_closed_gate_keeps_out_of_sales_whatever_the_score(gate: str) -> None:
    facts = make_facts(COMPILED, [[(T0 + n * MINUTE, "demo_requested") for n in range(10)]], {**FITTING, gate: "no"})
    verdict = judge(COMPILED, facts, np.array([T0 + DAY]), Prior.none(1))
    assert STAGES[verdict.stage[0]] == "marketing_prospect"


def test_attributes_alone_enter_no_stage_above_the_weakest() -> None:
    verdict = judge(COMPILED, make_facts(COMPILED, [[]]), np.array([T0]), Prior.none(1))
    assert STAGES[verdict.stage[0]] == "audience"


def test_a_contact_near_a_threshold_does_not_flap() -> None:
    """Entered at 30, kept at 20: new likes while the score wanders between the two move nobody."""
    history = [(T0, "form_submitted"), (T0, "form_submitted")]
    history += [(T0 + days * DAY, "social_liked") for days in range(1, 60, 7)]
    _, _, changes = fold([history], until=T0 + 60 * DAY)
    assert stages_of(changes) == ["marketing_prospect"]


def test_ten_thousand_events_of_one_contact() -> None:
    history = [(T0 + n * MINUTE, ("page_viewed", "email_clicked", "form_submitted")[n % 3]) for n in range(10_000)]
    facts = make_facts(COMPILED, [history])
    at = T0 + 8 * DAY
    verdict = judge(COMPILED, facts, np.array([at]), Prior.none(1))
    assert int(verdict.engagement[0]) == take_apart(COMPILED, facts, at).total


def test_nobody_is_reviewed_for_ever() -> None:
    _, timeline, _ = fold([[(T0, "newsletter_subscribed"), (T0, "demo_requested")]], until=T0 + 5000 * DAY)
    assert timeline.review_at.tolist() == [NEVER]


@settings(max_examples=20)
@given(history=HISTORY)
def test_every_change_names_its_cause(history: list[tuple[int, str]]) -> None:
    _, _, changes = fold([history])
    times = {when for when, _ in history}
    assert all((change.cause == MomentCause.EVENT) == (change.at in times) for change in changes)


def test_the_engine_runs_without_django() -> None:
    program = "import sys, scoring.engine; print([m for m in sys.modules if m.split('.')[0] == 'django'])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_default_document_is_what_the_product_says() -> None:
    document = default_document()
    points = {kind: signal.points for signal in document.signals for kind in signal.match.kinds}
    assert points["demo_requested"] == points["pricing_requested"] == points["meeting_requested"] == 40
    assert points["social_question"] == 30
    assert points["form_submitted"] == points["asset_downloaded"] == points["event_registered"] == 15
    assert points["newsletter_subscribed"] == 10
    assert points["email_clicked"] == points["blog_commented"] == points["social_shared"] == 8
    assert (points["social_liked"], points["page_viewed"], points["email_opened"]) == (5, 1, 0)
    assert document.fit_threshold == 20
    assert [stage.key for stage in document.stages if stage.handoff] == ["sales_prospect"]
