"""What the broker knows of the machinery: queues, who gave a sign of life when, and what was counted.

Workers and beat write signs of life, and whoever counts something counts it here, because they are processes of their
own, often on other hosts: what they hold in memory nobody could ask for. All of it may be lost with the broker. Signs
of life are back within seconds, and a counter that begins anew is what Prometheus expects of counters.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import redis
from django.conf import settings

# A hash: worker's name -> {"at", "queues"}; and of whoever ticks: "beat@host" -> {"at"}.
SIGNS_KEY: Final = "ripen:signs"
# A hash: name of a counter -> its value.
METERS_KEY: Final = "ripen:meters"
BEAT: Final = "beat"
# The queues of settings.CELERY_TASK_ROUTES, by what their workers are called.
JUDGING: Final = "celery"
QUEUES: Final = (JUDGING, "runs", "hooks")
# How often a sign of life is given, in seconds, and how old the last one is of whoever is silent.
SIGN_EVERY: Final = 5.0
SILENT_AFTER: Final = timedelta(seconds=30)
# Whoever was silent for so long has gone for good: another host, another name.
FORGOTTEN_AFTER: Final = timedelta(days=1)
_PATIENCE: Final = 1.0
# Upper bounds, in seconds, of the histogram of how long facts waited for judgement.
WAIT_BOUNDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long facts waited for judgement: ``counts`` by bound of WAIT_BOUNDS, cumulative; the last is all of them."""

    counts: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Machinery:
    """What the broker told; ``reachable`` False: nothing, and everything else is unknown.

    ``queues``: messages that wait, by queue. ``signs``: the latest sign of life of a worker of each queue, and of beat;
    a name that is not there gave none for a day. ``workers``: how many workers of each queue gave one lately.
    """

    reachable: bool
    queues: Mapping[str, int] = field(default_factory=dict)
    signs: Mapping[str, datetime] = field(default_factory=dict)
    workers: Mapping[str, int] = field(default_factory=dict)
    judged: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    waits: Waits = field(default_factory=lambda: Waits((0,) * (len(WAIT_BOUNDS) + 1), 0.0))

    def is_silent(self, name: str, *, now: datetime) -> bool | None:
        """Tell whether the workers of a queue, or beat, gave no sign of life lately; None where nobody knows."""
        if not self.reachable:
            return None
        last = self.signs.get(name)
        return last is None or now - last > SILENT_AFTER


def read_machinery(*, now: datetime) -> Machinery:
    """Ask the broker, in one round trip that is given a second; never raises."""
    try:
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=_PATIENCE, socket_timeout=_PATIENCE, retry=None
        )
        try:
            pipeline = client.pipeline(transaction=False)
            pipeline.hgetall(SIGNS_KEY)
            pipeline.hgetall(METERS_KEY)
            for queue in QUEUES:
                pipeline.llen(queue)
            signs, meters, *lengths = pipeline.execute()
        finally:
            client.close()
    except (redis.RedisError, OSError):
        return Machinery(reachable=False)
    latest, workers = _latest_signs(signs, now)
    counted = {name.decode(): float(value) for name, value in meters.items()}
    return Machinery(
        reachable=True,
        queues=dict(zip(QUEUES, map(int, lengths), strict=True)),
        signs=latest,
        workers=workers,
        judged=int(counted.get("judged", 0)),
        rejected={
            name.partition(":")[2]: int(value) for name, value in counted.items() if name.startswith("rejected:")
        },
        waits=_waits(counted),
    )


def _latest_signs(signs: Mapping[bytes, bytes], now: datetime) -> tuple[dict[str, datetime], dict[str, int]]:
    latest: dict[str, datetime] = {}
    workers = dict.fromkeys(QUEUES, 0)
    for text in signs.values():
        try:
            sign = json.loads(text)
            at, names = datetime.fromtimestamp(sign["at"], UTC), [str(name) for name in sign["of"]]
        except (ValueError, KeyError, TypeError, OverflowError):
            # Of another version, or of nobody: it says nothing.
            continue
        if now - at > FORGOTTEN_AFTER:
            continue
        for name in names:
            latest[name] = max(at, latest.get(name, at))
            if name in workers and now - at <= SILENT_AFTER:
                workers[name] += 1
    return latest, workers


def _waits(counted: Mapping[str, float]) -> Waits:
    counts, total = [], 0
    for bound in (*map(str, WAIT_BOUNDS), "inf"):
        total += int(counted.get(f"wait:{bound}", 0))
        counts.append(total)
    return Waits(tuple(counts), counted.get("wait:seconds", 0.0))
