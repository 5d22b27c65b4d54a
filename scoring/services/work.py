"""Doing what runs order: one worker a run, resumed by the next one when a worker dies."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from scoring.definition import DefinitionError
from scoring.enums import RunKind, RunState
from scoring.models import Run
from scoring.services.approvals import NotPublishable
from scoring.services.backtest import run_backtest
from scoring.services.compare import run_compare
from scoring.services.publish import run_publication
from scoring.services.rebuild import run_roll_back
from scoring.services.runs import Cancelled, CannotRun, Progress, finish_run
from scoring.services.watching import run_learn
from scoring.services.what_if import run_what_if

logger = logging.getLogger(__name__)

# Attempts that got nowhere: one that did something for good counts afresh.
MAX_ATTEMPTS = 3

# Names the locks of runs among all advisory locks of the database ("RUNS" in ASCII).
_RUNS = 0x52554E53

# Does the work of one run and returns its JSON-ready result.
Work = Callable[[Run, Progress], Mapping[str, Any]]


def work_of(kind: RunKind) -> Work:
    """Who does the work of a kind of run."""
    return _WORK[kind]


_WORK: dict[RunKind, Work] = {
    RunKind.LEARN: run_learn,
    RunKind.WHAT_IF: run_what_if,
    RunKind.COMPARE: run_compare,
    RunKind.BACKTEST: run_backtest,
    RunKind.PUBLISH: run_publication,
    RunKind.ROLL_BACK: run_roll_back,
}


def work_off_runs() -> int:
    """Do every run that waits and every one whose worker died; returns how many were ended.

    Publications and roll-backs go first, for they are judgements that contacts wait for; the others as they were
    ordered. What a dead worker left unfinished is begun again (a publication goes on where it was, for what it did is
    done).
    """
    ended, tried = 0, list[int]()
    while (run_id := _next_run(tried)) is not None:
        tried.append(run_id)
        with _held(run_id) as is_ours:
            ended += is_ours and _work_on(run_id)
    return ended


def _next_run(tried: Sequence[int]) -> int | None:
    first = Case(When(kind__in=[RunKind.PUBLISH, RunKind.ROLL_BACK], then=0), default=1)
    waiting = Run.objects.filter(finished_at=None).exclude(pk__in=tried).order_by(first, "id")
    return waiting.values_list("pk", flat=True).first()


def work_in_foreground(order: Callable[[], Run]) -> Run:
    """Order a run and do it in this process; whoever stops this process leaves the rest to the worker.

    No worker can take it in between, for it is held before anybody sees it. Returns the run as it ended.
    """
    with ExitStack() as held:
        with transaction.atomic():
            run = order()
            held.enter_context(_held(run.pk))
        _work_on(run.pk)
    run.refresh_from_db()
    return run


@contextmanager
def _held(run_id: int) -> Iterator[bool]:
    """Hold a run against other workers; False where one of them has it.

    The lock belongs to a transaction on a connection of its own, so that it is free the moment this process is gone,
    and passes through poolers that share a session between transactions.
    """
    guard = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        guard.set_autocommit(False)
        with guard.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_RUNS, run_id])
            is_ours = bool(cursor.fetchone()[0])
        yield is_ours
    finally:
        guard.close()


def _work_on(run_id: int) -> bool:
    """Begin the next attempt at a run that we hold; True when that ended the run."""
    # Read after locking: another worker may have ended it meanwhile.
    run = Run.objects.filter(pk=run_id, finished_at=None).first()
    if run is None:
        return False
    if run.cancel_requested_at is not None:
        finish_run(run, state=RunState.CANCELLED)
        return True
    if run.attempts >= MAX_ATTEMPTS:
        finish_run(run, state=RunState.FAILED, error=f"Gave up after {run.attempts} attempts; the log says why.")
        return True
    Run.objects.filter(pk=run_id, finished_at=None).update(
        state=RunState.RUNNING, started_at=Coalesce("started_at", Value(timezone.now())), attempts=F("attempts") + 1
    )
    run = Run.objects.select_related("definition", "other", "publication").filter(pk=run_id, finished_at=None).first()
    return run is not None and _attempt(run)


def _attempt(run: Run) -> bool:
    try:
        result = work_of(RunKind(run.kind))(run, Progress(run))
    except Cancelled:
        finish_run(run, state=RunState.CANCELLED)
    except (CannotRun, NotPublishable, DefinitionError) as error:
        finish_run(run, state=RunState.FAILED, error=str(error))
    except Exception:
        # Whatever it was, the runs that wait behind it must go on.
        logger.exception("run_attempt_failed", extra={"run": run.pk, "kind": run.kind})
        return _give_up(run)
    else:
        finish_run(run, state=RunState.FINISHED, result=dict(result))
    return True


def _give_up(run: Run) -> bool:
    """End a run whose attempt failed for a reason unknown, unless it may be tried again; True when it ended."""
    if not connection.in_atomic_block:
        # Its loss may be what failed.
        connection.close_if_unusable_or_obsolete()
    attempts = Run.objects.filter(pk=run.pk, finished_at=None).values_list("attempts", flat=True).first()
    # None: the draft was discarded meanwhile, and the run with it.
    if attempts is None or attempts < MAX_ATTEMPTS:
        return False
    finish_run(run, state=RunState.FAILED, error="Something went wrong; the log says what.")
    return True
