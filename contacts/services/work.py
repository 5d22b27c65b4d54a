"""Doing long work that was ordered as a row: progress, cancelling, one worker a piece, resumed when a worker dies."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models import Case, F, Model, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone, translation
from django.utils.translation import gettext_noop

from contacts.enums import WorkState
from contacts.models import Work

logger = logging.getLogger(__name__)

W = TypeVar("W", bound=Work)

# How often progress is written at most, in seconds.
_EVERY = 0.25
# Attempts that got nowhere: one that did something for good counts afresh.
MAX_ATTEMPTS: Final = 3


class Cancelled(Exception):
    """The work was cancelled; whoever does it lets this through and leaves things as they were."""


class CannotRun(ValueError):
    """The work cannot be done as ordered; the message says why and is shown to whoever ordered it."""


class Progress:
    """What a piece of work reports while it goes on, at most a few times a second, in autocommit on its own connection.

    Call it from the thread that took the work, outside any transaction, so that everybody sees it at once.
    """

    def __init__(self, work: Work) -> None:
        self._rows = type(work)._default_manager.filter(pk=work.pk)  # noqa: SLF001  Django's public name for it
        self._done = 0
        self._written = 0.0

    def begin(self, total: int, *, unit: str = "contacts", done: int = 0) -> None:
        """Say how much there is to do, and how much of it an earlier attempt has done for good."""
        self._done, self._written = done, time.monotonic()
        self._rows.update(done=self._done, total=total, unit=unit)

    def advance(self, number: int, *, reached: int | None = None) -> None:
        """Say that ``number`` more are done; ``reached``: for good, up to this place.

        What is done for good is not begun again after a crash, so work that gets on may be interrupted any number of
        times.

        Raises:
            Cancelled: somebody asked the work to stop, or removed its order.
        """
        self._done += number
        if time.monotonic() - self._written < _EVERY:
            return
        self._written = time.monotonic()
        marks = {} if reached is None else {"reached": reached, "attempts": 0}
        if (
            not self._rows.update(done=self._done, **marks)
            or self._rows.filter(cancel_requested_at__isnull=False).exists()
        ):
            raise Cancelled


class Unwatched(Progress):
    """Progress that nobody watches: for the shell and for tests, which do the same work at once."""

    def __init__(self) -> None:
        """Write nothing anywhere."""

    def begin(self, total: int, *, unit: str = "contacts", done: int = 0) -> None:
        """Ignore."""

    def advance(self, number: int, *, reached: int | None = None) -> None:
        """Ignore."""


def finish_work(work: Work, *, state: WorkState, result: object = None, error: str = "") -> bool:
    """Record how a piece of work ended; False where it had ended already."""
    fields: dict[str, Any] = {"state": state, "finished_at": timezone.now(), "result": result, "error": error}
    if state == WorkState.FINISHED:
        fields["done"] = F("total")
    rows = type(work)._default_manager.filter(pk=work.pk, finished_at=None)  # noqa: SLF001  Django's public name for it
    return bool(rows.update(**fields))


def ask_to_stop(work: Work, *, now: datetime) -> None:
    """Ask a (locked) piece of work to stop: one that waits is cancelled at once, one under way at its next chunk.

    What has ended stays as it ended.
    """
    if work.finished_at is None:
        work.cancel_requested_at = work.cancel_requested_at or now
        if work.state == WorkState.QUEUED:
            work.state, work.finished_at = WorkState.CANCELLED, now
        work.save(update_fields=["cancel_requested_at", "state", "finished_at"])


def order_again(work: Work) -> None:
    """Let a (locked) piece of work that has ended wait for a worker once more, as if nobody had tried it."""
    work.state, work.finished_at, work.attempts, work.error = WorkState.QUEUED, None, 0, ""
    work.started_at = work.cancel_requested_at = None
    work.save(update_fields=["state", "started_at", "finished_at", "attempts", "error", "cancel_requested_at"])


@dataclass(frozen=True)
class Workshop(Generic[W]):
    """One sort of work and how it is done.

    Attributes:
        model: the rows that order it.
        lock: names the locks of this sort among all advisory locks of the database.
        perform: does one piece and returns its JSON-ready result.
        refusals: exceptions whose message is for whoever ordered the work; anything else is a fault and tried again.
        finish: records how a piece ended.
        first: what goes before everything else.
        related: what is read along with a piece.
        alone: of all workers at most one does work of this sort.
    """

    model: type[W]
    lock: int
    perform: Callable[[W, Progress], Mapping[str, Any]]
    refusals: tuple[type[Exception], ...] = (CannotRun,)
    finish: Callable[..., Any] = finish_work
    first: Q = field(default_factory=lambda: Q(pk__in=()))
    related: tuple[str, ...] = ()
    alone: bool = False

    def work_off(self) -> int:
        """Do every piece that waits and every one whose worker died; returns how many were ended.

        In the order they were ordered, what goes first aside. What a dead worker left unfinished is begun again, or
        goes on where it was as far as that is done for good.
        """
        if not self.alone:
            return self._work_off()
        # No piece has the number 0.
        with self._held(0) as is_ours:
            return self._work_off() if is_ours else 0

    def _work_off(self) -> int:
        ended, tried = 0, list[int]()
        while (work_id := self._next(tried)) is not None:
            tried.append(work_id)
            with self._held(work_id) as is_ours:
                ended += is_ours and self._work_on(work_id)
        return ended

    def do_now(self, order: Callable[[], W]) -> W:
        """Order a piece and do it in this process; whoever stops this process leaves the rest to the worker.

        No worker can take it in between, for it is held before anybody sees it. Returns the row as it ended.
        """
        with ExitStack() as held:
            with transaction.atomic():
                work = order()
                held.enter_context(self._held(work.pk))
            self._work_on(work.pk)
        work.refresh_from_db()
        return work

    @property
    def _rows(self) -> Any:
        manager: Model = self.model._default_manager  # type: ignore[assignment]  # noqa: SLF001  typed by the caller
        return manager

    def _next(self, tried: Sequence[int]) -> int | None:
        waiting = self._rows.filter(finished_at=None).exclude(pk__in=tried)
        found: int | None = (
            waiting.order_by(Case(When(self.first, then=0), default=1), "id").values_list("pk", flat=True).first()
        )
        return found

    @contextmanager
    def _held(self, work_id: int) -> Iterator[bool]:
        """Hold a piece against other workers; False where one of them has it.

        The lock belongs to a transaction on a connection of its own, so that it is free the moment this process is
        gone, and passes through poolers that share a session between transactions.
        """
        guard = connections.create_connection(DEFAULT_DB_ALIAS)
        try:
            guard.set_autocommit(False)
            with guard.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [self.lock, work_id])
                is_ours = bool(cursor.fetchone()[0])
            yield is_ours
        finally:
            guard.close()

    def _work_on(self, work_id: int) -> bool:
        """Begin the next attempt at a piece that we hold; True when that ended it."""
        # Read after locking: another worker may have ended it meanwhile.
        unfinished = self._rows.filter(pk=work_id, finished_at=None)
        work = unfinished.first()
        if work is None:
            return False
        if work.cancel_requested_at is not None:
            self.finish(work, state=WorkState.CANCELLED)
            return True
        if work.attempts >= MAX_ATTEMPTS:
            error = f"Gave up after {work.attempts} attempts; the log says why."
            self.finish(work, state=WorkState.FAILED, error=error)
            return True
        unfinished.update(
            state=WorkState.RUNNING,
            started_at=Coalesce("started_at", Value(timezone.now())),
            attempts=F("attempts") + 1,
        )
        work = unfinished.select_related(*self.related).first() if self.related else unfinished.first()
        return work is not None and self._attempt(work)

    def _attempt(self, work: W) -> bool:
        try:
            # A small piece is done while a page waits, in its reader's language; what is kept is for everybody.
            with translation.override(settings.LANGUAGE_CODE):
                result = self.perform(work, Progress(work))
        except Cancelled:
            self.finish(work, state=WorkState.CANCELLED)
        except self.refusals as error:
            self.finish(work, state=WorkState.FAILED, error=str(error))
        except Exception:
            # Whatever it was, the work that waits behind it must go on.
            logger.exception("work_attempt_failed", extra={"work": f"{type(work).__name__} {work.pk}"})
            return self._give_up(work)
        else:
            self.finish(work, state=WorkState.FINISHED, result=dict(result))
        return True

    def _give_up(self, work: W) -> bool:
        """End a piece whose attempt failed for a reason unknown, unless it may be tried again; True when it ended."""
        if not connection.in_atomic_block:
            # Its loss may be what failed.
            connection.close_if_unusable_or_obsolete()
        attempts = self._rows.filter(pk=work.pk, finished_at=None).values_list("attempts", flat=True).first()
        # None: its order was removed meanwhile.
        if attempts is None or attempts < MAX_ATTEMPTS:
            return False
        self.finish(work, state=WorkState.FAILED, error=gettext_noop("Something went wrong; the log says what."))
        return True
