"""Back-pressure: who has used up their share is told when to come again, and so is everybody while we cannot keep up.

Both must cost next to nothing: one short call of the broker a request, one small query a second and process. A broker
that is away lets everybody through; what a request would store is safe either way.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import redis
from django.conf import settings
from django.db import connection

from contacts.services.wake import broker

logger = logging.getLogger(__name__)

# How much of its rate a key may use at once after a pause, in seconds.
_BURST_SECONDS: Final = 10
_LEAST_BURST: Final = 1_000
_LOOK_EVERY: Final = 1.0
# While messages wait, counting them costs more, so it is done less often.
_LOOK_AGAIN_AFTER: Final = 5
_BROKER_AWAY_FOR: Final = 5.0

# The generic cell rate algorithm (ITU-T I.371, annex A): one number a key, the moment at which its share is whole
# again. Times are the broker's own, so that all processes agree. Answers milliseconds to wait, 0 where it is granted.
_TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local whole_at = tonumber(redis.call('GET', KEYS[1]) or now)
if whole_at < now then whole_at = now end
local after = whole_at + ARGV[1] * 1000 / ARGV[2]
local wait = after - now - ARGV[3] * 1000
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', after), 'PX', math.ceil(after - now) + 1000)
return 0
"""

FIND_OLDEST: Final = """
SELECT date_part('epoch', clock_timestamp() - queued_at) FROM contacts_due
WHERE quarantined_at IS NULL ORDER BY id LIMIT 1
"""
COUNT_DUE: Final = "SELECT count(*) FROM (SELECT FROM contacts_due WHERE quarantined_at IS NULL LIMIT %s) waiting"


class Throttled(Exception):
    """A key has used up its share (429); ``seconds`` until it may come again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Overloaded(Exception):
    """Nobody's facts can be taken now (503); ``seconds`` until it is worth another try, ``reason`` for a person."""

    def __init__(self, seconds: int, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason


def take_share(*, key: str, messages: int) -> None:
    """Charge ``messages`` to the share of ``key`` (settings.INGEST_EVENTS_A_SECOND, 0: no limit).

    Raises:
        Throttled: it is used up; nothing is charged.
    """
    rate = settings.INGEST_EVENTS_A_SECOND
    if rate == 0 or messages == 0 or _gate.is_broker_away():
        return
    burst = max(_BURST_SECONDS, _LEAST_BURST / rate)
    try:
        wait = int(broker().eval(_TAKE, 1, f"ripen:share:{key}", messages, rate, burst))
    except redis.RedisError as error:
        logger.warning("share_not_checked", extra={"error": str(error)})
        _gate.note_broker_away()
        return
    if wait > 0:
        raise Throttled(math.ceil(wait / 1000))


def check_capacity() -> None:
    """Refuse new facts while too many wait for judgement, or the database has become too slow to take them.

    The limits are settings.INGEST_MAX_DUE rows, of which the oldest waits longer than INGEST_MAX_DUE_SECONDS (0 rows:
    no limit), and INGEST_MAX_SECONDS for storing one batch.

    Raises:
        Overloaded: for now.
    """
    _gate.check()


@contextmanager
def timing_storage() -> Iterator[None]:
    """Note how long the database took to store what is stored inside; the next batches of this process wait for it."""
    began = _gate.clock()
    try:
        yield
    finally:
        _gate.note_duration(_gate.clock() - began)


class Gate:
    """What one process knows of the load. ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._broker_back_at = 0.0
        self._look_at = 0.0
        self._is_piled_up = False
        self._slow_until = 0.0

    def is_broker_away(self) -> bool:
        """Tell whether the broker did not answer just now: asking again would only cost the sender time."""
        return self.clock() < self._broker_back_at

    def note_broker_away(self) -> None:
        """Leave the broker alone for some seconds."""
        self._broker_back_at = self.clock() + _BROKER_AWAY_FOR

    def note_duration(self, seconds: float) -> None:
        """Remember that storing a batch took so long."""
        if seconds > settings.INGEST_MAX_SECONDS:
            logger.warning("ingest_slow", extra={"seconds": round(seconds, 1)})
            self._slow_until = self.clock() + settings.INGEST_MAX_SECONDS

    def check(self) -> None:
        """Raise `Overloaded` while too much waits or the database is slow."""
        now = self.clock()
        if now < self._slow_until:
            raise Overloaded(math.ceil(self._slow_until - now), "The database is slow")
        if now >= self._look_at:
            # First the time, then the look: of several threads one asks the database.
            self._look_at = now + _LOOK_EVERY
            self._is_piled_up = is_piled_up()
            if self._is_piled_up:
                self._look_at = now + _LOOK_AGAIN_AFTER
        if self._is_piled_up:
            raise Overloaded(_LOOK_AGAIN_AFTER, "Too much waits for judgement")


def is_piled_up() -> bool:
    """Tell whether more contacts are due than settings allow, the first of them for longer than they allow."""
    limit = settings.INGEST_MAX_DUE
    if limit == 0:
        return False
    with connection.cursor() as cursor:
        cursor.execute(FIND_OLDEST)
        oldest = cursor.fetchone()
        if oldest is None or oldest[0] <= settings.INGEST_MAX_DUE_SECONDS:
            return False
        cursor.execute(COUNT_DUE, [limit + 1])
        return bool(cursor.fetchone()[0] > limit)


_gate: Final = Gate()
