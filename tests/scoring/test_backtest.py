"""Backtest: figures that a team can act on, and none that knows the future."""

import json
from datetime import UTC, datetime
from io import StringIO
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command

from contacts.models import Contact, Event
from contacts.services.work import Unwatched
from scoring.definition import DefinitionDocument, read_document, to_builtins
from scoring.engine import Assessor, Prior, compile_definition, judge
from scoring.engine.backtesting import Tally, rank
from scoring.matching import load_kinds
from scoring.moments import to_micros
from scoring.selectors import load_facts, published_definition
from scoring.services.backtest import backtest
from scoring.services.observing import ObservationTimes, default_outcome, observe
from tests.scoring.facts import contact_id_of, incoming, record
from tests.scoring.planted import DAY, NOW, add_what_came_later, planted, populate, record_many

pytestmark = pytest.mark.django_db

MODES = ("month-ends", "own-times")


def area(found: dict[str, Any], of: str = "score") -> Any:
    return next(row["auc"] for row in found["auc"] if row["of"] == of)


def rule(found: dict[str, Any], key: str) -> dict[str, Any]:
    return next(row for row in found["rules"] if row["key"] == key)


def naive_area(document: DefinitionDocument) -> float:
    """The mistake that a backtest must not make: everybody as known today, against whether they ever bought."""
    compiled = compile_definition(document, load_kinds())
    (part,) = observe(
        compiled,
        times=ObservationTimes(),
        outcome=default_outcome(document),
        now=NOW,
        progress=Unwatched(),
        chunk=1_000_000,
    )
    ids = np.unique(part.contact)
    facts = load_facts(ids, compiled, Assessor(document), until=NOW)
    today = judge(compiled, facts, np.full(len(ids), to_micros(NOW), dtype=np.int64), Prior.none(len(ids)))
    tally = Tally()
    tally.add(today.engagement + today.fit, np.isin(ids, part.buyers.contact))
    auc = rank(tally).auc
    assert auc is not None
    return auc


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("key", ["planted", "default"])
def test_nothing_after_the_purchase_changes_any_figure(mode: Any, key: str) -> None:
    buyers = populate(300)
    document = planted() if key == "planted" else published_definition()[1]
    before = backtest(document, now=NOW, mode=mode)
    assert before["population"]["converted"] > 30
    mistaken = naive_area(document)
    add_what_came_later(buyers)
    assert backtest(document, now=NOW, mode=mode) == before
    # The control: whoever looks ahead is misled by the very same events into a better figure.
    assert naive_area(document) > max(mistaken, area(before)) + 0.1


def test_what_is_recorded_late_counts_from_when_it_happened() -> None:
    buyers = populate(200)
    before = backtest(planted(), now=NOW)
    early = NOW - 400 * DAY
    late = [incoming("demo_requested", max(bought - 31 * DAY, early), email=email) for email, bought in buyers]
    record_many(late)
    after = backtest(planted(), now=NOW)
    assert area(after) > area(before)
    assert rule(after, "telling")["lift"] > rule(before, "telling")["lift"]


def test_a_rule_that_tells_has_lift_and_one_that_does_not_has_none() -> None:
    populate(1_500)
    for mode in MODES:
        assert_only_what_tells_has_lift(mode)


def assert_only_what_tells_has_lift(mode: Any) -> None:
    # By then as many signals weigh as ever will.
    found = backtest(planted(), now=NOW, mode=mode, since=NOW - 320 * DAY)
    assert found["warnings"] == []
    for key in ("telling", "large"):
        assert rule(found, key)["lift"] > 1.5
        assert rule(found, key)["low"] > 1
        assert rule(found, key)["enough"]
    for key in ("idle", "german"):
        assert 0.8 < rule(found, key)["lift"] < 1.2, (mode, key)
        assert rule(found, key)["low"] < 1 < rule(found, key)["high"]
    # What has no points is no rule.
    assert [row["key"] for row in found["rules"]] == ["telling", "idle", "large", "german"]
    assert 0.6 < area(found) < 0.9


def test_figures_of_a_small_world_by_hand() -> None:
    """Two ask for a demo, one of them buys; one buys without asking; one only looks."""
    start = datetime(2025, 6, 10, tzinfo=UTC)
    for name in "abcd":
        record(incoming("page_viewed", start, email=f"{name}@{name}.example"))
    record(
        incoming("demo_requested", start + DAY, email="a@a.example"),
        incoming("demo_requested", start + DAY, email="b@b.example"),
        incoming("purchased", start + 31 * DAY, email="a@a.example"),
        incoming("purchased", start + 200 * DAY, email="a@a.example"),
        incoming("purchased", start + 21 * DAY, email="c@c.example"),
        incoming("purchased", start + 22 * DAY, email="e@e.example"),
    )
    found = backtest(
        planted(),
        now=NOW,
        horizon_days=30,
        since=datetime(2025, 6, 1, tzinfo=UTC),
        until=datetime(2025, 6, 30, 23, 59, 59, 999_999, tzinfo=UTC),
        stage="lead",
    )
    assert found["population"] == {
        "contacts": 5,
        "observed": 4,
        "observations": 4,
        "outcomes": 2,
        "converted": 2,
        "rate": 0.5,
        "first": "2025-06-30T23:59:59.999999+00:00",
        "last": "2025-06-30T23:59:59.999999+00:00",
    }
    # One of the two who bought scored higher than one of the two who did not, and equal to the other; the other lower
    # than one and equal to one: 2.0 of 4 pairs.
    assert area(found) == 0.5
    lead = next(stage for stage in found["stages"] if stage["key"] == "lead")["or_above"]
    assert (lead["observations"], lead["outcomes"], lead["precision"]) == (2, 1, 0.5)
    assert (lead["recall"], lead["share"], lead["lift"]) == (0.5, 0.5, 1.0)
    assert rule(found, "telling")["lift"] == 1.0
    assert rule(found, "idle")["lift"] is None
    assert found["thresholds"][0]["share"] == 1.0
    assert sum(band["observations"] for band in found["bands"]) == 4
    told = {key: found["lead"][key] for key in ("buyers", "unknown", "stage", "flagged", "never", "median_days")}
    assert told == {"buyers": 3, "unknown": 1, "stage": "lead", "flagged": 1, "never": 1, "median_days": 30.0}
    assert found["lead"]["standing"] == 1
    assert found["warnings"] == [
        "Only 2 contacts had the outcome after being observed; with fewer than 30 every figure is rough."
    ]


