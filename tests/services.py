"""Throw-away PostgreSQL and Valkey for one test session, unless DATABASE_URL and REDIS_URL name others.

tests/conftest.py starts them when pytest imports it, before any setting is read. Each of xdist's workers has services
of its own, so that what one test flushes or fills up is no other's.
"""

import atexit
import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from config.env import Environment
from config.local.session import Lease, lease_for
from tests.on_postgres import BINDIR, cluster

_other = ExitStack()
_lease: Lease | None = None


def start() -> None:
    """Point RIPEN_STATE_DIR at a fresh folder and start the services there."""
    global _lease  # noqa: PLW0603  one session, one lease
    folder = Path(tempfile.mkdtemp(prefix="ripen-test-"))
    os.environ["RIPEN_STATE_DIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(stop)
    if bindir := os.environ.get(BINDIR):
        os.environ["DATABASE_URL"] = _other.enter_context(cluster(Path(bindir)))
        os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
    _lease = lease_for(Environment(), throw_away=True)


def stop() -> None:
    """Stop the services and wait until they have ended."""
    global _lease  # noqa: PLW0603
    if _lease is not None:
        _lease.release(wait=True)
        _lease = None
    _other.close()
