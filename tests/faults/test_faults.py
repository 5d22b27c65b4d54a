"""Nothing that was acknowledged is lost or counted twice, and everybody is judged, whatever dies in between."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.env import BASE_DIR
from config.local.processes import ProcessMark, wait_until_gone
from tests.faults.ingest import Sender
from tests.running_app import RunningApp, start_app

JUDGED_WITHIN = 10.0


@pytest.fixture(scope="module")
def app() -> Iterator[RunningApp]:
    """An application of this module's own, to break."""
    with start_app() as app:
        yield app


@pytest.fixture(scope="module")
def key(app: RunningApp) -> str:
    return app.run("create_source", "faults").splitlines()[-1]


@contextmanager
def database(app: RunningApp) -> Iterator[Any]:
    connection = app.connect()
    try:
        yield connection
    finally:
        connection.close()


def fetch(app: RunningApp, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    with database(app) as connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def wait_until(is_so: Callable[[], bool], *, patience: float, what: str) -> float:
    """Seconds it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < patience, f"{what}: not within {patience} s"
        time.sleep(0.05)
    return time.monotonic() - began


_STUCK = """
SELECT FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
WHERE NOT lock.granted AND lock.relation = 'scoring_transition'::regclass
  AND activity.query LIKE '%%INSERT INTO scoring_transition%%'
"""


@contextmanager
def stuck_drain(app: RunningApp) -> Iterator[None]:
    """While inside, a drain that has locked its contacts hangs at writing their transitions."""
    with database(app) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE scoring_transition IN SHARE MODE")
        wait_until(lambda: bool(fetch(app, _STUCK)), patience=20, what="a drain begins to write")
        yield
        connection.rollback()


_UNJUDGED = """
SELECT count(*) FROM contacts_event AS event LEFT JOIN contacts_standing AS standing USING (contact_id)
WHERE standing.evaluated_at IS NULL OR standing.evaluated_at < event.occurred_at
"""


def everybody_is_judged(app: RunningApp) -> bool:
    return fetch(app, "SELECT count(*) FROM contacts_due") == [(0,)] and fetch(app, _UNJUDGED) == [(0,)]


def prove_nothing_lost(app: RunningApp, *senders: Sender) -> None:
    """Every acknowledged message is stored once with its contact, and there are no others of these senders."""
    for sender in senders:
        assert not sender.is_alive()
        assert sender.problems == []
        stored = fetch(
            app,
            "SELECT event.message_id, contact.email FROM contacts_event AS event"
            " JOIN contacts_contact AS contact ON contact.id = event.contact_id WHERE event.message_id = ANY(%s)",
            list(sender.acknowledged),
        )
        assert len(stored) == len(sender.acknowledged)
        assert dict(stored) == sender.acknowledged
    sent = sum(len(sender.acknowledged) for sender in senders)
    kinds = "SELECT count(*) FROM contacts_event JOIN contacts_kind AS kind ON kind.id = kind_id WHERE NOT kind.system"
    assert fetch(app, f"{kinds} AND message_id = ANY(%s)", [i for s in senders for i in s.acknowledged]) == [(sent,)]


def verified(app: RunningApp) -> tuple[int, str]:
    """Exit code of verify, and what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", "verify"],
        cwd=BASE_DIR,
        env=app.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_worker_killed_in_the_middle_of_a_drain_costs_only_seconds(app: RunningApp, key: str) -> None:
    with Sender(app.base_url, key) as sender:
        wait_until(lambda: len(sender.acknowledged) > 500, patience=30, what="ingest runs")
        with stuck_drain(app):
            killed_at = time.time()
            family = [ProcessMark.of(pid) for pid in children_of(app.pid("worker"))]
            old_pid = app.kill("worker")
            assert family
            assert wait_until_gone(family, patience=10), "pool processes outlived their worker"
        app.wait_until_back("worker", old_pid)
        ready = app.layout.worker_ready
        wait_until(lambda: ready.stat().st_mtime > killed_at, patience=30, what="the worker takes tasks again")
    wait_until(lambda: everybody_is_judged(app), patience=JUDGED_WITHIN, what="everybody is judged")
    assert sender.failures == 0
    prove_nothing_lost(app, sender)
    code, told = verified(app)
    assert code == 0, told


def test_a_broker_flushed_and_restarted_during_ingest_costs_only_seconds(app: RunningApp, key: str) -> None:
    with Sender(app.base_url, key) as first, Sender(app.base_url, key) as second:
        wait_until(lambda: len(first.acknowledged) > 200, patience=30, what="ingest runs")
        app.flush_broker()
        time.sleep(0.5)
        old_pid = app.kill("valkey")
        before = len(first.acknowledged)
        app.wait_until_back("valkey", old_pid)
        wait_until(lambda: len(first.acknowledged) > before + 200, patience=30, what="ingest goes on")
    app.wait_until_healthy()
    wait_until(lambda: everybody_is_judged(app), patience=JUDGED_WITHIN, what="everybody is judged")
    # No request waits for the broker, let alone fails for want of it.
    assert (first.failures, second.failures) == (0, 0)
    prove_nothing_lost(app, first, second)
    code, told = verified(app)
    assert code == 0, told


def children_of(pid: int) -> list[int]:
    """Process ids of the pool."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
