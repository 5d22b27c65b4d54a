"""More than can be taken: senders that do not stop, and what the application and everybody else make of it."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.ingest import Sender
from tests.faults.proof import children_of, everything_is_done, fetch, prove_nothing_lost, wait_until
from tests.faults.quarter import percentile
from tests.running_app import RunningApp

# What a process may grow by under pressure, once it has done the same before; in bytes.
GROWTH = 96 * 1024 * 1024
BATCH = 100


@dataclass
class Flood(threading.Thread):
    """Sends one batch after the other as fast as it can, whatever it is answered.

    ``answers`` counts statuses, ``acknowledged`` holds the message ids of what was taken; ``untold`` counts refusals
    that did not say when to come again.
    """

    base_url: str
    key: str
    batch: int = BATCH
    answers: Counter[int] = field(default_factory=Counter)
    acknowledged: dict[str, str] = field(default_factory=dict)
    untold: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._asked_to_stop = threading.Event()
        self._name = uuid.uuid4().hex[:8]

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Send until told to stop."""
        number = 0
        while not self._asked_to_stop.is_set():
            number += 1
            self._send(number)

    def finish(self) -> None:
        """Stop."""
        self._asked_to_stop.set()
        self.join(60)

    def _send(self, number: int) -> None:
        events = [
            {
                "message_id": str(uuid.uuid4()),
                "kind": "page_viewed",
                "contact": {"email": f"{(number * self.batch + n) % 2_000}@{self._name}.test"},
            }
            for n in range(self.batch)
        ]
        request = urllib.request.Request(
            f"{self.base_url}/api/v1/events/",
            data=json.dumps({"events": events}).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
                self.answers[answer.status] += 1
                self.acknowledged |= {str(one["message_id"]): one["contact"]["email"] for one in events}  # type: ignore[index]  # JSON
        except urllib.error.HTTPError as error:
            with error:
                self.answers[error.code] += 1
                self.untold += not (error.headers.get("Retry-After") or "").isdecimal()
        except OSError:
            self.answers[0] += 1


@dataclass(frozen=True)
class Outcome:
    """What a flood came to."""

    offered: int
    taken: int
    refused: int
    calm_waited: float
    grown: dict[str, int]
    drained_after: float

    def __str__(self) -> str:
        grown = ", ".join(f"{role} {bytes_ / 1024 / 1024:+.0f} MB" for role, bytes_ in self.grown.items())
        return (
            f"{self.offered:,} events offered, {self.taken:,} taken, {self.refused:,} batches refused; others waited "
            f"{self.calm_waited:.2f} s (p95); memory {grown}; drained {self.drained_after:.1f} s after"
        )


def press(
    app: RunningApp,
    *,
    loud: str,
    calm: str,
    seconds: float,
    floods: int = 8,
    drained_within: float = 60.0,
    patience: float = 5.0,
    calm_pause: float = 0.02,
) -> Outcome:
    """Let one key flood the application for so long while another sends a little, and prove that only the one notices.

    Args:
        app: the application.
        loud: the key that floods.
        calm: a key of somebody else.
        seconds: for how long.
        floods: from how many threads.
        drained_within: seconds until nothing may be waiting any more.
        calm_pause: seconds between the batches of 50 of the calm one, which is to stay within its own share.
        patience: what the calm one may wait for a batch, in seconds at the 95th percentile.
    """
    # What is loaded and pooled for the first time is no growth.
    _flood(app, [Flood(app.base_url, loud) for _ in range(floods)], seconds=min(5.0, seconds / 2), calm=None)
    before = memory_of(app)
    flood = [Flood(app.base_url, loud) for _ in range(floods)]
    sender = Sender(app.base_url, calm, contacts=200, pause=calm_pause)
    _flood(app, flood, seconds=seconds, calm=sender)
    answers = sum((one.answers for one in flood), Counter[int]())
    drained = wait_until(lambda: everything_is_done(app), patience=drained_within, what="the queue drains")
    grown = {role: size - before[role] for role, size in memory_of(app).items()}
    outcome = Outcome(
        offered=sum(answers.values()) * BATCH,
        taken=sum(len(one.acknowledged) for one in flood),
        refused=answers[429] + answers[503],
        calm_waited=percentile(sorted(sender.waits), 0.95),
        grown=grown,
        drained_after=drained,
    )
    assert set(answers) <= {200, 429, 503}, answers
    assert sum(one.untold for one in flood) == 0, "every refusal says when to come again"
    # The calm one is never refused, and its ledger holds like that of whoever floods.
    assert sender.failures == 0, outcome
    assert outcome.calm_waited < patience, outcome
    assert all(size < GROWTH for size in grown.values()), outcome
    prove_nothing_lost(app, sender)
    for one in flood:
        found = fetch(app, "SELECT count(*) FROM contacts_event WHERE message_id = ANY(%s)", list(one.acknowledged))
        assert found == [(len(one.acknowledged),)]
    return outcome


def _flood(app: RunningApp, flood: list[Flood], *, seconds: float, calm: Sender | None) -> None:
    threads: list[Flood | Sender] = [*flood, *([calm] if calm else [])]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    for thread in threads:
        thread.finish()


def memory_of(app: RunningApp) -> dict[str, int]:
    """Resident bytes of the largest process of each role, the pool and web processes that do the work."""
    return {role: max(_resident(pid) for pid in children_of(app.pid(role))) for role in ("web", "worker")}


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def timed(what: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.monotonic()
    what()
    return time.monotonic() - began
