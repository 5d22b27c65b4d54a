"""What every run of the fault suite ends with: the senders' ledgers against the database, and the invariants."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.env import BASE_DIR
from config.local.processes import ProcessMark
from tests.faults.ingest import Sender
from tests.running_app import RunningApp

JUDGED_WITHIN = 10.0
# For processes to start, on a machine that does other things besides.
PATIENCE = 90.0


@contextmanager
def database(app: RunningApp) -> Iterator[Any]:
    """A connection of one's own."""
    connection = app.connect()
    try:
        yield connection
    finally:
        connection.close()


def fetch(app: RunningApp, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows of one query."""
    with database(app) as connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def execute(app: RunningApp, *statements: str) -> None:
    """Do something behind everybody's back, each statement by itself."""
    with database(app) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def wait_until(is_so: Callable[[], bool], *, patience: float, what: str) -> float:
    """Seconds it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < patience, f"{what}: not within {patience} s"
        time.sleep(0.05)
    return time.monotonic() - began


_UNJUDGED = """
SELECT count(*) FROM contacts_event AS event LEFT JOIN contacts_standing AS standing USING (contact_id)
WHERE standing.evaluated_at IS NULL OR standing.evaluated_at < event.occurred_at
"""
_WAITING = """
SELECT (SELECT count(*) FROM contacts_due WHERE quarantined_at IS NULL)
     + (SELECT count(*) FROM scoring_transition WHERE consumed_at IS NULL)
     + (SELECT count(*) FROM funnel_recount)
     + (SELECT count(*) FROM funnel_announcement WHERE noticed_at IS NULL OR hooked_at IS NULL)
"""


def everybody_is_judged(app: RunningApp) -> bool:
    """No fact waits for judgement."""
    return fetch(app, "SELECT count(*) FROM contacts_due") == [(0,)] and fetch(app, _UNJUDGED) == [(0,)]


def everything_is_done(app: RunningApp) -> bool:
    """Nothing waits anywhere between a fact and the last of its consequences."""
    return fetch(app, _WAITING) == [(0,)] and fetch(app, _UNJUDGED) == [(0,)]


def wait_until_back(app: RunningApp) -> None:
    """Wait until the application answers and its worker takes tasks: whatever had to be started again has been."""
    app.wait_until_healthy(PATIENCE)

    def worker_is_ready() -> bool:
        try:
            pid = app.pid("worker")
            return app.layout.worker_ready.stat().st_mtime >= _began(pid) and bool(children_of(pid))
        except (OSError, ValueError):
            return False

    wait_until(worker_is_ready, patience=PATIENCE, what="the worker takes tasks")


def _began(pid: int) -> float:
    """When a process began, in seconds since 1970; ValueError when there is none."""
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + int(ProcessMark.of(pid).started) / os.sysconf("SC_CLK_TCK")


def converge(app: RunningApp) -> float:
    """Wait until everything is done, which takes ten seconds at most; how long it took."""
    return wait_until(lambda: everything_is_done(app), patience=JUDGED_WITHIN, what="everything is done")


_STORED = """
SELECT event.message_id, contact.email FROM contacts_event AS event
JOIN contacts_contact AS contact ON contact.id = event.contact_id WHERE event.message_id = ANY(%s)
"""


def prove_nothing_lost(app: RunningApp, *senders: Sender) -> None:
    """Every acknowledged message is stored once with its contact, and there are no others of these senders."""
    for sender in senders:
        assert not sender.is_alive()
        assert sender.problems == []
        stored = fetch(app, _STORED, list(sender.acknowledged))
        assert len(stored) == len(sender.acknowledged)
        assert dict(stored) == sender.acknowledged


def verified(app: RunningApp) -> tuple[int, str]:
    """Exit code of verify, and what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", "verify"],
        cwd=BASE_DIR,
        env=app.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def prove(app: RunningApp) -> None:
    """All invariants hold."""
    code, told = verified(app)
    assert code == 0, told


def send_for(app: RunningApp, key: str, messages: int) -> Sender:
    """Send until so many are acknowledged, and wait until their contacts are judged."""
    with Sender(app.base_url, key) as sender:
        wait_until(lambda: len(sender.acknowledged) >= messages, patience=PATIENCE, what="ingest runs")
    wait_until(lambda: everybody_is_judged(app), patience=JUDGED_WITHIN, what="everybody is judged")
    return sender


@contextmanager
def held_contact(app: RunningApp, contact_id: int) -> Iterator[None]:
    """While inside, no verdict on this contact is written; everybody else's are."""
    with database(app) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT FROM contacts_contact WHERE id = %s FOR NO KEY UPDATE", [contact_id])
        yield
        connection.rollback()


def children_of(pid: int) -> list[int]:
    """Process ids of a process's children: the pool of a worker, the workers of the web server."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
