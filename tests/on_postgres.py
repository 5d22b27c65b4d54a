"""Run tests on another PostgreSQL than the embedded one: throw-away clusters of whatever is installed here.

    python -m tests.on_postgres [--bindir /usr/lib/postgresql/15/bin] [what pytest takes ...]

Without ``--bindir``: where ``pg_config --bindir`` says. Without further words: all that ``make test`` runs
side by side. A cluster lives in a temporary folder, listens on a socket there, and is gone
afterwards; Valkey is the embedded one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.env import BASE_DIR
from config.local.processes import unprivileged

# Where tests/services.py is told of it: each of xdist's workers has a cluster of its own.
BINDIR = "TEST_POSTGRES_BINDIR"
_BY_CLOCK = ("journeys", "faults", "browser", "local")
_SIDE_BY_SIDE = ["--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
_PATIENCE = 60.0


def main() -> int:
    """Run pytest on clusters of that version; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bindir", type=Path)
    options, wanted = parser.parse_known_args()
    bindir = options.bindir or Path(_output("pg_config", "--bindir"))
    sys.stderr.write(_output(str(bindir / "postgres"), "--version") + "\n")
    everything = [*_SIDE_BY_SIDE, *(f"--ignore=tests/{name}" for name in _BY_CLOCK)]
    command = [sys.executable, "-m", "pytest", *(wanted or everything)]
    return subprocess.run(command, cwd=BASE_DIR, env={**os.environ, BINDIR: str(bindir)}, check=False).returncode


@contextmanager
def cluster(bindir: Path) -> Iterator[str]:
    """A throw-away cluster of the PostgreSQL in this folder; its address as DATABASE_URL takes it."""
    with tempfile.TemporaryDirectory(prefix="ripen-pg-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        made = subprocess.run(
            unprivileged(
                [
                    str(bindir / "initdb"),
                    *("--pgdata", str(data), "--username", "ripen", "--auth", "trust"),
                    *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
                ],
                death_signal="KILL",
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            sys.exit(f"initdb: {made.stderr.strip()}")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": folder,
            "max_connections": "200",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "256MB",
            "timezone": "UTC",
            "jit": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(
                unprivileged([str(bindir / "postgres"), "-D", str(data), *options], death_signal="INT"),
                stdout=log,
                stderr=log,
            )
        try:
            _wait(bindir, folder, server)
            subprocess.run([str(bindir / "createdb"), "-h", folder, "-U", "ripen", "ripen"], check=True)
            yield f"postgresql://ripen@/ripen?host={folder}"
        finally:
            server.terminate()
            server.wait(60)


def _wait(bindir: Path, folder: str, server: "subprocess.Popen[bytes]") -> None:
    began = time.monotonic()
    while subprocess.run([str(bindir / "pg_isready"), "-q", "-h", folder], check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() - began > _PATIENCE:
            sys.exit(f"PostgreSQL does not start:\n{(Path(folder) / 'log').read_text()}")
        time.sleep(0.1)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
