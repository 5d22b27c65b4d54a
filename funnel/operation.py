"""When something is wrong with Ripen itself: the limits, and what they say of what was observed. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from funnel.selectors.operation import Observed

# Seconds. A minute is ten times what a drain takes at worst while it keeps up.
DUE_ALARM: Final = 60.0
OUTBOX_ALARM: Final = 60.0
REVIEWS_WARNING: Final = 120.0
HOOKS_WARNING: Final = 300.0
MAIL_WARNING: Final = 900.0
WORK_WARNING: Final = 900.0
TRANSACTION_WARNING: Final = 600.0
REPLICA_WARNING: Final = 60.0
CHECK_STALE: Final = 3_600.0
# Shares.
CONNECTIONS_WARNING: Final = 0.8
DISK_ALARM: Final = 0.05
DISK_WARNING: Final = 0.15


class Level(IntEnum):
    """How bad something is; ``UNKNOWN`` where it could not be asked, for which another part is to blame."""

    OK = 0
    UNKNOWN = 1
    WARNING = 2
    ALARM = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part: ``key`` names it, ``said`` is the code of its sentence, ``figures`` go into it."""

    key: str
    level: Level
    said: str
    figures: Mapping[str, Any]


# In the order in which they are shown: what carries the rest comes first.
PARTS: Final = (
    "database", "broker", "disk", "worker", "beat", "runs", "hooks", "due", "quarantined", "reviews", "refusing",
    "outbox", "telling", "deliveries", "mail", "work", "replica", "proof",
)  # fmt: skip


def judge_operation(seen: "Observed") -> list[Finding]:
    """Say of each part how it is, in the order of PARTS."""
    found = [finding for rule in _RULES for finding in rule(seen)]
    return sorted(found, key=lambda finding: PARTS.index(finding.key))


def alarms_of(findings: list[Finding]) -> list[Finding]:
    """Those that administrators are told of when they last."""
    return [finding for finding in findings if finding.level is Level.ALARM]


def _finding(key: str, level: Level, said: str = "", /, **figures: Any) -> Finding:
    return Finding(key, level, said or ("ok" if level is Level.OK else "bad"), figures)


def _unknown(*keys: str) -> Iterator[Finding]:
    return (_finding(key, Level.UNKNOWN, "unknown") for key in keys)


def _level(*, alarm: bool = False, warning: bool = False) -> Level:
    return Level.ALARM if alarm else Level.WARNING if warning else Level.OK


def _database(seen: "Observed") -> Iterator[Finding]:
    found = seen.database
    if found is None:
        yield _finding("database", Level.ALARM, "down")
        return
    figures = {"connections": found.connections, "most": found.most_connections, "size": found.size}
    if found.connections > found.most_connections * CONNECTIONS_WARNING:
        yield _finding("database", Level.WARNING, "connections", **figures)
    elif found.oldest_transaction > TRANSACTION_WARNING:
        yield _finding("database", Level.WARNING, "transaction", seconds=found.oldest_transaction)
    else:
        yield _finding("database", Level.OK, **figures)
    if found.standbys:
        slowest = max(found.standbys, key=lambda standby: standby.seconds)
        late = _level(warning=slowest.seconds > REPLICA_WARNING)
        yield _finding("replica", late, name=slowest.name, seconds=slowest.seconds)


def _machinery(seen: "Observed") -> Iterator[Finding]:
    found = seen.machinery
    if not found.reachable:
        yield _finding("broker", Level.ALARM)
        yield from _unknown("worker", "beat", "runs", "hooks")
        return
    yield _finding("broker", Level.OK, messages=sum(found.queues.values()))
    for key, name in (("worker", "celery"), ("beat", "beat"), ("runs", "runs"), ("hooks", "hooks")):
        silent = bool(found.is_silent(name, now=seen.now))
        yield _finding(key, _level(alarm=silent), at=found.signs.get(name), workers=found.workers.get(name, 1))


def _disk(seen: "Observed") -> Iterator[Finding]:
    if seen.disk is None:
        yield from _unknown("disk")
        return
    share = seen.disk.free_share
    level = _level(alarm=share < DISK_ALARM, warning=share < DISK_WARNING)
    yield _finding("disk", level, share=share, free=seen.disk.free)


