"""Starting child processes that cannot outlive their parent, and asking whether a process still runs."""

import ctypes
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from config.local.layout import LocalServicesError

_PR_SET_PDEATHSIG: Final = 1
_STAT_STATE: Final = 0
_STAT_START: Final = 19


def tied(command: Sequence[str], *, death_signal: str) -> list[str]:
    """`command` such that the kernel sends it `death_signal` (`INT`, `TERM`, ...) when the starting thread dies.

    Start it from the main thread only: the signal comes when that *thread* ends.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(command)
    return [setpriv, "--pdeathsig", death_signal, *command]


def unprivileged(command: Sequence[str], *, death_signal: str) -> list[str]:
    """Like `tied`, and never as root: PostgreSQL refuses to run as root, so root becomes user 1000 of a namespace.

    Files stay root's own outside of the namespace, so no user account has to exist and nothing changes hands.
    """
    if os.geteuid() != 0:
        return tied(command, death_signal=death_signal)
    unshare = shutil.which("unshare")
    if unshare is None:
        raise LocalServicesError("PostgreSQL refuses to run as root and unshare is missing: run as an ordinary user")
    # The order matters: entering a user namespace clears the death signal.
    return [unshare, "--user", "--map-user=1000", "--map-group=1000", *tied(command, death_signal=death_signal)]


def check_unprivileged() -> None:
    """Fail in one line where root may not make a user namespace, as in containers that forbid it."""
    if os.geteuid() != 0:
        return
    probe = subprocess.run(unprivileged(["true"], death_signal="INT"), capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise LocalServicesError(
            "PostgreSQL refuses to run as root and this machine forbids user namespaces: "
            "run as an ordinary user, or set DATABASE_URL and REDIS_URL"
        )


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """One process, told apart from a later one that got the same id."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """Mark the process that has this id now."""
        return cls(pid, _started(pid))

    def alive(self) -> bool:
        """True while that very process runs; a zombie does not."""
        started = _started(self.pid)
        return bool(started) and started == self.started

    def end(self, first: signal.Signals, *, patience: float) -> None:
        """Send `first`, wait `patience` seconds, then kill; return when the process is gone."""
        for sign, wait in ((first, patience), (signal.SIGKILL, 10.0)):
            if not self.alive():
                return
            try:
                os.kill(self.pid, sign)
            except ProcessLookupError:
                return
            wait_until_gone([self], patience=wait)


def wait_until_gone(marks: Sequence[ProcessMark], *, patience: float) -> bool:
    """Wait up to `patience` seconds for all to end; True when they have."""
    deadline = time.monotonic() + patience
    while any(mark.alive() for mark in marks):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _started(pid: int) -> str:
    """Start time of a running process as the kernel counts it; empty when there is none or it is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _started_elsewhere(pid)
    fields = text.rpartition(")")[2].split()
    return "" if fields[_STAT_STATE] in {"Z", "X"} else fields[_STAT_START]


def _started_elsewhere(pid: int) -> str:
    if platform.system() == "Linux":
        return ""
    shown = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    state, _, started = shown.partition(" ")
    return "" if not state or state.startswith("Z") else started.strip()


def die_with_parent(death_signal: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel, from a forked child, to send it `death_signal` when its parent dies; nothing outside of Linux."""
    if platform.system() != "Linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent:
        # It died in between; no signal will come any more.
        os.kill(os.getpid(), death_signal)


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `extra` on top."""
    return {**os.environ, **extra}
