"""Nothing that was acknowledged is lost or counted twice, and everybody is judged, whatever dies in between."""

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml

from config.env import BASE_DIR
from config.local.processes import ProcessMark, wait_until_gone
from contacts.services.imports.contact_rows import CHUNK_ROWS
from tests.faults.ingest import Sender
from tests.faults.proof import (
    JUDGED_WITHIN,
    PATIENCE,
    children_of,
    converge,
    database,
    everybody_is_judged,
    fetch,
    held_contact,
    prove,
    prove_nothing_lost,
    send_for,
    wait_until,
)
from tests.running_app import RunningApp

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
    converge(app)
    prove(app)


# Shown are a query's first thousand characters.
_WAITS = (
    "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%SELECT id FROM contacts_contact%%'"
)

_UNDER_WAY = "SELECT FROM scoring_run WHERE kind = 'roll_back' AND finished_at IS NULL"


def a_run_is_held(app: RunningApp) -> bool:
    return bool(fetch(app, _WAITS))


def state_of_run(app: RunningApp, kind: str) -> str:
    ((state,),) = fetch(app, "SELECT state FROM scoring_run WHERE kind = %s ORDER BY id DESC LIMIT 1", kind)
    return str(state)


@pytest.fixture
def generous_draft(app: RunningApp, tmp_path: Path) -> str:
    """A stored draft, as key@version, under which every score is higher than under the one in force."""
    definition = yaml.safe_load(app.run("definition", "export", "default"))
    for item in definition["signals"]:
        item["points"] *= 4
    path = tmp_path / "generous.yaml"
    path.write_text(yaml.safe_dump(definition))
    return app.run("definition", "import", str(path)).split()[0]


_ORDER = """
from django.utils import timezone
from scoring.selectors import find_draft
from scoring.services.publish import order_publication
order_publication(definition_id=find_draft("{}").pk, by=None, now=timezone.now())
"""


def test_a_worker_killed_in_the_middle_of_a_publication_costs_only_seconds_and_judging_goes_on(
    app: RunningApp, key: str, generous_draft: str
) -> None:
    senders = [send_for(app, key, 150)]
    # The next contacts are of another range, which is judged after the first.
    with database(app) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('contacts_contact', 'id'), 100000)")
        connection.commit()
    senders.append(send_for(app, key, 150))
    ((last,),) = fetch(app, "SELECT max(contact_id) FROM contacts_standing")
    assert last > 100_000

    with held_contact(app, last):
        app.run("shell", "-v", "0", "-c", _ORDER.format(generous_draft))
        wait_until(lambda: a_run_is_held(app), patience=PATIENCE, what="the publication is half way")
        done = "SELECT count(*) FROM scoring_transition WHERE cause = 'publication' AND contact_id < 100000"
        assert fetch(app, done) != [(0,)], "the first range is through"
        assert state_of_run(app, "publish") == "running"

        began = time.monotonic()
        senders.append(send_for(app, key, 150))
        assert time.monotonic() - began < JUDGED_WITHIN, "whoever comes now is judged at once"

        old_pid = app.kill("runs")
    app.wait_until_back("runs", old_pid)
    wait_until(lambda: state_of_run(app, "publish") == "finished", patience=PATIENCE, what="the next worker goes on")
    prove_nothing_lost(app, *senders)
    assert fetch(app, "SELECT count(*) FROM scoring_publication WHERE judged_at IS NULL") == [(0,)]
    converge(app)
    prove(app)


def test_what_is_stopped_at_the_shell_is_finished_by_the_worker(app: RunningApp, key: str, generous_draft: str) -> None:
    send_for(app, key, 150)
    app.run("definition", "publish", generous_draft)
    touched = "evaluated_at >= (SELECT max(effective_at) FROM scoring_publication WHERE retracted_at IS NULL)"
    ((last,),) = fetch(app, f"SELECT max(contact_id) FROM contacts_standing WHERE {touched}")
    with held_contact(app, last):
        shell = subprocess.Popen(
            [sys.executable, "manage.py", "definition", "rollback"],
            cwd=BASE_DIR,
            env=app.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever runs the tests in the background may have told them, and so their children, to ignore it.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads here
        )
        # Others wait for the contact, too, and a shell that has only begun knows no interrupt yet.
        wait_until(
            lambda: bool(fetch(app, _UNDER_WAY)) and a_run_is_held(app),
            patience=PATIENCE,
            what="the roll-back is under way",
        )
        shell.send_signal(signal.SIGINT)
    _, told = shell.communicate(timeout=PATIENCE)
    # Before its last line a log may say that a hint was lost: on a busy machine the broker is given up on early.
    assert (shell.returncode, told.splitlines()[-1]) == (
        1,
        "CommandError: Stopped here; the worker of `manage.py up` goes on with it.",
    )
    wait_until(lambda: state_of_run(app, "roll_back") == "finished", patience=PATIENCE, what="the worker goes on")
    converge(app)
    prove(app)


