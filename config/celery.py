"""The background worker's application."""

import logging
import os
import sys
from typing import Any, Final

from celery import Celery, bootsteps
from celery.signals import setup_logging, task_postrun, task_prerun, worker_init, worker_process_init, worker_ready
from django_structlog.celery.steps import DjangoStructLogInitStep

from config.local.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

logger = logging.getLogger(__name__)
# Seconds; as often as anything may be wrong for minutes before somebody is told.
_WATCH_EVERY: Final = 30.0

app = Celery("ripen")
app.config_from_object("django.conf:settings", namespace="CELERY")
# By itself Celery closes the database's connection before and after every task; making and warming a new one costs more
# than most tasks. Connections are kept as long as the web's are, see _look_after_connections.
app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()


class SignsOfLife(bootsteps.StartStopStep):  # type: ignore[misc]  # celery ships no types
    """Says every few seconds, from the worker's main process, that it is there and which queues it takes from.

    /metrics, /readyz and the page of the state read that. Whether it also does its work, what waits tells.
    """

    requires = {"celery.worker.components:Timer"}

    def start(self, parent: Any) -> None:
        """Give the first sign, and go on."""
        from contacts.selectors.workers import SIGN_EVERY

        self._give(parent)
        self._watching = parent.timer.call_repeatedly(_WATCH_EVERY, self._watch, (parent,), priority=10)
        self._timer = parent.timer.call_repeatedly(SIGN_EVERY, self._give, (parent,), priority=10)

    def stop(self, parent: Any) -> None:
        """Fall silent."""
        self._timer.cancel()
        self._watching.cancel()

    @staticmethod
    def _give(worker: Any) -> None:
        from contacts.services.meters import give_sign

        give_sign(str(worker.hostname), of=sorted(worker.app.amqp.queues.consume_from))

    @staticmethod
    def _watch(worker: Any) -> None:
        """Have our own pool look how everything is: beat may be what is wrong, or another queue's worker."""
        try:
            worker.app.send_task(
                "funnel.watch_operation", queue=min(worker.app.amqp.queues.consume_from), expires=_WATCH_EVERY
            )
        except Exception as error:  # noqa: BLE001  whatever the broker's client raises, the worker goes on
            logger.warning("watch_not_sent", extra={"error": type(error).__name__})


app.steps["worker"].add(SignsOfLife)


def _keep_logging(**_kwargs: Any) -> None:
    """Leave logging as Django's settings have set it up; without a receiver Celery makes its own."""


def _tie_to_worker(**_kwargs: Any) -> None:
    """Let a pool process die with its worker: whoever kills a worker means all of it."""
    die_with_parent()


def _look_after_connections(sender: Any = None, **_kwargs: Any) -> None:
    """As between two requests: close what is broken or too old, and have what is left tried before it is used."""
    from django.db import close_old_connections

    if not getattr(getattr(sender, "request", None), "is_eager", False):
        close_old_connections()


def _step_back(sender: Any = None, **_kwargs: Any) -> None:
    """Let ingest and judging go before long work where processors are few; the pool process inherits it."""
    if _does_long_work(sender):
        os.nice(10)


def _does_long_work(worker: Any) -> bool:
    return str(getattr(worker, "hostname", "")).startswith("runs@")


def _say_ready(sender: Any = None, **_kwargs: Any) -> None:
    """Tell the supervisor that tasks are taken; each sort of worker has a file of its own."""
    from django.conf import settings

    layout = settings.LAYOUT
    if layout.run_dir.is_dir():
        name = str(getattr(sender, "hostname", "")).partition("@")[0]
        {"runs": layout.runs_ready, "hooks": layout.hooks_ready}.get(name, layout.worker_ready).touch()


setup_logging.connect(_keep_logging, weak=False)
task_prerun.connect(_look_after_connections, weak=False)
task_postrun.connect(_look_after_connections, weak=False)
worker_process_init.connect(_tie_to_worker, weak=False)
worker_init.connect(_step_back, weak=False)
worker_ready.connect(_say_ready, weak=False)
