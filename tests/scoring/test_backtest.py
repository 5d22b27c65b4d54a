"""Backtest: figures that a team can act on, and none that knows the future."""

import json
import shlex
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.ingest.incoming import IncomingEvent
from contacts.models import Contact, Event
from scoring.definition import DefinitionDocument, dump_yaml, load_yaml, read_document, to_builtins
from scoring.engine import Assessor, Prior, compile_definition, judge
from scoring.engine.backtesting import Tally, rank
from scoring.enums import RunKind, RunState
from scoring.matching import load_kinds
from scoring.models import Definition, Transition
from scoring.moments import to_micros
from scoring.selectors import load_facts, published_definition
from scoring.services.backtest import backtest
from scoring.services.observing import ObservationTimes, default_outcome, observe
from scoring.services.runs import Cancelled, Unwatched, start_run
from scoring.services.work import work_off_runs
from tests.scoring.facts import FITTING, contact_id_of, incoming, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MODES = ("month-ends", "own-times")

PLANTED = """
key: planted
name: One signal that tells, one that does not
description: For tests.
evidence:
  purchase:
    label: a purchase
    any_of: [{kinds: [purchased]}]
signals:
  - {key: telling, label: Asked for a demo, match: {kinds: [demo_requested]}, points: 30}
  - {key: idle, label: Liked a post, match: {kinds: [social_liked]}, points: 30}
  - {key: opened, label: Opened, match: {kinds: [email_opened]}, points: 0}
fit:
  rules:
    - {key: large, label: A large company, test: {name: company.employees, at_least: 1000}, points: 5}
    - {key: german, label: In Germany, test: {name: country, equals: DE}, points: 5}
stages:
  - {key: audience, label: Everybody, owner: marketing, description: All., communication: None.}
  - key: lead
    label: Promising
    owner: marketing
    description: Asked.
    communication: Some.
    enter: {engagement: {at_least: 25}}
    keep: {engagement: {at_least: 5}}
  - key: customer
    label: Bought
    owner: sales
    description: Bought.
    communication: Much.
    enter: {count: {of: purchase}}
"""


def planted() -> DefinitionDocument:
    return load_yaml(PLANTED)


def record_many(events: list[IncomingEvent]) -> None:
    for start in range(0, len(events), 500):
        record(*events[start : start + 500], at=NOW)


def populate(contacts: int, days: int = 420, seed: int = 7) -> list[tuple[str, datetime]]:
    """A world in which demos and large companies tell who will buy, likes and Germany nothing. Returns the buyers.

    Whatever happens comes at the same rate on every day, but for purchases: more after a demo, more by the large.
    """
    rng = np.random.default_rng(seed)
    large, german = rng.random(contacts) < 0.3, rng.random(contacts) < 0.5
    daily = rng.random((3, contacts, days)) < np.array([0.003, 0.004, 0.015])[:, None, None]
    demos, likes, visits = daily
    chances, moments = rng.random((contacts, days)), rng.random((contacts, days, 4))
    events: list[IncomingEvent] = []
    buyers: list[tuple[str, datetime]] = []
    begin = NOW - (days + 1) * DAY
    for number in range(contacts):
        email = f"p{number}@x{number}.example"
        company = {"name": f"X{number}", "domain": f"x{number}.example", "employees": 5000 if large[number] else 50}
        traits = {"country": "DE" if german[number] else "FR", "company": company}
        events.append(incoming("page_viewed", begin, email=email, traits=traits))
        last_demo, bought = -days, False
        for day in range(days):
            when = [begin + (day + float(moment)) * DAY for moment in moments[number, day]]
            chance = 0.0002 * (12 if day - last_demo < 90 else 1) * (4 if large[number] else 1)
            if not bought and chances[number, day] < chance:
                bought = True
                events.append(incoming("purchased", when[0], email=email))
                buyers.append((email, when[0]))
            if demos[number, day]:
                last_demo = day
                events.append(incoming("demo_requested", when[1], email=email))
            if likes[number, day]:
                events.append(incoming("social_liked", when[2], email=email))
            if visits[number, day]:
                events.append(incoming("page_viewed", when[3], email=email))
    record_many(events)
    return buyers


