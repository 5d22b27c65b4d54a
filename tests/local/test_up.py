"""`manage.py up`: what a person at the terminal gets, and what is left when it ends, however it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from config.env import BASE_DIR
from config.local.processes import wait_until_gone
from tests.running_app import RunningApp, app_environment, start_app


def up(state_dir: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "up", *options],
        cwd=BASE_DIR,
        env={**app_environment(state_dir), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def get_json(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: dict[str, object] = json.load(answer)
    return body


def test_prints_where_it_is_and_who_may_sign_in(running_app: RunningApp) -> None:
    lines = running_app.output.splitlines()
    assert f"Ripen is ready at {running_app.base_url}" in lines
    assert running_app.base_url.startswith("http://127.0.0.1:")
    for email, password in running_app.demo_logins.items():
        assert any(email in line and password in line for line in lines)
    assert len(running_app.demo_logins) == 5
    assert running_app.layout.demo_logins.stat().st_mode & 0o777 == 0o600
    assert running_app.state_dir.stat().st_mode & 0o777 == 0o700


def test_every_part_is_in_order(running_app: RunningApp) -> None:
    assert get_json(f"{running_app.base_url}/healthz") == {"status": "ok"}
    assert get_json(f"{running_app.base_url}/readyz") == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "broker": "ok"},
    }
    assert running_app.status("/metrics") == 200


def test_static_files_are_hashed_compressed_and_kept(running_app: RunningApp) -> None:
    with urllib.request.urlopen(f"{running_app.base_url}/account/login/", timeout=10) as answer:
        found = re.search(r'"(/static/css/[^"]+\.css)"', answer.read().decode())
    assert found is not None
    request = urllib.request.Request(f"{running_app.base_url}{found[1]}", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "immutable" in answer.headers["Cache-Control"]


def test_a_command_uses_the_services_that_run(running_app: RunningApp) -> None:
    before = running_app.pid("postgres")
    code = "from django.db import connection as c; k = c.cursor(); k.execute('SELECT pg_postmaster_start_time()::text')"
    told = running_app.run("shell", "-v", "0", "-c", f"{code}; print(k.fetchone()[0])")
    connection = running_app.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'; SELECT pg_postmaster_start_time()::text")
            assert told == f"{cursor.fetchone()[0]}\n"
    finally:
        connection.close()
    assert running_app.pid("postgres") == before


def test_a_second_up_on_the_same_state_says_so(running_app: RunningApp) -> None:
    second = up(running_app.state_dir, "--port", "0")
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.count("\n") == 1
    assert "already runs on" in second.stderr
    assert running_app.status("/readyz") == 200


def test_a_database_that_is_away_is_said_in_one_line(tmp_path: Path) -> None:
    elsewhere = {"DATABASE_URL": f"postgresql:///ripen?host={tmp_path}", "SECRET_KEY": "s" * 40}
    done = up(tmp_path / "state", "--port", "0", **elsewhere)
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: the database cannot be used: ")
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = up(tmp_path / "state", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr == f"CommandError: port {port} is in use: choose another with --port\n"


def test_however_it_ends_nothing_is_left_and_the_next_start_works() -> None:
    with start_app() as app:
        logins = app.demo_logins
        wait_until_started(app, "hooks")
        for role in ("valkey", "worker", "runs", "hooks", "beat", "web", "postgres", "keeper"):
            app.wait_until_back(role, app.kill(role))
        app.wait_until_healthy()
        assert_clean_stop(app, signal.SIGINT)

        second = RunningApp(app.state_dir, "--empty")
        second.wait_until_ready()
        assert second.demo_logins == logins
        left = second.processes()
        second.kill("up")

        # At once, while the programs of the killed one are still ending.
        third = RunningApp(app.state_dir, "--empty")
        third.wait_until_ready()
        assert wait_until_gone([mark for mark in left if mark not in third.processes()], patience=1)
        marks = third.processes()
        third.kill("up")
        assert wait_until_gone(marks, patience=20), [mark for mark in marks if mark.alive()]

        fourth = RunningApp(app.state_dir, "--empty")
        fourth.wait_until_ready()
        assert_clean_stop(fourth, signal.SIGTERM)


def wait_until_started(app: RunningApp, role: str) -> None:
    """Some programs start only once the others are ready."""
    deadline = time.monotonic() + 30
    while role not in app.pids():
        assert time.monotonic() < deadline, app.logs()
        time.sleep(0.1)


def assert_clean_stop(app: RunningApp, sign: signal.Signals) -> None:
    # up, keeper, PostgreSQL, Valkey, web and its two workers, worker and its two processes, beat, runs and its process,
    # hooks
    deadline = time.monotonic() + 30
    while len(marks := app.processes()) < 14:
        assert time.monotonic() < deadline, marks
        time.sleep(0.1)
    assert app.stop(sign) == 0
    assert not [mark for mark in marks if mark.alive()]
    assert "Stopped." in app.output


def test_a_broker_that_is_away_is_named(running_app: RunningApp) -> None:
    running_app.pause("valkey")
    try:
        with pytest.raises(urllib.error.HTTPError) as caught:
            get_json(f"{running_app.base_url}/readyz")
        with caught.value as answer:
            assert answer.code == 503
            assert json.load(answer)["checks"] == {"database": "ok", "migrations": "ok", "broker": "unreachable"}
        assert running_app.status("/healthz") == 200
    finally:
        running_app.resume("valkey")
    deadline = time.monotonic() + 10
    while running_app.status("/readyz") != 200:
        assert time.monotonic() < deadline