IMPORTED = 2 * CHUNK_ROWS + 100
# One in each chunk: a row that cannot be taken.
BAD_ROWS = (10, CHUNK_ROWS + 10, 2 * CHUNK_ROWS + 10)
KNOWN = CHUNK_ROWS + 500

_ORDER_IMPORT = """
from pathlib import Path
from django.utils import timezone
from contacts.services.imports.ordering import start_import
from contacts.services.imports.receiving import receive_file
with Path("{}").open("rb") as stream:
    run = receive_file(stream=stream, file_name="people.csv", what="contacts", by=None, now=timezone.now())
start_import(run=run, by=None, now=timezone.now())
"""
_CHUNK_WAITS = """
SELECT FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND query LIKE '%%SELECT id FROM contacts_contact WHERE id = ANY%%'
"""


def test_a_worker_killed_in_the_middle_of_an_import_goes_on_where_it_stopped(app: RunningApp, tmp_path: Path) -> None:
    known = tmp_path / "known.csv"
    known.write_text(f"email,first name\np{KNOWN}@import.test,Before\n")
    app.run("import_contacts", str(known))
    people = tmp_path / "people.csv"
    with people.open("w") as stream:
        stream.write("email,first name\n")
        stream.writelines(f"p{n}{' ' if n in BAD_ROWS else '@'}import.test,Name{n}\n" for n in range(1, IMPORTED + 1))
    ((contact_id,),) = fetch(app, "SELECT contact_id FROM contacts_identity WHERE value = %s", f"p{KNOWN}@import.test")

    ((messages,),) = fetch(app, "SELECT count(*) FROM contacts_message")

    with held_contact(app, contact_id):
        app.run("shell", "-v", "0", "-c", _ORDER_IMPORT.format(people))
        wait_until(lambda: bool(fetch(app, _CHUNK_WAITS)), patience=PATIENCE, what="the second chunk is under way")
        progress = fetch(app, "SELECT state, reached FROM contacts_job WHERE kind = 'import_contacts'")
        assert progress == [("running", CHUNK_ROWS)]
        old_pid = app.kill("runs")
    app.wait_until_back("runs", old_pid)

    def state() -> str:
        return str(fetch(app, "SELECT state FROM contacts_job WHERE kind = 'import_contacts'")[0][0])

    wait_until(lambda: state() == "finished", patience=PATIENCE, what="the next worker goes on")
    counted = fetch(
        app,
        "SELECT rows, created, updated, unchanged, rejected, stored_file, errors_file FROM contacts_importrun"
        " WHERE job_id IS NOT NULL",
    )
    *counts, stored_file, errors_file = counted[0]
    assert counts == [IMPORTED, IMPORTED - len(BAD_ROWS) - 1, 1, 0, len(BAD_ROWS)]
    # One message a row that changed something.
    assert fetch(app, "SELECT count(*) FROM contacts_message") == [(messages + IMPORTED - len(BAD_ROWS),)]
    found = "SELECT count(DISTINCT contact_id), count(*) FROM contacts_identity WHERE value LIKE '%%@import.test'"
    assert fetch(app, found) == [(IMPORTED - len(BAD_ROWS),) * 2]
    assert fetch(app, "SELECT first_name FROM contacts_contact WHERE id = %s", contact_id) == [(f"Name{KNOWN}",)]
    with Path(errors_file).open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["email", *(f"p{n} import.test" for n in BAD_ROWS)]
    assert stored_file == ""
    wait_until(lambda: everybody_is_judged(app), patience=PATIENCE, what="everybody is judged")
    converge(app)
    prove(app)