def add_what_came_later(buyers: list[tuple[str, datetime]]) -> None:
    """After each purchase: much engagement, another purchase, a refund, and attributes that fit to perfection."""
    events = []
    for email, bought in buyers:
        company = {"domain": email.partition("@")[2], "employees": 9_000, "industry": "software"}
        for step, kind in enumerate(["demo_requested", "call_connected", "purchased", "social_liked", "refunded"]):
            when = bought + (1 + step * 11) * timedelta(hours=1)
            traits = {**FITTING, "country": "DE", "company": company} if step == 1 else {}
            events.append(incoming(kind, when, email=email, traits=traits, **{"with": "Sam"}))
    record_many(events)


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
    call_command("seed_demo", "--contacts", "700", "--events", "9000", stdout=StringIO())
    now = Event.objects.latest("occurred_at").occurred_at + DAY
    for mode in MODES:
        found = backtest(published_definition()[1], now=now, mode=mode, horizon_days=60)  # type: ignore[arg-type]  # a mode
        assert found["population"]["converted"] > 30
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


def test_a_worker_does_it_as_a_run() -> None:
    populate(60)
    row = Definition.objects.get(key="scored-vetted")
    asked = {
        "mode": "own-times",
        "horizon_days": 60,
        "since": "2025-01-01",
        "until": "2025-12-31",
        "outcome": "purchased",
    }
    run = start_run(kind=RunKind.BACKTEST, definition=row, by=None, parameters=asked)
    bad = start_run(kind=RunKind.BACKTEST, definition=row, by=None, parameters={"since": "yesterday"})
    assert work_off_runs() == 2
    run.refresh_from_db()
    bad.refresh_from_db()
    assert (run.state, run.error) == (RunState.FINISHED, "")
    assert run.result is not None
    assert run.result["asked"] == {
        "mode": "own-times",
        "horizon_days": 60,
        "since": "2025-01-01T00:00:00+00:00",
        "until": "2025-12-31T23:59:59.999999+00:00",
        "outcome": {"key": "purchased", "label": '"purchased"'},
        "stage": {"key": "sales_prospect", "label": "Prospect"},
    }
    assert run.result["definition"] == "scored-vetted@1"
    # The thresholds that both teams agreed on, to enter and to keep, are among those shown.
    assert [row["at_least"] for row in run.result["thresholds"] if row["of_definition"]] == [50.0, 60.0]
    assert (bad.state, bad.error) == (RunState.FAILED, "since must be a date such as 2026-01-31, not 'yesterday'.")
    assert Transition.objects.count() == 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"horizon_days": "soon"}, "horizon_days must be a whole number of days, not 'soon'"),
        ({"horizon_days": 100_000}, "between 1 and 3,650 days"),
        ({"until": "2026-02-31"}, "until must be a date such as 2026-01-31, not '2026-02-31'"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "ends before it begins"),
        ({"stage": "lead"}, "'lead' is no stage of this definition; it uses audience, marketing_prospect"),
        ({"outcome": "sale"}, "'sale' is neither an evidence of this definition nor an event kind"),
        ({"mode": "daily"}, "'daily' is no way to choose moments; use month-ends or own-times"),
    ],
)
def test_an_order_that_makes_no_sense_says_why(asked: dict[str, Any], message: str) -> None:
    row = Definition.objects.get(key="demand-gen")
    run = start_run(kind=RunKind.BACKTEST, definition=row, by=None, parameters=asked)
    work_off_runs()
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert message in run.error


