"""How the database does, as far as a user of it may ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

# A worker that holds a piece of long work does so by a transaction that has no snapshot: it keeps nothing from anybody.
_DATABASE: Final = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
       current_setting('max_connections')::int,
       pg_database_size(current_database()),
       (SELECT coalesce(max(date_part('epoch', clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
          AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)),
       current_setting('server_version'),
       pg_is_in_recovery()
"""
# How much was ever written, as PostgreSQL's own statistics count it: no write pays for it.
_WRITTEN: Final = """
SELECT relname, n_tup_ins FROM pg_stat_user_tables
WHERE relid = ANY(ARRAY['contacts_event', 'scoring_transition', 'funnel_hookattempt']::regclass[])
"""
# Standbys that follow this server. A role without pg_monitor sees that they are there, but not how far they are: NULL.
_STANDBYS: Final = """
SELECT coalesce(nullif(application_name, ''), 'standby'), date_part('epoch', max(replay_lag)),
       max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))
FROM pg_stat_replication WHERE state IS NOT NULL GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Standby:
    """How far a standby is behind: seconds (0 while nothing is written), and bytes of the log."""

    name: str
    seconds: float
    bytes_behind: float


@dataclass(frozen=True, slots=True)
class Database:
    """Connections now and at most, size in bytes, age of the oldest transaction in seconds, rows ever written by table.

    ``standbys``: empty where none follows or this role may not see them.
    """

    connections: int
    most_connections: int
    size: int
    oldest_transaction: float
    version: str
    written: Mapping[str, int]
    standbys: tuple[Standby, ...]


def database_state() -> Database:
    """Ask the database how it does; three queries."""
    with connection.cursor() as cursor:
        cursor.execute(_DATABASE)
        connections, most, size, oldest, version, in_recovery = cursor.fetchone()
        cursor.execute(_WRITTEN)
        written: dict[str, int] = dict(cursor.fetchall())
        standbys: list[tuple[Any, ...]] = []
        if not in_recovery:
            cursor.execute(_STANDBYS)
            standbys = cursor.fetchall()
    return Database(
        connections=connections,
        most_connections=most,
        size=size,
        oldest_transaction=oldest,
        version=version,
        written=written,
        standbys=tuple(
            Standby(name, float(seconds or 0), float(behind))
            for name, seconds, behind in standbys
            if behind is not None
        ),
    )
