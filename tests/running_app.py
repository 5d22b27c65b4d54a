"""The whole application as a process of its own, for journeys, faults and browser tests.

`running_app` (a fixture of the session) is one instance shared by tests that only use it; `start_app()` gives a test
an instance of its own to break. Either is `manage.py up --empty` on a fresh state folder and a free port, with
fsync on: what these tests prove about durability is true.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from redis import Redis

from config.env import BASE_DIR
from config.local.layout import Layout
from config.local.processes import ProcessMark, wait_until_gone

START_PATIENCE = 240.0


def app_environment(state_dir: Path) -> dict[str, str]:
    """The environment of a command on `state_dir`: embedded services, the product's own settings."""
    foreign = {"DATABASE_URL", "REDIS_URL", "RIPEN_BASE_URL", "SECRET_KEY", "DEBUG", "ALLOWED_HOSTS"}
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    ours = {"RIPEN_STATE_DIR": str(state_dir), "DJANGO_SETTINGS_MODULE": "config.settings"}
    # Receivers of webhooks are on this machine.
    return {**kept, **ours, "RIPEN_HOOKS_ALLOW_PRIVATE": "1"}


class RunningApp:
    """One `manage.py up` and everything it started."""

    def __init__(
        self,
        state_dir: Path,
        *options: str,
        program: tuple[str, ...] = (sys.executable, "manage.py"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it and return at once; `wait_until_ready` waits. `environment` holds what is set besides."""
        self.state_dir = state_dir
        self.layout = Layout(state_dir)
        self.output_file = state_dir.with_name(f"{state_dir.name}.out")
        self.environment = {**app_environment(state_dir), **(environment or {})}
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                [*program, "up", "--port", "0", *options],
                cwd=BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.base_url = ""

    @property
    def output(self) -> str:
        """All that `up` has printed so far."""
        return self.output_file.read_text()

    @property
    def demo_logins(self) -> dict[str, str]:
        """E-mail -> password of the demo users."""
        logins: dict[str, str] = json.loads(self.layout.demo_logins.read_text())
        return logins

    def wait_until_ready(self, patience: float = START_PATIENCE) -> None:
        """Wait for the line `Ripen is ready at ...` and take the address from it."""
        deadline = time.monotonic() + patience
        while True:
            for line in self.output.splitlines():
                if line.startswith("Ripen is ready at "):
                    self.base_url = line.removeprefix("Ripen is ready at ")
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"up did not get ready:\n{self.output}\n{self.logs()}")
            time.sleep(0.05)

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run a manage.py command on the same state; its standard output. A failure fails the test unless told."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"manage.py {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def pids(self) -> dict[str, int]:
        """Process id by role: up, web, worker, beat, keeper, postgres, valkey."""
        own = json.loads(self.layout.pids_file.read_text())
        services = json.loads(self.layout.services_file.read_text())
        return {**{role: pid for role, (pid, _started) in own.items()}, **services}

    def pid(self, role: str) -> int:
        """Process id of one role."""
        return self.pids()[role]

    def kill(self, role: str, sign: signal.Signals = signal.SIGKILL) -> int:
        """Send `sign` to a role's main process, wait for its end, and give the id it had."""
        mark = ProcessMark.of(self.pid(role))
        os.kill(mark.pid, sign)
        if role == "up":
            self.process.wait(30)
        if not wait_until_gone([mark], patience=30):
            raise AssertionError(f"{role} survived {sign.name}")
        return mark.pid

    def pause(self, role: str) -> None:
        """Stop a role's main process without ending it."""
        os.kill(self.pid(role), signal.SIGSTOP)

    def resume(self, role: str) -> None:
        """Let a paused role go on."""
        os.kill(self.pid(role), signal.SIGCONT)

    def wait_until_back(self, role: str, old_pid: int, patience: float = 30.0) -> int:
        """Wait until the supervisor has started `role` again after `old_pid`; the new id."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                pid = self.pid(role)
            except (OSError, KeyError, ValueError):
                pid = old_pid
            if pid != old_pid and ProcessMark.of(pid).started:
                return pid
            time.sleep(0.05)
        raise AssertionError(f"{role} did not come back:\n{self.output}\n{self.logs()}")

    def wait_until_healthy(self, patience: float = 30.0) -> None:
        """Wait until /readyz answers 200."""
        deadline = time.monotonic() + patience
        while self.status("/readyz") != 200:
            if time.monotonic() > deadline:
                raise AssertionError(f"not healthy again:\n{self.output}\n{self.logs()}")
            time.sleep(0.05)

    def status(self, path: str) -> int:
        """HTTP status of a GET, 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.base_url}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def connect(self) -> Any:
        """A psycopg2 connection to the application's database; the caller closes it."""
        return psycopg2.connect(dbname="ripen", user="ripen", host=str(self.layout.socket_dir))

    def flush_broker(self) -> None:
        """Forget every message and every cached value."""
        broker = Redis.from_url(f"unix://{self.layout.valkey_socket}?db=0")
        try:
            broker.flushall()
        finally:
            broker.close()

    def logs(self) -> str:
        """The end of every log file, for a failure's message."""
        files = sorted(self.layout.log_dir.glob("*.log"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in files)

    def processes(self) -> list[ProcessMark]:
        """Marks of every process that works on this state folder, pool and web workers included."""
        found = []
        needle = os.fsencode(f"RIPEN_STATE_DIR={self.state_dir}")
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                ours = needle in (folder / "environ").read_bytes().split(b"\0")
                ours = ours or os.fsencode(self.state_dir) in (folder / "cmdline").read_bytes()
            except OSError:
                continue
            mark = ProcessMark.of(int(folder.name))
            if ours and mark.pid != os.getpid() and mark.started:
                found.append(mark)
        return found

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Stop everything as Ctrl-C or a service manager would; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sign)
        code = self.process.wait(60)
        wait_until_gone(self.processes(), patience=30)
        return code


@contextmanager
def start_app(
    *options: str, empty: bool = True, ready: bool = True, environment: Mapping[str, str] | None = None
) -> Iterator[RunningApp]:
    """An instance of one's own in a temporary folder, stopped and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="ripen-app-", ignore_cleanup_errors=True) as folder:
        app = RunningApp(Path(folder) / "state", *(["--empty"] if empty else []), *options, environment=environment)
        try:
            if ready:
                app.wait_until_ready()
            yield app
        finally:
            app.stop()
