"""The supervisor of `manage.py up`: web, workers and beat as children, restarted when they fall, never orphaned."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from config.env import BASE_DIR
from config.local.layout import Layout, LocalServicesError
from config.local.processes import ProcessMark, child_environment, tied, wait_until_gone
from config.local.restarts import Restarts
from config.local.session import Lease

_LOOK_EVERY: Final = 0.2
_LATE: Final = 45.0
_PATIENCE: Final = 15.0
_LOG_LIMIT: Final = 10_000_000

# Two processes, one for runs while the other is at a job; they give back the memory of large work (kilobytes).
RUNS: Final = (
    *("worker", "--queues", "runs", "--hostname", "runs@%h"),
    *("--concurrency", "2", "--max-memory-per-child", "400000"),
)

# Its tasks wait for others' machines, in threads of their own: one process, and two tasks so that one may be leaving.
HOOKS: Final = (
    *("worker", "--queues", "hooks", "--hostname", "hooks@%h"),
    *("--pool", "threads", "--concurrency", "2"),
)

logger = logging.getLogger("ripen.up")


@dataclass(slots=True)
class Program:
    """One supervised program."""

    role: str
    command: list[str]
    environment: Mapping[str, str]
    death_signal: str = "TERM"
    # Nobody waits for it at the start: it is started once the others are ready, so that they are sooner.
    is_patient: bool = False
    process: subprocess.Popen[bytes] | None = None
    restarts: Restarts = field(default_factory=Restarts)

    def start(self, log_file: Path | None) -> None:
        """Start in a session of its own, so that Ctrl-C reaches the supervisor alone, which then stops in order."""
        log = None if log_file is None else log_file.open("ab")
        try:
            self.process = subprocess.Popen(
                tied(self.command, death_signal=self.death_signal),
                cwd=BASE_DIR,
                env=child_environment(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()

    def has_fallen(self) -> bool:
        """True when it was started and has ended."""
        return self.process is not None and self.process.poll() is not None


class Supervisor:
    """Runs programs until asked to stop."""

    def __init__(self, layout: Layout, lease: Lease | None, programs: list[Program], *, show_output: bool) -> None:
        """`show_output` sends the programs' output to the terminal, else each has a log file in the state folder."""
        self.layout = layout
        self.lease = lease
        self.programs = programs
        self.show_output = show_output
        self.asked_to_stop = False

    def run(self, *, is_ready: Callable[[], bool], on_ready: Callable[[], None], on_delay: Callable[[], None]) -> None:
        """Start all programs, watch them, and stop everything at Ctrl-C or SIGTERM.

        `on_ready` is called once, when `is_ready`; `on_delay` once where that takes longer than it should.
        """
        self._listen()
        self.layout.worker_ready.unlink(missing_ok=True)
        self.layout.runs_ready.unlink(missing_ok=True)
        self.layout.hooks_ready.unlink(missing_ok=True)
        announced = delayed = False
        late_at = time.monotonic() + _LATE
        try:
            for program in self.programs:
                if not program.is_patient:
                    self._start(program)
            while not self.asked_to_stop:
                self._look_after()
                if not announced and is_ready():
                    announced = True
                    on_ready()
                    for program in self.programs:
                        if program.is_patient:
                            self._start(program)
                elif not announced and not delayed and time.monotonic() > late_at:
                    delayed = True
                    on_delay()
                time.sleep(_LOOK_EVERY)
        finally:
            self.stop()

    def stop(self) -> None:
        """End all programs side by side: TERM, then QUIT (Celery's cold shutdown), then KILL."""
        running = [program.process for program in self.programs if program.process is not None]
        for sign, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0)):
            for process in running:
                if process.poll() is None:
                    process.send_signal(sign)
            deadline = time.monotonic() + patience
            while any(process.poll() is None for process in running) and time.monotonic() < deadline:
                time.sleep(0.05)
        self.layout.pids_file.unlink(missing_ok=True)

    def _listen(self) -> None:
        def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
            self.asked_to_stop = True

        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, ask_to_stop)

    def _start(self, program: Program) -> None:
        log_file = None
        if not self.show_output:
            log_file = self.layout.log_dir / f"{program.role}.log"
            if log_file.exists() and log_file.stat().st_size > _LOG_LIMIT:
                log_file.replace(log_file.with_suffix(".log.1"))
        program.start(log_file)
        note_pids(self.layout, self.programs)

    def _look_after(self) -> None:
        now = time.monotonic()
        for program in self.programs:
            if not program.has_fallen():
                continue
            pause = program.restarts.fell(now)
            if pause is not None:
                status = program.process.returncode if program.process is not None else None
                logger.warning("%s ended (%s), again in %s s", program.role, status, pause)
            if program.restarts.may_start(now):
                self._start(program)
        if self.lease is not None:
            try:
                if self.lease.ensure():
                    logger.warning("the local services were gone and have been started again")
            except LocalServicesError:
                logger.exception("the local services cannot be started again")


def note_pids(layout: Layout, programs: list[Program]) -> None:
    """Write `pids.json`: role -> [process id, start mark], for the next start and for tests."""
    marks = {"up": ProcessMark.of(os.getpid())}
    for program in programs:
        if program.process is not None:
            marks[program.role] = ProcessMark.of(program.process.pid)
    fresh = layout.pids_file.with_suffix(".new")
    fresh.write_text(json.dumps({role: [mark.pid, mark.started] for role, mark in marks.items()}))
    fresh.replace(layout.pids_file)


def end_left_overs(layout: Layout) -> None:
    """Wait for the programs of a killed `up`, which are ending by their death signal; end them where they do not."""
    try:
        noted = json.loads(layout.pids_file.read_text())
    except (OSError, ValueError):
        return
    marks = [ProcessMark(int(pid), started) for pid, started in noted.values()]
    if not wait_until_gone(marks, patience=_PATIENCE):
        for mark in marks:
            mark.end(signal.SIGTERM, patience=1.0)
    layout.pids_file.unlink(missing_ok=True)


def programs_of_up(*, port: int, workers: int, environment: Mapping[str, str]) -> list[Program]:
    """Web on 127.0.0.1:`port`, a worker with `workers` processes, beat, a worker for long work and one for webhooks."""
    celery = [sys.executable, "-m", "celery", "-A", "config.celery"]
    web = [sys.executable, "-m", "gunicorn", "config.wsgi", "-c", "config/gunicorn_conf.py", "-b", f"127.0.0.1:{port}"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    return [
        Program("web", web, environment),
        Program("worker", [*celery, "worker", "--concurrency", str(workers), *quiet], environment),
        Program("beat", [*celery, "beat", "--pidfile=", "--loglevel", "WARNING"], environment),
        # What it does is begun anew, or goes on, when it comes back: TERM ends it at once instead of waiting for that.
        Program("runs", [*celery, *RUNS, *quiet], {**environment, "REMAP_SIGTERM": "SIGQUIT"}, is_patient=True),
        Program("hooks", [*celery, *HOOKS, *quiet], environment, is_patient=True),
    ]
