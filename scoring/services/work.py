"""Doing what runs order: one worker a run, resumed by the next one when a worker dies."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Q

from contacts.services.work import CannotRun, Progress, Workshop
from scoring.definition import DefinitionError
from scoring.enums import RunKind
from scoring.models import Run
from scoring.services.approvals import NotPublishable
from scoring.services.backtest import run_backtest
from scoring.services.compare import run_compare
from scoring.services.publish import run_publication
from scoring.services.rebuild import run_roll_back
from scoring.services.runs import finish_run
from scoring.services.watching import run_learn
from scoring.services.what_if import run_what_if

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


# Publications and roll-backs go first, for they are judgements that contacts wait for.
_RUNS = Workshop(
    model=Run,
    lock=0x52554E53,  # "RUNS" in ASCII
    perform=lambda run, progress: work_of(RunKind(run.kind))(run, progress),
    refusals=(CannotRun, NotPublishable, DefinitionError),
    finish=finish_run,
    first=Q(kind__in=[RunKind.PUBLISH, RunKind.ROLL_BACK]),
    related=("definition", "other", "publication"),
)


def work_off_runs() -> int:
    """Do every run that waits and every one whose worker died; returns how many were ended."""
    return _RUNS.work_off()


def work_in_foreground(order: Callable[[], Run]) -> Run:
    """Order a run and do it in this process; whoever stops this process leaves the rest to the worker."""
    return _RUNS.do_now(order)