def _facts(seen: "Observed") -> Iterator[Finding]:
    found = seen.facts
    if found is None:
        yield from _unknown("due", "quarantined", "reviews", "refusing")
        return
    age = found.due.age(seen.now)
    figures = {"number": found.due.number, "more": found.due.more, "seconds": age}
    said = "" if found.due.number else "none"
    yield _finding("due", _level(alarm=age > DUE_ALARM), said, **figures)
    yield _finding("quarantined", _level(warning=found.quarantined > 0), number=found.quarantined)
    late = found.reviews.age(seen.now)
    yield _finding("reviews", _level(warning=late > REVIEWS_WARNING), number=found.reviews.number, seconds=late)
    yield _finding("refusing", _level(alarm=seen.refusing))


def _passing_on(seen: "Observed") -> Iterator[Finding]:
    if seen.judgement is None:
        yield from _unknown("outbox")
    else:
        outbox = seen.judgement.outbox
        age = outbox.age(seen.now)
        yield _finding("outbox", _level(alarm=age > OUTBOX_ALARM), number=outbox.number, seconds=age)
    found = seen.consequences
    if found is None:
        yield from _unknown("telling", "deliveries")
        return
    waiting = max((found.to_people, found.to_machines), key=lambda rows: rows.age(seen.now))
    age = waiting.age(seen.now)
    yield _finding("telling", _level(alarm=age > OUTBOX_ALARM), number=waiting.number, seconds=age)
    hooks = found.hooks
    figures = {
        "failing": hooks.failing,
        "dead": hooks.dead_lately,
        "number": hooks.waiting.number,
        "seconds": hooks.waiting.age(seen.now),
    }
    if hooks.failing or hooks.dead_lately:
        yield _finding("deliveries", Level.WARNING, **figures)
    elif figures["seconds"] > HOOKS_WARNING:
        yield _finding("deliveries", Level.WARNING, "late", **figures)
    else:
        yield _finding("deliveries", Level.OK, **figures)


def _mail(seen: "Observed") -> Iterator[Finding]:
    if seen.facts is None or seen.consequences is None:
        yield from _unknown("mail")
        return
    both = (seen.facts.mail, seen.consequences.mail)
    late = max(one.waiting.age(seen.now) for one in both)
    failed, number = sum(one.failed for one in both), sum(one.waiting.number for one in both)
    if late > MAIL_WARNING:
        yield _finding("mail", Level.WARNING, "late", number=number, seconds=late, failed=failed)
    else:
        yield _finding("mail", _level(warning=failed > 0), number=number, seconds=late, failed=failed)


def _work(seen: "Observed") -> Iterator[Finding]:
    if seen.facts is None or seen.judgement is None:
        yield from _unknown("work")
        return
    both = (seen.facts.jobs, seen.judgement.runs)
    late = max(one.queued.age(seen.now) for one in both)
    failed, running = sum(one.failed for one in both), sum(one.running for one in both)
    number = sum(one.queued.number for one in both)
    if late > WORK_WARNING:
        yield _finding("work", Level.WARNING, "late", number=number, seconds=late, failed=failed, running=running)
    else:
        yield _finding("work", _level(warning=failed > 0), number=number, seconds=late, failed=failed, running=running)


def _proof(seen: "Observed") -> Iterator[Finding]:
    if "proof" in seen.failed:
        yield from _unknown("proof")
    elif seen.proof is None:
        yield _finding("proof", Level.UNKNOWN, "none")
    else:
        age = (seen.now - seen.proof.checked_at).total_seconds()
        wrong, stale = seen.proof.violations > 0, age > CHECK_STALE
        figures = {"at": seen.proof.checked_at, "number": seen.proof.violations, "sample": seen.proof.sample}
        yield _finding(
            "proof", _level(alarm=wrong, warning=stale), "bad" if wrong else "stale" if stale else "", **figures
        )


_RULES: Final[tuple[Callable[["Observed"], Iterator[Finding]], ...]] = (
    _database, _machinery, _disk, _facts, _passing_on, _mail, _work, _proof,
)  # fmt: skip
