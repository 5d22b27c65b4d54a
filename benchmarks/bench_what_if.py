"""A what-if of every contact against an index-only scan of the same events, in the same run; then ingest beside it.

First alone: the demo's facts, and a draft whose signals look at kinds alone, with twice the points of the one in
force. What is measured is the run as the worker does it, progress and the contacts behind each cell included. The scan
is the least that PostgreSQL can do to look at every judged event once. The two take turns; printed are the ratios
of the medians, on one connection each, and the what-if on two connections against the scan on one and on two.

Then the whole application is started on the same data, its worker draining, and clients send events at a steady
rate over HTTP, by turns with what-ifs running in the worker all the time and without any: printed is the ratio of
the 95th percentiles of the time that a request takes.

    python benchmarks/bench_what_if.py [--contacts 200000] [--events 4000000] [--rounds 5]
        [--rate 500] [--batch 10] [--seconds 30] [--without-ingest]
"""

import argparse
import http.client
import json
import multiprocessing
import os
import random
import statistics
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measuring import SCAN, fill, prove_plan, scan, tell, throw_away_services, timed_scan

KINDS = ("page_viewed", "email_opened", "email_clicked", "form_submitted", "asset_downloaded")
CLIENTS = 4
HALF = f"{SCAN} AND contact_id BETWEEN %s AND %s"


def main() -> None:
    """Prepare, measure alone, then with ingest beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=500, help="events a second that are sent beside the what-if")
    parser.add_argument("--batch", type=int, default=10, help="events a request")
    parser.add_argument("--seconds", type=int, default=30, help="how long each turn with and without a what-if takes")
    parser.add_argument("--without-ingest", action="store_true", help="measure the what-if alone only")
    options = parser.parse_args()
    with throw_away_services() as folder:
        fill(options.contacts, options.events, datetime.now(UTC) - timedelta(seconds=1))
        draft = store_kinds_only_draft()
        measure_alone(draft, options.rounds)
        if not options.without_ingest:
            measure_beside(draft.pk, folder, options)


def store_kinds_only_draft() -> Any:
    """A draft like the definition in force, with twice the points, that asks no event for its properties."""
    from scoring.definition import read_document
    from scoring.selectors import published_definition
    from scoring.services.drafts import store_draft

    row, _ = published_definition()
    document = without_properties(row.document)
    document["signals"] = [{**signal, "points": signal["points"] * 2} for signal in document["signals"]]
    return store_draft(document=read_document(document), by=None)


def without_properties(node: Any) -> Any:
    """The document without any test of a property."""
    if isinstance(node, list):
        return [without_properties(child) for child in node]
    if isinstance(node, dict):
        return {name: without_properties(value) for name, value in node.items() if name != "properties"}
    return node


def measure_alone(draft: Any, rounds: int) -> None:
    """Let the scan and the what-if take turns, on one connection and on two."""
    from django.utils import timezone

    from contacts.models import Standing
    from scoring.services.evaluate import drain_due

    plan = prove_plan()
    timed_what_if(draft, 1)
    seconds: dict[str, list[float]] = {"scan": [], "scan on two": [], "one": [], "two": []}
    for number in range(rounds):
        # As the worker does all the time: what fell due since the data was made is judged, and not part of it.
        while drain_due(now=timezone.now()):
            pass
        seconds["scan"].append(timed_scan())
        one, found = timed_what_if(draft, 1)
        seconds["one"].append(one)
        seconds["scan"].append(timed_scan())
        seconds["two"].append(timed_what_if(draft, 2)[0])
        seconds["scan on two"].append(timed_scan_on_two())
        print(f"round {number + 1}: " + ", ".join(f"{name} {values[-1]:.2f} s" for name, values in seconds.items()))
    scan_one, scan_two, one, two = (statistics.median(seconds[name]) for name in seconds)
    ((events, _, _),) = scan(SCAN)
    print(plan)
    print(
        f"{Standing.objects.count():,} contacts, {events:,} judged events, {os.cpu_count()} cores;"
        f" {found['moved']:,} of {found['contacts']:,} would move"
    )
    print(f"scan {scan_one:.3f} s on one connection, {scan_two:.3f} s on two")
    tell(
        f"what-if of {Standing.objects.count():,} contacts, one connection, {one:.2f} s",
        f"{one / scan_one:.1f} x",
        against=f"an index-only scan of their events, {scan_one:.2f} s",
        aim="at most 9",
    )
    print(
        f"what-if on two connections {two:.2f} s: {two / scan_one:.1f} x the scan on one, {two / scan_two:.1f} x on two"
    )


def timed_what_if(draft: Any, connections: int) -> tuple[float, dict[str, Any]]:
    """Seconds that a what-if takes as the worker does it, and its result."""
    from django.utils import timezone

    from contacts.services.work import Progress
    from scoring.definition import read_document
    from scoring.enums import RunKind
    from scoring.models import Run
    from scoring.services.cells import store_cells
    from scoring.services.what_if import what_if

    run = Run.objects.create(kind=RunKind.WHAT_IF, definition=draft, document=draft.document)
    began = time.perf_counter()
    found = what_if(
        read_document(run.document),
        now=timezone.now(),
        progress=Progress(run),
        connections=connections,
        keep=lambda cells: store_cells(run, cells),
    ).as_json()
    seconds = time.perf_counter() - began
    run.delete()
    return seconds, found


def timed_scan_on_two() -> float:
    """Seconds that the scan takes when two connections do half of the contacts each."""
    from django.db import connection
    from django.db.models import Max, Min

    from contacts.models import Contact

    bounds = Contact.objects.aggregate(first=Min("id"), last=Max("id"))
    middle = (bounds["first"] + bounds["last"]) // 2
    halves = [(bounds["first"], middle), (middle + 1, bounds["last"])]
    ready = threading.Barrier(3)

    def scan_half(half: tuple[int, int]) -> None:
        connection.ensure_connection()
        ready.wait()
        scan(HALF, half)
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(scan_half, half) for half in halves]
        ready.wait()
        began = time.perf_counter()
        for one in done:
            one.result()
        return time.perf_counter() - began


def measure_beside(draft_id: int, folder: Path, options: argparse.Namespace) -> None:
    """Let the application run, and send events by turns with and without what-ifs in its worker."""
    from contacts.models import Contact
    from contacts.services.sources import create_source
    from tests.running_app import RunningApp

    source = create_source(name="bench", scopes=["events:write"], by=None)
    emails = list(Contact.objects.exclude(email="").order_by("?").values_list("email", flat=True)[:20_000])
    app = RunningApp(folder, "--empty")
    try:
        app.wait_until_ready(patience=300)
        address = app.base_url.removeprefix("http://")
        send_steadily(address, source.key, emails, options.rate, options.batch, 5)
        alone: list[float] = []
        beside: list[float] = []
        for number in range(3):
            quiet = send_steadily(address, source.key, emails, options.rate, options.batch, options.seconds)
            stop = time.monotonic() + options.seconds
            counted: list[float] = []
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(keep_running, draft_id, stop, counted)
                busy = send_steadily(address, source.key, emails, options.rate, options.batch, options.seconds)
                running.result()
            alone.append(percentile(quiet, 95))
            beside.append(percentile(busy, 95))
            print(
                f"round {number + 1}: p95 {alone[-1] * 1000:.1f} ms (median {percentile(quiet, 50) * 1000:.1f}),"
                f" with what-ifs {beside[-1] * 1000:.1f} ms (median {percentile(busy, 50) * 1000:.1f});"
                f" {len(counted)} what-ifs of {statistics.median(counted):.1f} s"
            )
    finally:
        app.stop()
    one, other = statistics.median(alone), statistics.median(beside)
    print(
        f"ingest at {options.rate} events/s, {options.batch} a request: p95 {one * 1000:.1f} ms, with what-ifs"
        f" {other * 1000:.1f} ms: {other / one:.2f} x (aim: at most 1.5)"
    )


def keep_running(draft_id: int, until: float, seconds: list[float]) -> None:
    """Order one what-if after the other from the application's worker, until a moment of the monotonic clock."""
    from django.db import connection

    from contacts.enums import WorkState
    from scoring.enums import RunKind
    from scoring.models import Definition
    from scoring.services.runs import start_run

    draft = Definition.objects.get(pk=draft_id)
    while time.monotonic() < until:
        run = start_run(kind=RunKind.WHAT_IF, definition=draft, by=None)
        while run.finished_at is None:
            time.sleep(0.05)
            run.refresh_from_db()
        if run.state != WorkState.FINISHED or run.started_at is None:
            raise SystemExit(f"the what-if is {run.state}: {run.error}")
        seconds.append((run.finished_at - run.started_at).total_seconds())
    connection.close()


