"""Long work on a definition: ordered as a row, done by a worker, watched and cancelled while it goes."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from contacts.services.wake import wake
from scoring.enums import RunKind, RunState
from scoring.models import Definition, Publication, Run

TASK = "scoring.runs"

# Ended runs of a definition that are kept, of each kind.
KEPT = 20

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
            raise CannotRun(f"A {run.get_kind_display()} is not left half done; roll it back or publish again instead.")
        if run.finished_at is None:
            run.cancel_requested_at = run.cancel_requested_at or now
            if run.state == RunState.QUEUED:
                run.state, run.finished_at = RunState.CANCELLED, now
            run.save(update_fields=["cancel_requested_at", "state", "finished_at"])
        return run


def retry_run(*, run_id: int, by: User | None, now: datetime) -> Run:
    """Order a failed run once more: a publication or a roll-back goes on where it stopped, any other begins again.

    Raises:
        CannotRun: it has not failed, or its publication has been rolled back since.
        Run.DoesNotExist: there is no such run.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).select_related("publication", "definition").get(pk=run_id)
        if run.state != RunState.FAILED:
            raise CannotRun(f"Only what failed is tried again; this {run.get_kind_display()} is {run.state}.")
        if run.kind == RunKind.PUBLISH and run.publication is not None and run.publication.retracted_at is not None:
            raise CannotRun(f"{run.definition} has been rolled back since; publish it again instead.")
        run.state, run.finished_at, run.attempts, run.error = RunState.QUEUED, None, 0, ""
        run.started_at = run.cancel_requested_at = None
        run.save(update_fields=["state", "started_at", "finished_at", "attempts", "error", "cancel_requested_at"])
        wake(TASK)
        return run


class Progress:
    """What a run reports while it works, written at most a few times a second, in autocommit on its own connection.

    Call it from the thread that took the run, outside any transaction, so that everybody sees it at once.
    """

    def __init__(self, run: Run) -> None:
        self._run_id = run.pk
        self._done = 0
        self._written = 0.0

    def begin(self, total: int, *, unit: str = "contacts", done: int = 0) -> None:
        """Say how much there is to do, and how much of it an earlier attempt has done for good."""
        self._done, self._written = done, time.monotonic()
        Run.objects.filter(pk=self._run_id).update(done=done, total=total, unit=unit)

    def advance(self, number: int, *, reached: int | None = None) -> None:
        """Say that ``number`` more are done; ``reached``: for good, up to this contact id.

        What is done for good is not begun again after a crash, so a run that gets on may be interrupted any number
        of times.

        Raises:
            Cancelled: somebody asked the run to stop, or discarded the draft that it is about.
        """
        self._done += number
        if time.monotonic() - self._written < _EVERY:
            return
        self._written = time.monotonic()
        rows = Run.objects.filter(pk=self._run_id)
        marks = {} if reached is None else {"reached": reached, "attempts": 0}
        if not rows.update(done=self._done, **marks) or rows.filter(cancel_requested_at__isnull=False).exists():
            raise Cancelled


class Unwatched(Progress):
    """Progress that nobody watches: for the shell and for tests, which do the same work at once."""

    def __init__(self) -> None:
        """Write nothing anywhere."""

    def begin(self, total: int, *, unit: str = "contacts", done: int = 0) -> None:
        """Ignore."""

    def advance(self, number: int, *, reached: int | None = None) -> None:
        """Ignore."""


def finish_run(run: Run, *, state: RunState, result: object = None, error: str = "") -> None:
    """Record how a run ended, and forget the oldest of its kind beyond KEPT, with their cells."""
    fields: dict[str, Any] = {"state": state, "finished_at": timezone.now(), "result": result, "error": error}
    if state == RunState.FINISHED:
        fields["done"] = F("total")
    with transaction.atomic():
        if Run.objects.filter(pk=run.pk, finished_at=None).update(**fields):
            ended = Run.objects.filter(definition=run.definition_id, kind=run.kind, finished_at__isnull=False)
            kept = list(ended.order_by("-id").values_list("pk", flat=True)[:KEPT])
            ended.exclude(pk__in=kept).delete()
