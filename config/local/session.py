"""Using the local services: every command takes a lease, the first one starts the keeper."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

from config.env import BASE_DIR, BadSetting, Environment
from config.local.layout import Layout, LocalServicesError
from config.local.processes import child_environment

_START_PATIENCE: Final = 90.0

# Commands that neither read nor write rows; `up` takes its lease itself.
_WITHOUT_SERVICES: Final = frozenset(
    {
        *("", "help", "version", "up"),
        *("check", "collectstatic", "diffsettings", "findstatic", "spectacular"),
        *("compilemessages", "makemessages", "startapp", "startproject"),
    }
)


class Lease:
    """The right to use the services of a state folder, held until released or until the process ends."""

    def __init__(self, layout: Layout, *, throw_away: bool = False, without: Sequence[str] = ()) -> None:
        """Wait for a keeper that is just leaving, then make sure that one runs.

        `throw_away` lets a keeper that this lease starts skip fsync; `without` names services the environment
        provides elsewhere (`postgres`, `valkey`).
        """
        self.layout = layout
        self._throw_away = throw_away
        self._without = list(without)
        layout.prepare()
        self._file: IO[str] | None = layout.users_lock.open("a")
        fcntl.flock(self._file, fcntl.LOCK_SH)
        try:
            self.ensure()
        except BaseException:
            self.release()
            raise

    def ensure(self) -> bool:
        """Start a keeper unless one runs; True when one had to be started."""
        with self.layout.start_lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_held(self.layout, "keeper"):
                return False
            self._start_keeper()
            return True

    def release(self, *, wait: bool = False) -> None:
        """Give the lease back; with `wait`, return when the services have ended, if this was the last one."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        if wait:
            deadline = time.monotonic() + _START_PATIENCE
            while _is_held(self.layout, "keeper") and not _is_used(self.layout) and time.monotonic() < deadline:
                time.sleep(0.02)

    def _start_keeper(self) -> None:
        options = ["--throw-away"] if self._throw_away else []
        for name in self._without:
            options += ["--without", name]
        with (self.layout.log_dir / "keeper.log").open("ab") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "config.local.keeper", str(self.layout.root), *options],
                cwd=BASE_DIR,
                env=child_environment({"PYTHONPATH": str(BASE_DIR)}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Ctrl-C in the terminal is for the command; the keeper stops when its users have left.
                start_new_session=True,
            )
        assert keeper.stdout is not None  # noqa: S101  a pipe was asked for
        with keeper.stdout:
            line = keeper.stdout.readline().strip()
        if line != "ready":
            keeper.wait()
            raise LocalServicesError(line or f"the local services do not start: see {self.layout.log_dir}/keeper.log")
        # Detached on purpose; without this, Python warns of an unfinished child at exit.
        keeper.returncode = 0


def _is_held(layout: Layout, name: str) -> bool:
    """True when some process holds the named lock exclusively."""
    path = layout.run_dir / f"{name}.lock"
    try:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_used(layout: Layout) -> bool:
    """True when some process still holds a lease."""
    try:
        with layout.users_lock.open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Held by users, or by the keeper that is stopping everything: either way wait at the lock no longer than it.
        return _is_shared(layout)
    except OSError:
        return False
    return False


def _is_shared(layout: Layout) -> bool:
    try:
        with layout.users_lock.open("a") as users:
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def lease_for(environment: Environment, *, throw_away: bool = False) -> Lease | None:
    """A lease on the services the environment leaves to the embedded mode; None when it names both elsewhere."""
    without = []
    if not environment.embedded_database:
        without.append("postgres")
    if not environment.embedded_broker:
        without.append("valkey")
    if len(without) == 2:
        return None
    return Lease(Layout(environment.state_dir), throw_away=throw_away, without=without)


def needs_services(argv: Sequence[str]) -> bool:
    """True when the command reads or writes rows."""
    command = argv[1] if len(argv) > 1 else ""
    if command.startswith("-") or command in _WITHOUT_SERVICES:
        return False
    return not {"-h", "--help", "--version"} & set(argv[2:])


@contextmanager
def serve_command(argv: Sequence[str]) -> Iterator[None]:
    """Hold a lease while one manage.py command runs; end in one line where settings or services are no good."""
    lease = None
    try:
        _apply_state_option(argv)
        if needs_services(argv):
            lease = lease_for(Environment())
    except (BadSetting, LocalServicesError) as error:
        sys.exit(f"ripen: {error}")
    try:
        yield
    finally:
        if lease is not None:
            lease.release(wait=True)


def _apply_state_option(argv: Sequence[str]) -> None:
    """Let `up --state DIR` decide the folder before the settings are read."""
    if len(argv) < 2 or argv[1] != "up":
        return
    for at, word in enumerate(argv):
        if word.startswith("--state="):
            os.environ["RIPEN_STATE_DIR"] = word.removeprefix("--state=")
        elif word == "--state" and at + 1 < len(argv):
            os.environ["RIPEN_STATE_DIR"] = argv[at + 1]
