"""Beat that stops talking while nobody listens."""

import logging
import socket
import time
from typing import Any, Final

from celery.beat import Scheduler
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from contacts.selectors.workers import BEAT, SIGN_EVERY
from contacts.services.meters import give_sign

# A few minutes of sweeps. One is enough to find all work that waits, so further ones would only be thrown away,
# one by one, by the worker that comes back after a day.
_WAITING_AT_MOST: Final = 200

logger = logging.getLogger(__name__)


class PatientScheduler(Scheduler):  # type: ignore[misc]  # celery ships no types
    """Celery's in-memory scheduler, which leaves a sweep out while the queue is long."""

    _broker: "Redis | None" = None
    _sign_at = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Do what is due, and give a sign of life every few seconds."""
        pause = super().tick(*args, **kwargs)
        if time.monotonic() >= self._sign_at:
            self._sign_at = time.monotonic() + SIGN_EVERY
            give_sign(f"{BEAT}@{socket.gethostname()}", of=[BEAT])
        return pause

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send the entry's task unless enough is waiting."""
        if self._is_queue_long(entry):
            logger.warning("sweep_left_out", extra={"task": entry.task})
            return
        super().apply_entry(entry, producer=producer)

    def _is_queue_long(self, entry: Any) -> bool:
        if self._broker is None:
            self._broker = Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
        try:
            queue = self.app.amqp.router.route(dict(entry.options), entry.task)["queue"]
            return int(self._broker.llen(queue.name)) >= _WAITING_AT_MOST
        except RedisError:
            return False
