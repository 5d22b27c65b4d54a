"""Asking the parts that everything needs whether they are there, each within a second or two, whatever they do.

A load balancer asks often, and most urgently when something hangs. A server that hangs answers no statement timeout,
so the database is asked over a connection of its own that never blocks.
"""

import select
import time
from functools import cache
from typing import Any, Final

import psycopg2
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from psycopg2 import extensions

PATIENCE: Final = 2.0
_TOO_MANY: Final = "53300"
# What /readyz says: for machines, as the rest of it.
_SILENT: Final = "does not answer"
_FULL: Final = "no connection left"
_AWAY: Final = "unreachable"


class NoAnswer(Exception):
    """The database did not answer; the text says in a few words, without anything secret, how."""


def applied_migrations(patience: float = PATIENCE) -> set[tuple[str, str]]:
    """Return what the database says was migrated, as (app, name); empty where it was never migrated at all.

    Raises:
        NoAnswer: it cannot be reached, refuses, or takes longer than ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    probe = None
    try:
        probe = psycopg2.connect(**_parameters(), async_=1)
        _wait(probe, deadline)
        with probe.cursor() as cursor:
            cursor.execute("SELECT to_regclass('django_migrations') IS NOT NULL")
            _wait(probe, deadline)
            if not cursor.fetchone()[0]:
                return set()
            cursor.execute("SELECT app, name FROM django_migrations")
            _wait(probe, deadline)
            return set(cursor.fetchall())
    except psycopg2.Error as error:
        full = error.pgcode == _TOO_MANY or "too many clients" in str(error) or "remaining connection" in str(error)
        raise NoAnswer(_FULL if full else _AWAY) from None
    finally:
        if probe is not None:
            probe.close()


def _parameters() -> dict[str, Any]:
    # As Django connects, but for what it sets only to have it reset by a pooler.
    given = connection.get_connection_params()
    return {name: value for name, value in given.items() if name not in {"cursor_factory", "client_encoding"}}


def _wait(probe: Any, deadline: float) -> None:
    while True:
        state = probe.poll()
        if state == extensions.POLL_OK:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise NoAnswer(_SILENT)
        poll = select.poll()
        poll.register(probe.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        if not poll.poll(left * 1_000):
            raise NoAnswer(_SILENT)


@cache
def known_migrations() -> frozenset[tuple[str, str]]:
    """Return the migrations of this release, which do not change while it runs."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return frozenset(loader.disk_migrations)


def broker_fault(patience: float = PATIENCE) -> str:
    """Return what is wrong with the broker; "" where it answers."""
    # A slow import that only this needs.
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        client = Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=patience, socket_timeout=patience, retry=None
        )
        try:
            client.ping()
        finally:
            client.close()
    except (RedisError, OSError):
        return _AWAY
    return ""
