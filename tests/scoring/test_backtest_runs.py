"""Backtests as runs of a worker and from the shell: one state of the database, and words for what makes no sense."""

import json
import shlex
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import WorkState
from contacts.services.work import Cancelled, Unwatched
from scoring.definition import dump_yaml
from scoring.engine import compile_definition
from scoring.enums import RunKind
from scoring.matching import load_kinds
from scoring.models import Definition, Transition
from scoring.selectors import published_definition
from scoring.services.backtest import backtest
from scoring.services.observing import ObservationTimes, default_outcome, observe
from scoring.services.runs import start_run
from scoring.services.work import work_off_runs
from tests.scoring.facts import FITTING, incoming, record
from tests.scoring.planted import DAY, NOW, planted, populate

pytestmark = pytest.mark.django_db


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
    assert (run.state, run.error) == (WorkState.FINISHED, "")
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
    assert (bad.state, bad.error) == (WorkState.FAILED, "since must be a date such as 2026-01-31, not 'yesterday'.")
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
    assert run.state == WorkState.FAILED
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
