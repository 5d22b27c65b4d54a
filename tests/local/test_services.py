"""The embedded services: shared by parallel commands, stopped with the last, recovered after any kill."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from config.env import BASE_DIR
from config.local.layout import Layout, LocalServicesError
from config.local.processes import ProcessMark, wait_until_gone
from config.local.services import memory_mb
from config.local.session import Lease, needs_services
from tests.running_app import app_environment

START_TIME = (
    "from django.db import connection as c; k = c.cursor(); "
    "k.execute('SELECT pg_postmaster_start_time()'); print(k.fetchone()[0])"
)


@pytest.fixture
def layout() -> Iterator[Layout]:
    with tempfile.TemporaryDirectory(prefix="ripen-test-local-", ignore_cleanup_errors=True) as folder:
        yield Layout(Path(folder) / "state")


def start_time(layout: Layout) -> str:
    connection = psycopg2.connect(dbname="ripen", user="ripen", host=str(layout.socket_dir))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_postmaster_start_time()::text")
            return str(cursor.fetchone()[0])
    finally:
        connection.close()


def postmaster(layout: Layout) -> ProcessMark:
    return ProcessMark.of(int((layout.postgres_data / "postmaster.pid").read_text().split()[0]))


def test_a_database_that_stays_has_an_eighth_of_the_memory_to_keep_its_pages_in(layout: Layout) -> None:
    lease = Lease(layout, throw_away=False)
    try:
        with (
            closing(psycopg2.connect(dbname="ripen", user="ripen", host=str(layout.socket_dir))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT pg_size_bytes(current_setting('shared_buffers'))")
            (shared,) = cursor.fetchone() or (0,)
    finally:
        lease.release(wait=True)
    there = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    assert shared <= max(there * 1024 / 8, 256 << 20)
    assert shared >= min(there * 1024 / 8, memory_mb() << 17) - (1 << 20)


@pytest.mark.parametrize(("limit", "expected"), [("67108864\n", 64), ("max\n", None), ("9223372036854771712\n", None)])
def test_a_container_has_the_memory_that_its_limit_leaves(tmp_path: Path, limit: str, expected: int | None) -> None:
    (tmp_path / "memory.max").write_text(limit)
    assert memory_mb(tmp_path / "memory.max") == (expected or memory_mb(tmp_path / "there is none"))


def test_the_services_stay_until_the_last_user_has_left(layout: Layout) -> None:
    first = Lease(layout, throw_away=True)
    second = Lease(layout, throw_away=True)
    try:
        started = start_time(layout)
        first.release(wait=True)
        assert start_time(layout) == started
    finally:
        second.release(wait=True)
    with pytest.raises(psycopg2.OperationalError):
        start_time(layout)
    assert not (layout.postgres_data / "postmaster.pid").exists()


def test_commands_side_by_side_use_the_same_services(layout: Layout) -> None:
    arguments = [sys.executable, "manage.py", "shell", "-v", "0", "-c", f"import time; {START_TIME}; time.sleep(1)"]
    both = [
        subprocess.Popen(
            arguments, cwd=BASE_DIR, env=app_environment(layout.root), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert answers[0][0] == answers[1][0]
    assert answers[0][0].startswith(b"20")


def test_a_start_after_a_killed_keeper_recovers(layout: Layout) -> None:
    lease = Lease(layout)
    try:
        left = postmaster(layout)
        keeper = ProcessMark.of(json.loads(layout.services_file.read_text())["keeper"])
        os.kill(keeper.pid, signal.SIGKILL)
        assert wait_until_gone([keeper], patience=10)
        # The server is not waited for: the next keeper meets the old server while it is still shutting down.
        assert lease.ensure() is True
        assert start_time(layout)
        assert wait_until_gone([left], patience=10)
    finally:
        lease.release(wait=True)


def test_stale_process_ids_do_not_stop_a_start(layout: Layout) -> None:
    Lease(layout, throw_away=True).release(wait=True)
    # A pid file as a power cut leaves it, its number meanwhile given to another process of ours.
    (layout.postgres_data / "postmaster.pid").write_text(f"{os.getpid()}\n{layout.postgres_data}\n1\n5432\n")
    (layout.valkey_data / "valkey.pid").write_text(str(os.getpid()))
    layout.valkey_socket.touch()
    lease = Lease(layout, throw_away=True)
    try:
        assert start_time(layout)
    finally:
        lease.release(wait=True)


def test_a_path_too_long_for_a_socket_is_reached_through_a_short_link() -> None:
    with tempfile.TemporaryDirectory(prefix="ripen-test-local-", ignore_cleanup_errors=True) as folder:
        layout = Layout(Path(folder) / ("long" * 30) / "state")
        assert layout.socket_dir != layout.run_dir
        lease = Lease(layout, throw_away=True)
        try:
            assert start_time(layout)
        finally:
            lease.release(wait=True)
        layout.socket_dir.unlink()


def test_a_link_of_somebody_else_is_not_followed(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("long" * 30) / "state")
    layout.socket_dir.symlink_to(tmp_path)
    try:
        with pytest.raises(LocalServicesError, match="is in the way"):
            layout.prepare()
    finally:
        layout.socket_dir.unlink()


def test_data_of_another_postgres_is_refused_in_words(layout: Layout) -> None:
    layout.prepare()
    layout.postgres_data.mkdir()
    (layout.postgres_data / "PG_VERSION").write_text("9\n")
    with pytest.raises(LocalServicesError, match="was made by PostgreSQL 9"):
        Lease(layout)


def test_only_commands_that_work_on_rows_start_services() -> None:
    assert needs_services(["manage.py", "migrate"])
    assert needs_services(["manage.py", "drain", "--until-empty"])
    assert not needs_services(["manage.py"])
    assert not needs_services(["manage.py", "--help"])
    assert not needs_services(["manage.py", "drain", "--help"])
    assert not needs_services(["manage.py", "collectstatic", "--noinput"])


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests have run as an ordinary user already")
def test_an_ordinary_user_needs_no_namespace(layout: Layout) -> None:
    # User 1000 of a namespace may read what root may, wherever this environment lies, and is nobody special.
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-user=1000", "--map-group=1000"),
            *(sys.executable, "manage.py", "shell", "-v", "0"),
            *("-c", f"import os; print(os.geteuid()); {START_TIME}"),
        ],
        cwd=BASE_DIR,
        env=app_environment(layout.root),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1000\n20")
