"""Long work on a definition: ordered as a row, done by a worker, watched and cancelled while it goes."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from contacts.services.wake import wake
from scoring.enums import RunKind, RunState
from scoring.models import Definition, Publication, Run

TASK = "scoring.runs"

# How often progress is written at most, in seconds.
_EVERY = 0.25


class Cancelled(Exception):
    """The run was cancelled; whoever does the work lets this through and leaves things as they were."""


class CannotRun(ValueError):
    """The work cannot be done as ordered; the message says why and is shown to whoever ordered it."""


def start_run(
    *,
    kind: RunKind,
    definition: Definition,
    by: User | None,
    other: Definition | None = None,
    publication: Publication | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Run:
    """Order a run and wake the worker; what is tried is the document as it stands now."""
    run = Run.objects.create(
        kind=kind,
        definition=definition,
        other=other,
        publication=publication,
        document=definition.document,
        revision=definition.revision,
        parameters=dict(parameters or {}),
        requested_by=by,
    )
    wake(TASK)
    return run


def cancel_run(*, run_id: int, by: User | None, now: datetime) -> Run:
    """Ask a run to stop: one that waits is cancelled at once, one under way at its next chunk.

    A finished run stays finished. Raises Run.DoesNotExist; CannotRun for a publication or a roll-back, which are
    taken back by rolling back and publishing, never left half done.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        if run.kind in (RunKind.PUBLISH, RunKind.ROLL_BACK):
            raise CannotRun(f"A {run.get_kind_display()} is not cancelled half way; roll back once it is through.")
        if run.finished_at is None:
            run.cancel_requested_at = run.cancel_requested_at or now
            if run.state == RunState.QUEUED:
                run.state, run.finished_at = RunState.CANCELLED, now
            run.save(update_fields=["cancel_requested_at", "state", "finished_at"])
        return run


class Progress:
    """What a run reports while it works, written at most a few times a second, in autocommit on its own connection.

    Call it from the thread that took the run, outside any transaction, so that everybody sees it at once.
    """

    def __init__(self, run: Run) -> None:
        self._run_id = run.pk
        self._done = 0
        self._written = 0.0

    def begin(self, total: int, *, unit: str = "contacts") -> None:
        """Say how much there is to do; the count starts at nothing."""
        self._done, self._written = 0, time.monotonic()
        Run.objects.filter(pk=self._run_id).update(done=0, total=total, unit=unit)

    def advance(self, number: int) -> None:
        """Say that ``number`` more are done.

        Raises:
            Cancelled: somebody asked the run to stop.
        """
        self._done += number
        if time.monotonic() - self._written < _EVERY:
            return
        self._written = time.monotonic()
        rows = Run.objects.filter(pk=self._run_id)
        rows.update(done=self._done)
        if rows.filter(cancel_requested_at__isnull=False).exists():
            raise Cancelled


class Unwatched(Progress):
    """Progress that nobody watches: for the shell and for tests, which do the same work at once."""

    def __init__(self) -> None:
        """Write nothing anywhere."""

    def begin(self, total: int, *, unit: str = "contacts") -> None:
        """Ignore."""

    def advance(self, number: int) -> None:
        """Ignore."""


def finish_run(run: Run, *, state: RunState, result: object = None, error: str = "") -> None:
    """Record how a run ended."""
    fields: dict[str, Any] = {"state": state, "finished_at": timezone.now(), "result": result, "error": error}
    if state == RunState.FINISHED:
        run.refresh_from_db(fields=["total"])
        fields["done"] = run.total
    Run.objects.filter(pk=run.pk, finished_at=None).update(**fields)
