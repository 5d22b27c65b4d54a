"""Wake-up hints: a drain that is told of new rows at once need not wait for the sweep."""

import logging
from typing import Final

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

# Should a drain die between taking a hint and clearing it, hints flow again after this many seconds.
_FLAG_SECONDS: Final = 10
_PATIENCE_SECONDS: Final = 0.5
_clients: dict[str, "redis.Redis"] = {}


def wake(task: str, *, hint: str = "") -> None:
    """Send ``task`` once the current transaction has committed, at most one at a time.

    ``hint``: a name that is counted apart, where a task is sent for more than one reason; the task's own otherwise.
    A hint that is already on its way is enough; one that is lost costs only the seconds until the sweep, so a broker
    that is away is logged and otherwise ignored.
    """
    transaction.on_commit(lambda: _send(task, hint or task))


def clear_wake(hint: str) -> None:
    """Let the next hint through. A drain calls this before it reads, so that no row falls between."""
    try:
        broker().delete(_flag(hint))
    except redis.RedisError as error:
        logger.warning("wake_not_cleared", extra={"hint": hint, "error": str(error)})


def _send(task: str, hint: str) -> None:
    try:
        if broker().set(_flag(hint), 1, nx=True, ex=_FLAG_SECONDS):
            current_app.send_task(task, expires=60)
    except Exception as error:  # noqa: BLE001  whatever the broker's client raises, the facts are stored
        logger.warning("wake_lost", extra={"task": task, "error": str(error)})


def _flag(hint: str) -> str:
    return f"ripen:wake:{hint}"


def broker() -> "redis.Redis":
    """Return this process's connection to the broker; it waits half a second and no longer."""
    url = settings.REDIS_URL
    if url not in _clients:
        _clients[url] = redis.Redis.from_url(
            url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS
        )
    return _clients[url]
