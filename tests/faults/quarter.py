"""A quarter of the demo's traffic, somebody who watches, and reps: for proving that no offer is lost in between."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contacts.enums import SHIPPED_KINDS
from funnel.demo.content import Content
from funnel.demo.population import PEOPLE_PER_COMPANY, draw_companies, draw_people
from funnel.demo.timeline import DAY, draw_timeline
from funnel.demo.vocabulary import INDUSTRIES
from tests.journeys.callers import Program
from tests.running_app import RunningApp

QUARTER = 91 * DAY
_KINDS = {kind.id: kind for kind in SHIPPED_KINDS}


def quarter_of_traffic(*, people: int, events: int, seed: int, now: int) -> list[dict[str, Any]]:
    """What these people did in the ninety-one days before ``now``, as native events in the order of time."""
    rng = np.random.default_rng(seed)
    companies = draw_companies(rng, first=0, count=max(1, round(people / PEOPLE_PER_COMPANY)))
    crowd = draw_people(rng, companies, first=0, count=people)
    timeline = draw_timeline(rng, crowd, Content(["Rita Rep"]), now=now, events=events, reps=1)
    order = np.argsort(timeline.events.at, kind="stable")
    made = []
    for place in order.tolist():
        kind = _KINDS[int(timeline.events.kind[place])]
        at, person = int(timeline.events.at[place]), int(timeline.events.person[place])
        # What reps do is done by our own reps, and what the scanners of mail do is another test's matter.
        if kind.system or timeline.events.suspect[place] >= 0 or at < now - QUARTER:
            continue
        traits: dict[str, Any] = {"job_title": crowd.titles[person], "first_name": crowd.first_names[person]}
        employer = int(crowd.company[person])
        if employer >= 0:
            traits["company"] = {
                "name": companies.names[employer],
                "domain": companies.domains[employer],
                "industry": INDUSTRIES[int(companies.industry[employer])][0],
                "employees": int(companies.employees[employer]),
            }
        made.append(
            {
                "message_id": f"quarter-{seed}-{place}",
                "kind": kind.name,
                "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
                "contact": {"email": crowd.emails[person]},
                "traits": traits,
                "properties": {"with": "Rita Rep"} if kind.two_way else {},
            }
        )
    return made


# What was judged again about the past is ready when it still is today: most who were ready in June are not.
_READY = """
SELECT transition.id FROM contacts_standing AS standing JOIN scoring_transition AS transition USING (contact_id)
WHERE standing.stage = 'sales_prospect' AND transition.to_stage = 'sales_prospect'
    AND transition.effective_at = standing.stage_since AND transition.superseded_at IS NULL
"""
_OFFERED = "SELECT transition_id FROM funnel_handoff WHERE transition_id IS NOT NULL"


@dataclass
class Watcher(threading.Thread):
    """Looks at the database all the time and remembers when each row could first be seen.

    ``ready``: when a contact was first seen in the stage that is handed over; ``offered``: when the offer that this led
    to was; both by the id of the transition that brought the contact there.
    """

    app: RunningApp
    ready: dict[int, float] = field(default_factory=dict)
    offered: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._asked_to_stop = threading.Event()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Look until told to stop."""
        connection = self.app.connect()
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                while not self._asked_to_stop.wait(0.02):
                    for sql, first_seen in ((_READY, self.ready), (_OFFERED, self.offered)):
                        cursor.execute(sql)
                        seen = time.monotonic()
                        for (transition_id,) in cursor.fetchall():
                            first_seen.setdefault(transition_id, seen)
        finally:
            connection.close()

    def finish(self) -> None:
        """Look once more, then stop."""
        time.sleep(0.1)
        self._asked_to_stop.set()
        self.join(10)

    def gaps(self, disturbances: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
        """Seconds from a transition to the offer that it led to, sorted.

        First of those of whom no part fell into one of the disturbances, then of all others. Whoever was ready and
        offered between two looks took no time.
        """
        quiet: list[float] = []
        disturbed: list[float] = []
        for transition_id, offered in self.offered.items():
            ready = self.ready.get(transition_id, offered)
            met = any(ready < until and offered > since for since, until in disturbances)
            (disturbed if met else quiet).append(offered - ready)
        return sorted(quiet), sorted(disturbed)


@dataclass
class Rep(threading.Thread):
    """Works the queue: claims, and closes what they claimed, now won, now returned, now released.

    ``problems`` holds every answer that no rep should see.
    """

    program: Program
    seed: int
    done: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._asked_to_stop = threading.Event()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Work until told to stop."""
        rng = np.random.default_rng(self.seed)
        for move, body in self._moves(rng):
            if self._asked_to_stop.wait(0.05):
                return
            found = self.program.get(
                "/api/v1/handoffs/?state=offered"
                if move == "claim"
                else "/api/v1/handoffs/?claimed_by=me&state=claimed&ordering=offered_at"
            )["results"]
            if not found:
                continue
            chosen = found[int(rng.integers(len(found)))]
            status, answer = self.program.call("POST", f"/api/v1/handoffs/{chosen['id']}/{move}/", body)
            if status == 200:
                self.done[move] = self.done.get(move, 0) + 1
            elif status != 409:
                self.problems.append(f"{move}: {status} {answer}")

    def finish(self) -> None:
        """Finish what is begun."""
        self._asked_to_stop.set()
        self.join(30)

    @staticmethod
    def _moves(rng: np.random.Generator) -> Iterator[tuple[str, object]]:
        while True:
            yield "claim", None
            yield [
                ("win", {"note": "Signed."}),
                ("return", {"reason": "no_response"}),
                ("release", None),
                ("accept", None),
            ][int(rng.integers(4))]


def percentile(values: list[float], share: float) -> float:
    """The value below which so much of the sorted ``values`` lies."""
    return values[min(int(len(values) * share), len(values) - 1)]
