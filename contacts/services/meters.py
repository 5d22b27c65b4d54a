"""Counting what happens, for whoever watches: in the broker, where every process of every host can be seen.

A broker that is away costs counts and nothing else: what is counted is no fact, only how the machinery does.
"""

import bisect
import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import redis
from django.db import transaction

from contacts.selectors.workers import FORGOTTEN_AFTER, METERS_KEY, SIGNS_KEY, WAIT_BOUNDS
from contacts.services.wake import broker

logger = logging.getLogger(__name__)

# Asking a broker that is away would cost each batch half a second.
_AWAY_FOR: Final = 5.0
_away_until = 0.0


def count_judged(number: int, *, queued_at: Sequence[float]) -> None:
    """Count contacts that were judged, once the transaction has committed, and how long their facts waited until then.

    ``queued_at``: when each fact was queued, in seconds since the epoch.
    """
    if number:
        transaction.on_commit(lambda: _count_judged(number, queued_at))


def _count_judged(number: int, queued_at: Sequence[float]) -> None:
    now = time.time()
    counts: Counter[str] = Counter()
    seconds = 0.0
    for at in queued_at:
        wait = max(now - at, 0.0)
        seconds += wait
        place = bisect.bisect_left(WAIT_BOUNDS, wait)
        counts[f"wait:{WAIT_BOUNDS[place] if place < len(WAIT_BOUNDS) else 'inf'}"] += 1
    _add({"judged": number, **counts}, seconds)


def count_rejected(codes: Iterable[str]) -> None:
    """Count messages that were refused, by code."""
    _add({f"rejected:{code}": number for code, number in Counter(codes).items()})


def _add(amounts: Mapping[str, int], seconds: float = 0.0) -> None:
    global _away_until  # noqa: PLW0603  one process, one memory of whether the broker is there
    if not amounts or time.monotonic() < _away_until:
        return
    try:
        pipeline = broker().pipeline(transaction=False)
        for name, amount in amounts.items():
            pipeline.hincrby(METERS_KEY, name, amount)
        if seconds:
            pipeline.hincrbyfloat(METERS_KEY, "wait:seconds", round(seconds, 6))
        pipeline.execute()
    except (redis.RedisError, OSError) as error:
        _away_until = time.monotonic() + _AWAY_FOR
        logger.warning("not_counted", extra={"error": type(error).__name__})


def give_sign(name: str, *, of: Sequence[str], at: float | None = None) -> bool:
    """Say that the worker or beat ``name`` (with its host) is alive, and for which queues; False where nobody heard.

    ``at``: seconds since the epoch; now, unless given.
    """
    try:
        client = broker()
        client.hset(SIGNS_KEY, name, json.dumps({"at": time.time() if at is None else at, "of": list(of)}))
    except (redis.RedisError, OSError):
        return False
    return True


def forget_signs(*, at: float | None = None) -> None:
    """Drop the last signs of those who have been silent for so long that they have gone for good."""
    now = time.time() if at is None else at
    try:
        client = broker()
        for name, text in client.hgetall(SIGNS_KEY).items():
            try:
                is_old = now - float(json.loads(text)["at"]) > FORGOTTEN_AFTER.total_seconds()
            except (ValueError, KeyError, TypeError):
                is_old = True
            if is_old:
                client.hdel(SIGNS_KEY, name)
    except (redis.RedisError, OSError) as error:
        logger.warning("signs_not_forgotten", extra={"error": type(error).__name__})
