"""gunicorn's configuration, for `manage.py up` and the container alike."""

import gc
from itertools import count
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # it ships no types

from config.balance import BALANCE, share
from config.env import Environment
from config.local.processes import die_with_parent
from config.redaction import RedactingFilter, RedactingFormatter

_env = Environment()
# New objects that might be part of a cycle; a batch of events makes some thousands.
_COLLECTED_EVERY = 50_000
# Requests between two sweeps of what survived one, and of what survived several.
_YOUNG_EVERY, _OLD_EVERY = 30, 1_500
_answered = count(1)

# All of the container's own network; `up` says 127.0.0.1 on its command line.
bind = ["0.0.0.0:8000"]
worker_class = "gthread"
workers = _env.integer("WEB_CONCURRENCY", 2, least=1, most=64)
threads = _env.integer("WEB_THREADS", 4, least=1, most=64)
timeout = 60
graceful_timeout = 10
keepalive = 5
# Import once and fork: nothing connects while modules are imported.
preload_app = True
# Heartbeats must not wait for a busy disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  gunicorn makes private files there
control_socket_disable = True
forwarded_allow_ips = "*" if _env.flag("RIPEN_TRUST_PROXY") else "127.0.0.1,::1"
loglevel = _env.log_level.lower()
# Whoever turns the access log on gets no queries and no visitors.
access_log_format = '%(t)s "%(m)s %(U)s" %(s)s %(B)s %(L)s'


class DiscreetLogger(Logger):  # type: ignore[misc]  # of an untyped base
    """gunicorn's own lines, without the queries of addresses and the messages of exceptions."""

    def setup(self, cfg: Any) -> None:
        """Make what writes to its error log discreet."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.addFilter(RedactingFilter())
            handler.setFormatter(RedactingFormatter(self.error_fmt, self.datefmt))


logger_class = DiscreetLogger


def when_ready(server: Any) -> None:
    """Make ready what every worker needs, once: the first request then waits for no imports.

    What is loaded by now lives as long as the process; collecting garbage need not look at it again and again. What a
    request makes goes with its references, nearly all of it, so there is little to collect either.
    """
    from django.urls import get_resolver

    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_EVERY, 10, 10)


def sweep() -> None:
    """Sweep what an answered request leaves behind: 0.3 ms in which nobody waits.

    Django's contexts and lazy objects refer to each other in cycles, some hundreds of objects a page. Left to
    themselves they were swept all at once, every hundredth page, in the middle of one: 50 ms. What survived a sweep,
    since another thread was still at it, is looked at with a later one.
    """
    turn = next(_answered)
    gc.collect(2 if turn % _OLD_EVERY == 0 else 1 if turn % _YOUNG_EVERY == 0 else 0)


def pre_fork(server: Any, worker: Any) -> None:
    """Give a worker its place among those that share the connections."""
    worker.place = BALANCE.enter()


def pre_request(worker: Any, req: Any) -> None:
    """Let senders connect again where another worker has less to do."""
    share(BALANCE, worker.place, req)


def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
    """Count a request that is answered, and sweep."""
    BALANCE.end(worker.place)
    sweep()


def post_fork(server: Any, worker: Any) -> None:
    """Let a worker die with its master, however that ends."""
    die_with_parent()


def child_exit(server: Any, worker: Any) -> None:
    """Give the place of a worker that has ended to the next, and drop its live gauges."""
    BALANCE.leave(worker.place)
    if _env.text("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
