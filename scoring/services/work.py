"""Doing what runs order: one worker a run, resumed by the next one when a worker dies."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection
from django.utils import timezone

from scoring.definition import DefinitionError
from scoring.enums import RunKind, RunState
from scoring.models import Run
from scoring.services.publish import NotPublishable
from scoring.services.runs import Cancelled, CannotRun, Progress, finish_run

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3

# Names the locks of runs among all advisory locks of the database ("RUNS" in ASCII).
_RUNS = 0x52554E53

# Does the work of one run and returns its JSON-ready result.
Work = Callable[[Run, Progress], Mapping[str, Any]]


def work_of(kind: RunKind) -> Work:
    """Who does the work of a kind of run."""
    return _WORK[kind]


_WORK: dict[RunKind, Work] = {}


def work_off_runs() -> int:
    """Do every run that waits, oldest first, and every one whose worker died; returns how many were ended.

    The lock of a run belongs to the session of whoever works on it, so it is free the moment that process is gone:
    what is then still unfinished is begun again (a publication goes on where it was, for what it did is done).
    """
    ended = 0
    for run_id in Run.objects.filter(finished_at=None).order_by("id").values_list("pk", flat=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_RUNS, run_id])
            if not cursor.fetchone()[0]:
                continue
        try:
            ended += _work_on(run_id)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_RUNS, run_id])
    return ended


def _work_on(run_id: int) -> int:
    # Read after locking: another worker may have ended it meanwhile.
    run = Run.objects.select_related("definition", "other", "publication").get(pk=run_id)
    if run.finished_at is not None:
        return 0
    if run.cancel_requested_at is not None:
        finish_run(run, state=RunState.CANCELLED)
        return 1
    if run.attempts >= MAX_ATTEMPTS:
        finish_run(run, state=RunState.FAILED, error=f"Gave up after {run.attempts} attempts; the log says why.")
        return 1
    run.state, run.started_at, run.attempts = RunState.RUNNING, run.started_at or timezone.now(), run.attempts + 1
    run.save(update_fields=["state", "started_at", "attempts"])
    try:
        result = work_of(RunKind(run.kind))(run, Progress(run))
    except Cancelled:
        finish_run(run, state=RunState.CANCELLED)
    except (CannotRun, NotPublishable, DefinitionError) as error:
        finish_run(run, state=RunState.FAILED, error=str(error))
    except Exception:
        logger.exception("run_failed", extra={"run": run.pk, "kind": run.kind})
        if run.attempts < MAX_ATTEMPTS:
            return 0
        finish_run(run, state=RunState.FAILED, error="Something went wrong; the log says what.")
    else:
        finish_run(run, state=RunState.FINISHED, result=dict(result))
    return 1
