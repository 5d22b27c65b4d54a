"""A sender that keeps a ledger: which messages the application has acknowledged, whatever breaks meanwhile."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any, Self

BATCH = 50
KINDS = ("newsletter_subscribed", "page_viewed", "asset_downloaded", "demo_requested")
TRAITS = {"job_title": "Head of Operations"}


@dataclass
class Sender(threading.Thread):
    """Sends batches one after the other until told to stop; each is sent again until it is acknowledged with a 200.

    ``acknowledged`` maps each message id to the address of its contact; ``failures`` counts the answers that were none;
    ``waits`` is how long each batch took that was acknowledged at once, in seconds; ``pause`` is that between batches.
    """

    base_url: str
    key: str
    contacts: int = 3_000
    pause: float = 0.02
    acknowledged: dict[str, str] = field(default_factory=dict)
    failures: int = 0
    problems: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._name = uuid.uuid4().hex[:8]
        self._asked_to_stop = threading.Event()

    __hash__ = threading.Thread.__hash__

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Send what is begun, then stop."""
        self._asked_to_stop.set()
        self.join(60)

    def run(self) -> None:
        """Send until told to stop."""
        number = 0
        while not self._asked_to_stop.is_set():
            number += 1
            self._deliver([self._event(number * BATCH + place) for place in range(BATCH)])
            time.sleep(self.pause)

    def _event(self, number: int) -> dict[str, Any]:
        return {
            "message_id": str(uuid.uuid4()),
            "kind": KINDS[number % 97 % len(KINDS)],
            "contact": {"email": f"{number % self.contacts}@{self._name}.test"},
            "traits": TRAITS,
        }

    def _deliver(self, events: list[dict[str, Any]]) -> None:
        request = urllib.request.Request(
            f"{self.base_url}/api/v1/events/",
            data=json.dumps({"events": events}).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        for _ in range(600):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    receipt = json.load(answer)
                self.waits.append(time.monotonic() - began)
                break
            except (urllib.error.URLError, OSError):
                self.failures += 1
                time.sleep(0.1)
        else:
            self.problems.append("a batch was never acknowledged")
            return
        if receipt["rejected"] or receipt["accepted"] + receipt["duplicates"] != len(events):
            self.problems.append(json.dumps(receipt)[:500])
        self.acknowledged |= {event["message_id"]: event["contact"]["email"] for event in events}