def send_steadily(address: str, key: str, emails: list[str], rate: int, batch: int, seconds: int) -> list[float]:
    """Send events at a steady rate from a process of its own; seconds that each request took."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    arguments = (address, key, emails, rate / batch, batch, seconds, sender)
    client = context.Process(target=post_steadily, args=arguments)
    client.start()
    # With its own end the only one, a client that fails ends the waiting here, too.
    sender.close()
    taken: list[float] = receiver.recv()
    client.join()
    return taken


def post_steadily(
    address: str, key: str, emails: list[str], requests: float, batch: int, seconds: int, sender: Any
) -> None:
    """POST so many requests a second, over several connections by turns.

    What a request takes is counted from when it was due, so that a jam is not hidden.
    """
    began = time.perf_counter() + 1
    dues = [began + number / requests for number in range(round(requests * seconds))]
    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = [
            pool.submit(post_when_due, address, key, emails, batch, dues[first::CLIENTS]) for first in range(CLIENTS)
        ]
        sender.send([taken for share in shares for taken in share.result()])


def post_when_due(address: str, key: str, emails: list[str], batch: int, dues: list[float]) -> list[float]:
    """One connection's requests; seconds from when each was due until its answer."""
    connection = http.client.HTTPConnection(address)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    taken = []
    for number, due in enumerate(dues):
        now = datetime.now(UTC).isoformat()
        events = [
            {
                "message_id": str(uuid.uuid4()),
                "kind": random.choice(KINDS),
                "occurred_at": now,
                "contact": {"email": random.choice(emails)},
                "properties": {"url": f"https://example.com/page/{number % 97}", "position": number % 13},
            }
            for _ in range(batch)
        ]
        body = json.dumps({"events": events})
        time.sleep(max(due - time.perf_counter(), 0))
        connection.request("POST", "/api/v1/events/", body, headers)
        answer = json.loads(connection.getresponse().read())
        taken.append(time.perf_counter() - due)
        if answer.get("accepted") != batch:
            raise SystemExit(f"not all were accepted: {str(answer)[:500]}")
    return taken


def percentile(values: list[float], share: int) -> float:
    """The value that so many percent do not exceed."""
    return sorted(values)[max(round(len(values) * share / 100) - 1, 0)]


if __name__ == "__main__":
    main()