def test_too_little_is_said_and_nothing_breaks() -> None:
    empty = backtest(planted(), now=NOW)
    assert empty["warnings"] == [
        "Nobody could be observed: no contact was known, without the outcome, long enough ago."
    ]
    assert (empty["population"]["observations"], empty["thresholds"], empty["bands"]) == (0, [], [])
    record(incoming("demo_requested", NOW - 300 * DAY))
    for mode in MODES:
        found = backtest(planted(), now=NOW, mode=mode)  # type: ignore[arg-type]  # a mode
        assert found["warnings"] == [
            "No observation was followed by a purchase within 90 days: nothing can be told apart."
        ]
        assert area(found) is None
        assert found["population"]["observations"] > 0
    record(incoming("purchased", NOW - 299 * DAY))
    found = backtest(planted(), now=NOW, mode="own-times")
    assert found["warnings"][0] == "Every observation was followed by a purchase: nothing can be told apart."
    assert found["thresholds"][0]["precision"] == 1.0
    json.dumps([empty, found], allow_nan=False)


def test_a_learned_score_is_held_against_what_came() -> None:
    populate(300)
    learned = {"intercept": -3.0, "signals": {"telling": 0.1}, "fit_rules": {"large": 1.0}}
    document = read_document({**to_builtins(planted()), "learned": learned})
    found = backtest(document, now=NOW)
    assert area(found, "likelihood") > 0.55
    bands = found["likelihood"]["bands"]
    assert sum(band["observations"] for band in bands) == found["population"]["observations"]
    for band in bands:
        if band["observations"]:
            assert band["from"] <= band["foretold"] <= band["to"]
            assert band["low"] <= band["rate"] <= band["high"]
    assert 0 < found["likelihood"]["brier"] < 0.25
    assert found["warnings"] == []
    seen = read_document({**to_builtins(planted()), "learned": {**learned, "trained_at": NOW.isoformat()}})
    (warning,) = backtest(seen, now=NOW)["warnings"]
    assert warning.startswith("The learned score was trained on 2026-03-02 from this history, so its figures here flat")
    off = read_document({**to_builtins(planted()), "learned": {**learned, "enabled": False}})
    assert backtest(off, now=NOW)["likelihood"] is None


def test_demo_data_gives_figures_that_make_sense() -> None:
    call_command("seed_demo", "--contacts", "450", "--events", "6000", stdout=StringIO())
    now = Event.objects.latest("occurred_at").occurred_at + DAY
    for mode in MODES:
        found = backtest(published_definition()[1], now=now, mode=mode, horizon_days=60)  # type: ignore[arg-type]  # a mode
        assert found["population"]["converted"] > 20
        assert 0.7 < area(found) < 0.99
        cuts = found["thresholds"]
        assert (cuts[0]["recall"], cuts[0]["lift"]) == (1.0, 1.0)
        for looser, stricter in pairwise(cuts):
            assert looser["recall"] >= stricter["recall"]
            assert looser["share"] >= stricter["share"]
        prospect = next(stage for stage in found["stages"] if stage["key"] == "sales_prospect")["or_above"]
        assert prospect["lift"] > 2
        assert rule(found, "readiness")["lift"] > 1.5
        lead = found["lead"]
        assert lead["flagged"] + lead["never"] + lead["unknown"] == lead["buyers"]
        assert sum(band["contacts"] for band in lead["waits"]) == lead["flagged"] > lead["never"]
        assert 0 < lead["median_days"] <= lead["p90_days"]


def test_a_contact_that_bought_twice_counts_once() -> None:
    record(
        incoming("demo_requested", NOW - 300 * DAY),
        incoming("purchased", NOW - 250 * DAY),
        incoming("refunded", NOW - 240 * DAY),
        incoming("demo_requested", NOW - 200 * DAY),
        incoming("purchased", NOW - 150 * DAY),
    )
    found = backtest(published_definition()[1], now=NOW)
    assert (found["lead"]["buyers"], found["population"]["converted"]) == (1, 1)
    assert found["population"]["last"] < (NOW - 250 * DAY).isoformat()
    assert Contact.objects.get(pk=contact_id_of()).events.count() == 5
