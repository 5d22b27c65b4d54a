"""Between Marketing and Sales nothing is dropped: a quarter of traffic, with workers that die in between."""

import json
import logging
import time
from collections.abc import Iterator

import pytest

from contacts.enums import Role
from tests.faults.proof import JUDGED_WITHIN, everybody_is_judged, fetch, prove, wait_until
from tests.faults.quarter import Rep, Watcher, percentile, quarter_of_traffic
from tests.journeys.callers import Program
from tests.running_app import RunningApp, start_app

PEOPLE, EVENTS, BATCH = 2_500, 15_000, 40
# However fast batches are taken, there is time between the restarts in which nothing dies.
SECONDS_BETWEEN_BATCHES = 0.3
# While nothing dies, at the 99th percentile; and whatever dies.
RUNNING, RESTARTED = 2.0, 10.0
# For so long after it a worker that was started is still warming up.
WARM_UP = 6.0

_READY_BUT_NOT_OFFERED = """
SELECT contact_id FROM contacts_standing AS standing
WHERE stage = 'sales_prospect' AND NOT EXISTS (
    SELECT FROM funnel_handoff WHERE contact_id = standing.contact_id AND state IN ('offered', 'claimed', 'accepted'))
"""
# A contact that became ready and is so still, or was when it was looked at, has an offer of then.
_NEVER_OFFERED = """
SELECT contact_id FROM contacts_standing AS standing
WHERE stage = 'sales_prospect' AND NOT EXISTS (
    SELECT FROM funnel_handoff AS handoff
    WHERE handoff.contact_id = standing.contact_id AND handoff.offered_at >= standing.stage_since)
"""


@pytest.fixture(scope="module")
def app() -> Iterator[RunningApp]:
    """An application of this module's own, whose workers die."""
    with start_app() as app:
        yield app


def test_over_a_quarter_of_traffic_every_ready_contact_is_offered_at_once_whatever_dies(app: RunningApp) -> None:
    program = Program(app.base_url, app.run("create_source", "quarter").splitlines()[-1])
    reps = [
        Rep(
            Program(app.base_url, app.run("create_user", f"rep{n}@x.test", "--role", Role.REP, "--token").split()[-1]),
            seed=n,
        )
        for n in range(2)
    ]
    traffic = quarter_of_traffic(people=PEOPLE, events=EVENTS, seed=5, now=int(time.time()))
    watcher = Watcher(app)
    for thread in (watcher, *reps):
        thread.start()
    batches = [traffic[start : start + BATCH] for start in range(0, len(traffic), BATCH)]
    restart_at = {len(batches) * share // 100: role for share, role in ((40, "worker"), (60, "beat"), (80, "worker"))}
    begun = time.monotonic()
    # It has only just been started.
    restarts = [(begun, begun + WARM_UP)]

    for number, batch in enumerate(batches):
        time.sleep(max(0.0, begun + number * SECONDS_BETWEEN_BATCHES - time.monotonic()))
        status, receipt = program.call("POST", "/api/v1/events/", {"events": batch})
        assert (status, receipt["rejected"]) == (200, []), json.dumps(receipt)[:500]
        if role := restart_at.get(number):
            died = time.monotonic()
            old_pid = app.kill(role)
            app.wait_until_back(role, old_pid)
            restarts.append((died, time.monotonic() + WARM_UP))
    for rep in reps:
        rep.finish()
    wait_until(lambda: everybody_is_judged(app), patience=60, what="everybody is judged")
    wait_until(lambda: fetch(app, _READY_BUT_NOT_OFFERED) == [], patience=JUDGED_WITHIN, what="everybody is offered")
    watcher.finish()

    assert [rep.problems for rep in reps] == [[], []]
    assert all(sum(rep.done.values()) > 0 for rep in reps)
    assert fetch(app, _NEVER_OFFERED) == []
    assert len(watcher.offered) > 50, "the quarter has ready contacts"
    quiet, disturbed = watcher.gaps(restarts)
    told = (
        f"{len(quiet)} offers while nothing died: p50 {percentile(quiet, 0.5):.2f} s, "
        f"p99 {percentile(quiet, 0.99):.2f} s, most {quiet[-1]:.2f} s; "
        f"{len(disturbed)} around restarts: most {max(disturbed, default=0):.2f} s; {len(batches)} batches"
    )
    # pytest -o log_cli=true shows the figures.
    logging.getLogger(__name__).warning(told)
    assert len(quiet) > 50, told
    assert percentile(quiet, 0.99) < RUNNING, told
    assert max(disturbed, default=0) < RESTARTED, told
    prove(app)
