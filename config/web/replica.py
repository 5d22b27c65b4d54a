"""Reading from a streaming replica instead of the primary, where one is named (RIPEN_REPLICA_URL) and fresh enough.

Whoever reads need not know: in the block, or for the thread, the default connection *is* the replica's, for the ORM and
for raw SQL. Nothing can be written there, PostgreSQL refuses. Where the replica is away, lags, or cancels a query in
favour of what it has to replay, the primary is read; nobody notices but the log.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, ParamSpec, TypeVar

import psycopg2
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
    connections,
)

REPLICA: Final = "replica"
# How far behind figures may be that nobody acts on within seconds.
LAG_SECONDS: Final = 10.0
# How long a run of minutes waits for the replica to have what the primary had when it began.
CATCH_UP_SECONDS: Final = 5.0
# After a replica failed, so long nobody tries it again: a machine that is gone costs each process one wait in a while.
REST_SECONDS: Final = 15.0
# And so long after it was too far behind.
BEHIND_REST_SECONDS: Final = 2.0

# Behind by nothing where all that was received has been replayed and the primary has no more; else by the age of the
# last transaction that was replayed, which says that what came before is all there.
_LAG: Final = """SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn() >= %s::pg_lsn,
    extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())"""
_POSITION: Final = "SELECT pg_current_wal_lsn()::text"
_REPLAYED: Final = "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn"

# What the replica says when it cancels, goes away or is written to; COPY brings it as the driver puts it.
_LOST: Final = (
    *(OperationalError, InterfaceError, InternalError),
    *(psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.InternalError),
)

P = ParamSpec("P")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)
_rests_until = 0.0
_long_reads: ContextVar[bool] = ContextVar("ripen_long_reads", default=False)


def has_replica() -> bool:
    """Whether a replica is named."""
    return REPLICA in connections.settings


def from_replica(read: Callable[P, Result]) -> Callable[P, Result]:
    """Let a function that only reads do so on the replica, at most ``LAG_SECONDS`` behind, else on the primary.

    It may be called twice: on the primary once more where the replica fails it half-way.
    """

    @functools.wraps(read)
    def reading(*args: P.args, **kwargs: P.kwargs) -> Result:
        if not _may_try() or not _is_fresh():
            return read(*args, **kwargs)
        try:
            with on_replica():
                return read(*args, **kwargs)
        except _LOST as error:
            _leave(error)
        return read(*args, **kwargs)

    return reading


def long_reads_from_replica(work: Callable[P, Result]) -> Callable[P, Result]:
    """Let a run of minutes read its snapshot on the replica, once that has what the primary had when it was opened.

    The run itself stays on the primary, where it writes its progress and result. It begins anew there where the replica
    fails it half-way, so it must clear away what it wrote.
    """

    @functools.wraps(work)
    def working(*args: P.args, **kwargs: P.kwargs) -> Result:
        if not _may_try():
            return work(*args, **kwargs)
        token = _long_reads.set(True)
        try:
            return work(*args, **kwargs)
        except SnapshotLost as lost:
            _leave(lost)
        finally:
            _long_reads.reset(token)
        return work(*args, **kwargs)

    return working


class SnapshotLost(Exception):
    """The replica cancelled a query, or went away, while a snapshot was read there."""


@contextmanager
def telling_of_loss(is_replica: bool) -> Iterator[None]:
    """Name what went wrong on the replica as such: what the block reads comes from there, if ``is_replica``."""
    try:
        yield
    except _LOST as error:
        if not is_replica:
            raise
        raise SnapshotLost(str(error)) from error


def snapshot_from_replica() -> bool:
    """Whether a snapshot that is opened now is to be read on the replica: wanted, and the replica has caught up."""
    if not _long_reads.get() or not _may_try():
        return False
    with connection.cursor() as cursor:
        cursor.execute(_POSITION)
        (position,) = cursor.fetchone()
    deadline = time.monotonic() + CATCH_UP_SECONDS
    try:
        while not _ask(_REPLAYED, position)[0]:
            if time.monotonic() > deadline:
                logger.warning("replica_behind", extra={"waited": CATCH_UP_SECONDS})
                return False
            time.sleep(0.05)
    except DatabaseError as error:
        _leave(error)
        return False
    return True


def use_replica() -> None:
    """From here on this thread reads the replica, to its end: for threads that do nothing else."""
    connections[DEFAULT_DB_ALIAS] = connections[REPLICA]


@contextmanager
def on_replica() -> Iterator[None]:
    """In this block, this thread's default connection is the replica's."""
    primary = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connections[REPLICA]
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = primary


def _may_try() -> bool:
    """Not within a transaction of the caller, who has to see what it wrote, nor right after a failure."""
    return has_replica() and not connection.in_atomic_block and time.monotonic() >= _rests_until


def _is_fresh() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_POSITION)
            (position,) = cursor.fetchone()
    except DatabaseError:
        # A primary that is no primary, or away: whoever reads it will say so.
        return False
    try:
        is_replica, is_even, behind = _ask(_LAG, position)
    except DatabaseError as error:
        _leave(error)
        return False
    if is_replica and (is_even or (behind is not None and float(behind) <= LAG_SECONDS)):
        return True
    logger.warning("replica_behind", extra={"seconds": None if behind is None else round(float(behind), 1)})
    _rest(BEHIND_REST_SECONDS)
    return False


def _ask(sql: str, *parameters: str) -> tuple[Any, ...]:
    replica = connections[REPLICA]
    replica.close_if_unusable_or_obsolete()
    with replica.cursor() as cursor:
        cursor.execute(sql, parameters)
        row: tuple[Any, ...] = cursor.fetchone()
        return row


def _leave(error: Exception) -> None:
    """Read the primary for a while."""
    _rest(REST_SECONDS)
    logger.warning("replica_left", extra={"error": str(error).strip().splitlines()[0][:200], "seconds": REST_SECONDS})
    connections[REPLICA].close()


def _rest(seconds: float) -> None:
    global _rests_until  # noqa: PLW0603  one replica a process, one memory of its last failure
    _rests_until = time.monotonic() + seconds
