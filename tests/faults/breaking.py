"""What breaks: each fault strikes a running application for some seconds and then lets it mend itself."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from redis import Redis

from config.env import BASE_DIR
from tests.faults.proof import children_of, database, execute, fetch, wait_until
from tests.journeys.callers import Program
from tests.running_app import RunningApp


class Impossible(Exception):
    """This fault cannot be made on this machine; the text says why."""


@dataclass(frozen=True)
class Scene:
    """What is struck: an application, and a key to send with."""

    app: RunningApp
    key: str

    def status_of_ingest(self, events: list[dict[str, object]]) -> int:
        """The answer's status when these are sent once, 0 for none."""
        try:
            return Program(self.app.base_url, self.key).call("POST", "/api/v1/events/", {"events": events})[0]
        except OSError:
            return 0


Strike = Callable[[Scene, float], None]


@dataclass(frozen=True)
class Fault:
    """A fault by name. ``refuses``: while it lasts senders may be refused; otherwise none of them notices it."""

    name: str
    strike: Strike
    refuses: bool = True


# --- Our own processes ----------------------------------------------------------------------------------------------


def _role_killed(role: str) -> Strike:
    def strike(scene: Scene, seconds: float) -> None:
        old = scene.app.kill(role)
        scene.app.wait_until_back(role, old)

    return strike


def _child_killed(role: str) -> Strike:
    def strike(scene: Scene, seconds: float) -> None:
        wait_until(lambda: bool(children_of(scene.app.pid(role))), patience=60, what=f"the {role} has children")
        os.kill(children_of(scene.app.pid(role))[0], signal.SIGKILL)
        time.sleep(seconds)

    return strike


def _no_beat(scene: Scene, seconds: float) -> None:
    """Nobody sweeps, and the hints that wake drains get lost: what comes meanwhile waits for the beat's return."""
    scene.app.pause("beat")
    try:
        time.sleep(seconds / 2)
        scene.app.flush_broker()
        time.sleep(seconds / 2)
    finally:
        scene.app.resume("beat")


def _two_beats(scene: Scene, seconds: float) -> None:
    command = [sys.executable, "-m", "celery", "-A", "config.celery", "beat", "--pidfile=", "--loglevel", "ERROR"]
    with (scene.app.layout.log_dir / "second-beat.log").open("ab") as log:
        second = subprocess.Popen(command, cwd=BASE_DIR, env=scene.app.environment, stdout=log, stderr=log)
        try:
            time.sleep(seconds + 3)
            assert second.poll() is None, "the second beat did not run"
        finally:
            second.kill()
            second.wait(10)


# --- The broker -----------------------------------------------------------------------------------------------------


def _broker_flushed(scene: Scene, seconds: float) -> None:
    for _ in range(3):
        scene.app.flush_broker()
        time.sleep(seconds / 3)


def _broker_full(scene: Scene, seconds: float) -> None:
    """Every write is refused for want of memory; pages do without what they would have kept there."""
    broker = Redis.from_url(f"unix://{scene.app.layout.valkey_socket}?db=0")
    try:
        broker.config_set("maxmemory", 1)
        try:
            time.sleep(seconds / 2)
            assert scene.app.status("/account/login/") == 200
            time.sleep(seconds / 2)
        finally:
            broker.config_set("maxmemory", 0)
    finally:
        broker.close()


def _broker_stopped(scene: Scene, seconds: float) -> None:
    """It takes connections and does not answer."""
    scene.app.pause("valkey")
    try:
        time.sleep(seconds)
    finally:
        scene.app.resume("valkey")


# --- The database ---------------------------------------------------------------------------------------------------


def _database_ended(sign: signal.Signals) -> Strike:
    def strike(scene: Scene, seconds: float) -> None:
        old = scene.app.kill("postgres", sign)
        scene.app.wait_until_back("postgres", old)
        wait_until(lambda: _answers(scene.app), patience=60, what="the database answers")

    return strike


def _backend_killed(scene: Scene, seconds: float) -> None:
    """One of its processes dies, upon which PostgreSQL ends all others and recovers."""
    ((pid,),) = fetch(
        scene.app,
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1",
    )
    # What it shows are ids of its own namespace of processes, which is ours.
    os.kill(int(pid), signal.SIGKILL)
    time.sleep(0.5)
    wait_until(lambda: _answers(scene.app), patience=60, what="the database answers")


def _answers(app: RunningApp) -> bool:
    try:
        return fetch(app, "SELECT 1") == [(1,)]
    except psycopg2.OperationalError:
        return False


_END_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ripen' AND pid <> ALL(%s)"


def _connections_exhausted(scene: Scene, seconds: float) -> None:
    """Somebody else takes all connections there are, again and again the application's own."""
    taken = [scene.app.connect()]
    try:
        taken[0].autocommit = True
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with taken[0].cursor() as cursor:
                cursor.execute(_END_OTHERS, [[one.info.backend_pid for one in taken]])
            try:
                while True:
                    taken.append(scene.app.connect())
            except psycopg2.OperationalError:
                time.sleep(0.2)
        assert len(taken) > 20
    finally:
        for one in taken:
            one.close()


