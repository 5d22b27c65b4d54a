"""Reading one state of the database for as long as it takes, on one connection or several, beside everything else."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection, transaction

from config.web.replica import snapshot_from_replica, telling_of_loss, use_replica

Item = TypeVar("Item")
Result = TypeVar("Result")

# Chunks that are read ahead of whoever takes the results: enough to keep a connection busy, few enough to stay small.
_AHEAD = 1


class Snapshot:
    """One state of the database. Work given to it can read and not write, and holds up nobody who writes.

    With no readers the caller's own connection and transaction are read.
    """

    def __init__(self, readers: list[ThreadPoolExecutor], *, of_replica: bool = False) -> None:
        self._readers = readers
        self._of_replica = of_replica
        self._pending: deque[Future[Any]] = deque()

    def call(self, work: Callable[[], Result]) -> Result:
        """The result of ``work``, done on the snapshot."""
        return self._readers[0].submit(self._read, work).result() if self._readers else work()

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The result of ``work`` for each item, in their order; on several connections as many are done at a time.

        Only a few results are held at once, however many items there are.
        """
        if not self._readers:
            yield from map(work, items)
            return
        for number, item in enumerate(items):
            self._pending.append(self._readers[number % len(self._readers)].submit(self._read, work, item))
            if len(self._pending) > len(self._readers) * _AHEAD:
                yield self._pending.popleft().result()
        while self._pending:
            yield self._pending.popleft().result()

    def _read(self, work: Callable[..., Result], *items: Any) -> Result:
        with telling_of_loss(self._of_replica):
            return work(*items)

    def forget_pending(self) -> None:
        """Do not begin what nobody will ask for any more."""
        while self._pending:
            self._pending.pop().cancel()


@contextmanager
def open_snapshot(connections: int = 1) -> Iterator[Snapshot]:
    """A snapshot read on so many connections of its own; within a transaction of the caller, what that sees.

    The caller's connection stays free and outside any transaction. All connections see the very same state: the first
    exports it, the others take it over (PostgreSQL manual, "Snapshot Synchronization Functions"). It keeps VACUUM from
    cleaning up what it can still see, so it should be closed within minutes.

    Within ``long_reads_from_replica`` it is a snapshot of the replica, if that has all that was committed until now.
    """
    if connection.in_atomic_block:
        yield Snapshot([])
        return
    readers = [ThreadPoolExecutor(1, thread_name_prefix=f"snapshot-{number}") for number in range(connections)]
    of_replica = snapshot_from_replica()
    snapshot = Snapshot(readers, of_replica=of_replica)
    try:
        with telling_of_loss(of_replica):
            name = readers[0].submit(_begin, of_replica=of_replica).result()
            for reader in readers[1:]:
                reader.submit(_begin, name, of_replica=of_replica).result()
        yield snapshot
    finally:
        snapshot.forget_pending()
        for reader in readers:
            reader.submit(_end)
        for reader in readers:
            reader.shutdown()


@contextmanager
def one_state() -> Iterator[None]:
    """Let all that is read here be of one state of the database, on this connection; only reads may follow.

    Within a transaction of the caller, that one is used as it is.
    """
    if connection.in_atomic_block or not connection.get_autocommit():
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _begin(name: str = "", *, of_replica: bool = False) -> str:
    """Begin reading a new snapshot, or the one of this name, on this thread's connection; return its name."""
    if of_replica:
        use_replica()
    transaction.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if name:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", [name])
            return name
        cursor.execute("SELECT pg_export_snapshot()")
        exported: str = cursor.fetchone()[0]
        return exported


def _end() -> None:
    """Close this thread's connection, which nobody else would, and with it end its transaction."""
    connection.close()
