"""Taking a file in: chunk by chunk, each in a transaction of its own with its counters, so nothing counts twice."""

import gc
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import msgspec
from django.db import OperationalError, connection, transaction

from contacts.models import ImportRun, Job
from contacts.services.imports.errors import ErrorsFile, RejectedRow
from contacts.services.imports.rows import Outcome, Row
from contacts.services.work import Progress

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A chunk that lost against other writers goes again; so many times in a row means that something is broken.
_MAX_ROUNDS: Final = 5
# Chunks that are read ahead while the database works.
_AHEAD: Final = 2
_OBJECTS_BETWEEN_COLLECTIONS: Final = 200_000


class Chunk(msgspec.Struct):
    """Rows that are taken in together. ``last``: the number of the last record that it holds."""

    rows: list[Row]
    rejected: list[RejectedRow]
    last: int


class Change(msgspec.Struct, frozen=True):
    """What a row would change: a field's value before and after, as text for people."""

    name: str
    old: str
    new: str


class Note(msgspec.Struct, frozen=True):
    """Something odd about a row that was taken all the same, or the code of why it was not."""

    number: int
    who: str
    code: str
    message: str


class Taken(msgspec.Struct):
    """What came of a chunk, by the numbers of its rows. ``changes`` only where they were asked for."""

    outcomes: dict[int, Outcome] = {}
    rejected: list[RejectedRow] = []
    notes: list[Note] = []
    changes: dict[int, list[Change]] = {}


class Taker(Protocol):
    """How one sort of file is taken in."""

    def take(self, chunk: Chunk, *, received_at: datetime) -> Taken:
        """Record a chunk within the current transaction."""
        ...


class Importer:
    """One run of an import: takes chunks, keeps the run's counters and its errors file beside the rows they count."""

    def __init__(
        self,
        *,
        run: ImportRun,
        taker: Taker,
        errors: ErrorsFile,
        clock: Callable[[], datetime],
        progress: Progress,
        job: Job | None = None,
        watch: Callable[[Chunk, Taken], None] | None = None,
    ) -> None:
        self.run = run
        self._taker = taker
        self._errors = errors
        self._clock = clock
        self._progress = progress
        self._job = job
        self._watch = watch

    def take_all(self, chunks: Iterable[Chunk]) -> None:
        """Take what is left of the file, and say that the run has ended.

        Raises:
            Cancelled: somebody asked the job to stop; what was taken stays.
        """
        with fewer_collections(), read_ahead(chunks) as prepared:
            for chunk in prepared:
                taken = self._take(chunk)
                if self._watch is not None:
                    self._watch(chunk, taken)
                self._progress.advance(len(taken.outcomes) + len(taken.rejected))
        self.run.finished_at = self._clock()
        self.run.save(update_fields=["finished_at"])

    def _take(self, chunk: Chunk) -> Taken:
        for number in range(1, _MAX_ROUNDS + 1):
            try:
                with transaction.atomic():
                    taken = self._taker.take(chunk, received_at=self._clock())
                    counters = self._count(taken)
                    ImportRun.objects.filter(pk=self.run.pk).update(**counters)
                    if self._job is not None:
                        Job.objects.filter(pk=self._job.pk).update(reached=chunk.last, attempts=0)
            except OperationalError as error:
                is_deadlock = getattr(error.__cause__, "pgcode", "") == "40P01"
                if not is_deadlock or connection.in_atomic_block or number == _MAX_ROUNDS:
                    raise
                logger.warning("import_deadlock", exc_info=True)
            else:
                self._errors.kept = counters["errors_bytes"]
                for name, value in counters.items():
                    setattr(self.run, name, value)
                return taken
        raise AssertionError("unreachable: the last round returns or raises")

    def _count(self, taken: Taken) -> dict[str, Any]:
        """The run's counters with this chunk, after its rejected rows have reached the disk."""
        taken.rejected.sort(key=lambda row: row.number)
        kept = self._errors.append(taken.rejected)
        counters: dict[str, Any] = {outcome.value: getattr(self.run, outcome.value) for outcome in Outcome}
        for outcome in taken.outcomes.values():
            counters[outcome.value] += 1
        counters["rejected"] += len(taken.rejected)
        counters["rows"] = sum(counters.values())
        return {**counters, "errors_bytes": kept, "errors_file": str(self._errors.path or "") if kept else ""}


@contextmanager
def read_ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """Let another thread make the next items while this one waits for the database.

    ``items`` must not touch the database. Whatever it raises is raised here.
    """
    done = object()
    made: queue.Queue[Any] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(item: Any) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(done)
        except BaseException as error:  # noqa: BLE001  it belongs to the thread that takes the items
            put(error)

    def taken() -> Iterator[T]:
        while (item := made.get()) is not done:
            if isinstance(item, BaseException):
                raise item
            yield item

    maker = threading.Thread(target=make, name="import-reader", daemon=True)
    maker.start()
    try:
        yield taken()
    finally:
        stopped.set()
        maker.join()


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Look for garbage in cycles less often: an import makes millions of short-lived objects and no cycles."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def chunks_of(rows: Iterable[Row | RejectedRow], *, size: int, apart: bool) -> Iterator[Chunk]:
    """Rows in file order. ``apart``: a row that names somebody who is already in the chunk begins the next one."""
    chunk = Chunk([], [], 0)
    named: set[object] = set()
    for row in rows:
        if isinstance(row, RejectedRow):
            chunk.rejected.append(row)
            chunk.last = row.number
        else:
            if apart:
                names: Sequence[object] = row.names if row.message.id is None else (*row.names, row.message.id)
                if not named.isdisjoint(names):
                    yield chunk
                    chunk = Chunk([], [], 0)
                    named = set()
                named.update(names)
            chunk.rows.append(row)
            chunk.last = row.record.number
        if len(chunk.rows) + len(chunk.rejected) >= size:
            yield chunk
            chunk = Chunk([], [], 0)
            named = set()
    if chunk.last:
        yield chunk