def _deadlock(scene: Scene, seconds: float) -> None:
    """A batch holds one contact and waits for another, whose holder asks for the first: one is the victim."""
    events: list[dict[str, object]] = [
        {
            "message_id": uuid.uuid4().hex,
            "kind": "page_viewed",
            "contact": {"email": f"deadlock{n}@x.test"},
            # What changes makes it hold the contact.
            "traits": {"first_name": f"Name {uuid.uuid4().hex[:6]}"},
        }
        for n in range(2)
    ]
    assert scene.status_of_ingest(events) == 200
    found = fetch(
        scene.app, "SELECT contact_id FROM contacts_identity WHERE value LIKE 'deadlock_@x.test' ORDER BY contact_id"
    )
    (first,), (last,) = found
    again = [
        {**event, "message_id": uuid.uuid4().hex, "traits": {"first_name": uuid.uuid4().hex[:6]}} for event in events
    ]
    statuses: list[int] = []
    with database(scene.app) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT FROM contacts_contact WHERE id = %s FOR UPDATE", [last])
        sending = threading.Thread(target=lambda: statuses.append(scene.status_of_ingest(again)))
        sending.start()
        waits = f"SELECT FROM pg_locks WHERE NOT granted AND {connection.info.backend_pid} = ANY(pg_blocking_pids(pid))"
        wait_until(lambda: bool(fetch(scene.app, waits)), patience=20, what="the batch waits")
        try:
            cursor.execute("SELECT FROM contacts_contact WHERE id = %s FOR UPDATE", [first])
        except psycopg2.errors.DeadlockDetected:
            pass
        connection.rollback()
        sending.join(60)
    assert statuses[0] in {200, 503}, statuses
    # A victim is told to come again, and then it is taken.
    assert scene.status_of_ingest(again) == 200
    sent = [event["message_id"] for event in (*events, *again)]
    assert fetch(scene.app, "SELECT count(*) FROM contacts_event WHERE message_id = ANY(%s)", sent) == [(4,)]


def _statement_timeout(scene: Scene, seconds: float) -> None:
    """Somebody locks the log of events, and the database gives every statement a tenth of a second."""
    with database(scene.app) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            try:
                cursor.execute("ALTER DATABASE ripen SET statement_timeout = '100ms'")
                cursor.execute(_END_OTHERS, [[connection.info.backend_pid]])
                connection.autocommit = False
                cursor.execute("SET LOCAL statement_timeout = 0")
                cursor.execute("LOCK TABLE contacts_event IN SHARE MODE")
                time.sleep(seconds)
                connection.rollback()
            finally:
                connection.autocommit = True
                cursor.execute("SET statement_timeout = 0")
                cursor.execute("ALTER DATABASE ripen RESET statement_timeout")
                cursor.execute(_END_OTHERS, [[connection.info.backend_pid]])


def _disk_full(scene: Scene, seconds: float) -> None:
    """The events lie on a small disk of their own, which somebody fills up."""
    with _small_disk(megabytes=256) as disk:
        place = disk / "events"
        place.mkdir()
        try:
            execute(
                scene.app,
                f"CREATE TABLESPACE small LOCATION '{place}'",
                "ALTER TABLE contacts_event SET TABLESPACE small",
                "CREATE TABLE filling (n integer) TABLESPACE small",
            )
            with database(scene.app) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    for rows in (500_000, 50_000, 2_000, 200):
                        try:
                            while True:
                                cursor.execute("INSERT INTO filling SELECT generate_series(1, %s)", [rows])
                        except psycopg2.errors.DiskFull:
                            continue
            time.sleep(seconds)
        finally:
            execute(
                scene.app,
                "DROP TABLE IF EXISTS filling",
                "ALTER TABLE contacts_event SET TABLESPACE pg_default",
                # Files of dropped tables stay until then.
                "CHECKPOINT",
                "DROP TABLESPACE IF EXISTS small",
            )


@contextmanager
def _small_disk(*, megabytes: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ripen-disk-") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            raise Impossible(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            # Sessions of the database keep dropped files open for a while.
            subprocess.run(["umount", "--lazy", folder], check=True)


FAULTS = (
    Fault("the worker is killed", _role_killed("worker"), refuses=False),
    Fault("a pool child of the worker is killed", _child_killed("worker"), refuses=False),
    Fault("a web worker is killed", _child_killed("web")),
    Fault("the web server is killed", _role_killed("web")),
    Fault("the beat is killed", _role_killed("beat"), refuses=False),
    Fault("there is no beat, and hints are lost", _no_beat, refuses=False),
    Fault("there are two beats", _two_beats, refuses=False),
    Fault("the broker forgets everything", _broker_flushed, refuses=False),
    Fault("the broker is killed", _role_killed("valkey"), refuses=False),
    Fault("the broker is restarted", lambda scene, _: _restart_broker(scene), refuses=False),
    Fault("the broker is full", _broker_full, refuses=False),
    Fault("the broker does not answer", _broker_stopped, refuses=False),
    Fault("the database is stopped fast", _database_ended(signal.SIGINT)),
    Fault("the database is stopped at once", _database_ended(signal.SIGQUIT)),
    Fault("the database is killed", _database_ended(signal.SIGKILL)),
    Fault("a process of the database is killed", _backend_killed),
    Fault("all connections are taken", _connections_exhausted),
    Fault("two wait for each other", _deadlock, refuses=False),
    Fault("statements take too long", _statement_timeout),
    Fault("the disk is full", _disk_full),
)


def _restart_broker(scene: Scene) -> None:
    old = scene.app.kill("valkey", signal.SIGTERM)
    scene.app.wait_until_back("valkey", old)