def test_every_contact_costs_the_same_queries() -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            backtest(published_definition()[1], now=NOW)
        return len(found)

    record(incoming("demo_requested", NOW - 200 * DAY, traits=FITTING))
    one = queries()
    for name in ("bob", "eve"):
        record(incoming("demo_requested", NOW - 200 * DAY, email=f"{name}@acme.example", traits=FITTING))
    assert queries() == one


class StopsEarly(Unwatched):
    def advance(self, number: int, *, reached: int | None = None) -> None:
        raise Cancelled


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_all_parts_see_one_state_and_hold_up_nobody() -> None:
    for number in range(6):
        record(incoming("demo_requested", NOW - 200 * DAY, email=f"p{number}@x{number}.example"))
    compiled = compile_definition(planted(), load_kinds())
    parts = observe(
        compiled,
        times=ObservationTimes(),
        outcome=default_outcome(planted()),
        now=NOW,
        progress=Unwatched(),
        chunk=1,
    )
    first = next(parts)
    # Recorded while the backtest reads: it neither waits nor shows in the parts that are read later.
    record(incoming("purchased", NOW - 199 * DAY, email="p5@x5.example"))
    record(incoming("demo_requested", NOW - 200 * DAY, email="p6@x6.example"))
    rest = list(parts)
    assert len([first, *rest]) == 6
    assert sum(len(part.buyers.contact) for part in rest) == 0
    with pytest.raises(Cancelled):
        backtest(planted(), now=NOW, progress=StopsEarly())
    fresh = backtest(planted(), now=NOW)
    assert (fresh["lead"]["buyers"], fresh["population"]["contacts"]) == (1, 7)


def run_command(*arguments: str) -> str:
    out = StringIO()
    call_command("definition", "backtest", *arguments, stdout=out)
    return out.getvalue()


def test_from_the_shell(tmp_path: Path) -> None:
    populate(60)
    path = tmp_path / "planted.yaml"
    path.write_text(dump_yaml(planted()))
    with time_machine.travel(NOW, tick=False):
        told = run_command(str(path))
        found = json.loads(run_command(str(path), "--json"))
        own = json.loads(run_command("default@1", "--mode", "own-times", "--horizon-days", "30", "--json"))
        period = run_command("default", "--since", "2025-06-01", "--until", "2025-06-30", "--outcome", "demo_requested")
    assert told.startswith("planted.yaml against a purchase within 90 days\n")
    assert f"{found['population']['observations']:,} observations of " in told
    assert "Asked for a demo" in told
    assert "Promising" in told
    assert found["definition"] == "planted.yaml"
    assert (own["asked"]["mode"], own["asked"]["horizon_days"], own["definition"]) == ("own-times", 30, "default@1")
    assert "at month ends, 2025-06-30 to 2025-06-30" in period
    assert period.startswith('default@1 against "demo requested" within 90 days\n')


def test_the_shell_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no definition 'nobody'"):
        run_command("nobody")
    with pytest.raises(CommandError, match="'sale' is neither an evidence"):
        run_command("default", "--outcome", "sale")
    with pytest.raises(CommandError, match="No such file"):
        run_command(str(tmp_path / "none.yaml"))
    broken = tmp_path / "broken.yaml"
    broken.write_text("key: [")
    with pytest.raises(CommandError, match="no readable YAML"):
        run_command(str(broken))
    # Nobody could be observed, but there is something to read.
    assert "note: Nobody could be observed" in run_command("default")


def test_the_commands_of_the_manual_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "backtesting.md").read_text()
    lines = [line for line in manual.splitlines() if line.startswith(".venv/bin/python manage.py ")]
    assert len(lines) >= 4
    monkeypatch.chdir(tmp_path)
    for line in lines:
        command, *arguments = shlex.split(line.removeprefix(".venv/bin/python manage.py "))
        told = StringIO()
        call_command(command, *arguments, stdout=told)
        assert told.getvalue() or Path("mine.yaml").exists(), line


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
