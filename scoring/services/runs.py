"""Long work on a definition: ordered as a row, done by a worker, watched and cancelled while it goes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import WorkState
from contacts.services.auditing import audited
from contacts.services.wake import wake
from contacts.services.work import CannotRun, ask_to_stop, finish_work, order_again
from scoring.enums import RunKind
from scoring.models import Definition, Publication, Run

TASK = "scoring.runs"

# Ended runs of a definition that are kept, of each kind.
KEPT = 20


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


@audited(AuditAct.RUN_CANCELLED, "result", keep=["result.kind"])
def cancel_run(*, run_id: int, by: User | None, now: datetime) -> Run:
    """Ask a run to stop: one that waits is cancelled at once, one under way at its next chunk.

    A finished run stays finished. Raises Run.DoesNotExist; CannotRun for a publication or a roll-back, which are
    taken back by rolling back and publishing, never left half done.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        if run.kind in (RunKind.PUBLISH, RunKind.ROLL_BACK):
            if run.kind == RunKind.PUBLISH:
                raise CannotRun(gettext("A publication is not left half done; roll it back or publish again instead."))
            raise CannotRun(gettext("A roll-back is not left half done; publish again instead."))
        ask_to_stop(run, now=now)
        return run


@audited(AuditAct.RUN_RETRIED, "result", keep=["result.kind"])
def retry_run(*, run_id: int, by: User | None, now: datetime) -> Run:
    """Order a failed run once more: a publication or a roll-back goes on where it stopped, any other begins again.

    Raises:
        CannotRun: it has not failed, or its publication has been rolled back since.
        Run.DoesNotExist: there is no such run.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).select_related("publication", "definition").get(pk=run_id)
        if run.state != WorkState.FAILED:
            message = gettext("Only what failed is tried again; this is %(state)s.")
            raise CannotRun(message % {"state": run.get_state_display()})
        if run.kind == RunKind.PUBLISH and run.publication is not None and run.publication.retracted_at is not None:
            message = gettext("%(definition)s has been rolled back since; publish it again instead.")
            raise CannotRun(message % {"definition": run.definition})
        order_again(run)
        wake(TASK)
        return run


def finish_run(run: Run, *, state: WorkState, result: object = None, error: str = "") -> None:
    """Record how a run ended, and forget the oldest of its kind beyond KEPT, with their cells."""
    with transaction.atomic():
        if finish_work(run, state=state, result=result, error=error):
            ended = Run.objects.filter(definition=run.definition_id, kind=run.kind, finished_at__isnull=False)
            kept = list(ended.order_by("-id").values_list("pk", flat=True)[:KEPT])
            ended.exclude(pk__in=kept).delete()
