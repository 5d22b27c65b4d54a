"""How long after its commit an event has become its contact's new stage, while events keep coming at a steady rate.

The whole application runs as `manage.py up` runs it, on the demo's facts. Every request holds, besides events of known
contacts, one that makes somebody unknown a lead at once; whoever looks at the newest standings every few milliseconds
sees when. Counted from the answer to the request, which comes after the commit, and from the moment at which the
request was due, so that a jam of requests is not hidden.

    python benchmarks/bench_latency.py [--rates 1000 5000] [--seconds 180] [--batch EVENTS] [--contacts 50000]
        [--events 1000000] [--clients 4] [--workers 2]
"""

import argparse
import http.client
import json
import multiprocessing
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measuring import fill, tell, throw_away_services

# People open and click most of the time; the others are rarer, as the demo has it.
KINDS = ("page_viewed",) * 6 + ("email_opened",) * 3 + ("email_clicked",) * 2 + ("asset_downloaded", "form_submitted")
MARKER = "demo_requested"
LOOK_EVERY = 0.02
# New contacts of which an earlier one may come into sight after a later one.
OVERTAKEN = 500
NEW_STANDINGS = """
SELECT id, email FROM contacts_contact JOIN contacts_standing ON contact_id = id
WHERE id > %s AND email LIKE 'marker-%%'
"""
SETTLING_SECONDS = 60
QUIET_RATE = 1_000
# Of each marker: when its request was due, and when it was answered.
Sent = dict[str, tuple[float, float]]


@dataclass
class Watch:
    """What a thread sees of the standings of new contacts: when each marked contact got its first stage."""

    seen: dict[str, float] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look until told to stop."""
        from django.db import connection

        seen_up_to = before = newest_contact()
        while not self.stop.is_set():
            with connection.cursor() as cursor:
                # Ids are given before the commit, so one may come into sight after a later one.
                cursor.execute(NEW_STANDINGS, [max(before, seen_up_to - OVERTAKEN)])
                rows = cursor.fetchall()
            now = time.perf_counter()
            for number, email in rows:
                seen_up_to = max(seen_up_to, number)
                self.seen.setdefault(email, now)
            time.sleep(LOOK_EVERY)
        connection.close()


def main() -> None:
    """Fill the database, start the application, and send at each rate in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[1_000, 5_000], help="events a second")
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--batch", type=int, default=0, help="events a request; default: ten requests a second")
    parser.add_argument("--contacts", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with throw_away_services() as folder:
        fill(options.contacts, options.events, datetime.now(UTC))
        measure(folder, options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Run the application on the folder's data and print a line for each rate."""
    from contacts.models import Contact
    from contacts.services.sources import create_source
    from tests.faults.proof import _WAITING, fetch
    from tests.running_app import RunningApp

    source = create_source(name="bench", scopes=["events:write"], by=None)
    emails = list(Contact.objects.exclude(email="").order_by("?").values_list("email", flat=True)[:50_000])
    app = RunningApp(folder, "--empty", "--workers", str(options.workers))
    try:
        app.wait_until_ready(patience=300)
        # What the filling left to Sales and to the funnel's figures is not what is measured.
        while fetch(app, _WAITING) != [(0,)]:
            time.sleep(1)
        address = app.base_url.removeprefix("http://")
        post_once_each(address, source.key, emails)
        send(address, source.key, emails, options.rates[0], 5, options)
        wait_until_judged()
        for rate in options.rates:
            report(rate, *send(address, source.key, emails, rate, options.seconds, options), options)
    finally:
        app.stop()


def send(
    address: str, key: str, emails: list[str], rate: int, seconds: int, options: argparse.Namespace
) -> tuple[Sent, dict[str, float], int, float]:
    """Send for so long; the markers sent, when each was seen, how many rows were due at the end, seconds until none."""
    batch = batch_of(rate, options)
    watch = Watch()
    watcher = threading.Thread(target=watch.run)
    watcher.start()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    client = context.Process(
        target=post_steadily,
        args=(address, key, emails, rate / batch, batch, seconds, options.clients, sender),
    )
    client.start()
    # With its own end the only one, a client that fails ends the waiting here, too.
    sender.close()
    sent: Sent = receiver.recv()
    client.join()
    due, drained = wait_until_judged()
    time.sleep(0.5)
    watch.stop.set()
    watcher.join()
    return sent, watch.seen, due, drained


def batch_of(rate: int, options: argparse.Namespace) -> int:
    """How many events a request holds: who sends more sends larger batches, as trackers' libraries do."""
    return int(options.batch or max(rate // 10, 1))


def wait_until_judged() -> tuple[int, float]:
    """How many rows are due now, and the seconds until none is."""
    from contacts.models import Due

    began = time.perf_counter()
    due = Due.objects.count()
    while Due.objects.exists():
        if time.perf_counter() - began > SETTLING_SECONDS:
            raise SystemExit(f"{Due.objects.count()} rows are still due after {SETTLING_SECONDS} s")
        time.sleep(0.05)
    return due, time.perf_counter() - began


def newest_contact() -> int:
    """The highest id of a contact."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM contacts_contact")
        (number,) = cursor.fetchone()
    return int(number)


def post_once_each(address: str, key: str, emails: list[str]) -> None:
    """An event of everybody: that a source names a contact for the first time is a fact of its own, written once."""
    connection = http.client.HTTPConnection(address)
    now = datetime.now(UTC).isoformat()
    for first in range(0, len(emails), 500):
        events = [event(KINDS[0], email, first, now) for email in emails[first : first + 500]]
        post(connection, key, events)


def post(connection: http.client.HTTPConnection, key: str, events: list[dict[str, Any]]) -> None:
    """One request; ends the run where it is not accepted as a whole."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/events/", json.dumps({"events": events}), headers)
    answer = json.loads(connection.getresponse().read())
    if answer.get("accepted") != len(events):
        raise SystemExit(f"not all were accepted: {str(answer)[:500]}")


def post_steadily(
    address: str, key: str, emails: list[str], requests: float, batch: int, seconds: int, clients: int, sender: Any
) -> None:
    """POST so many requests a second, over several connections by turns."""
    began = time.perf_counter() + 1
    dues = [began + number / requests for number in range(round(requests * seconds))]
    with ThreadPoolExecutor(clients) as pool:
        shares = [
            pool.submit(post_when_due, address, key, emails, batch, dues[first::clients]) for first in range(clients)
        ]
        sender.send({marker: times for share in shares for marker, times in share.result().items()})


def post_when_due(address: str, key: str, emails: list[str], batch: int, dues: list[float]) -> Sent:
    """One connection's requests."""
    connection = http.client.HTTPConnection(address)
    sent: Sent = {}
    for number, due in enumerate(dues):
        marker = f"marker-{uuid.uuid4().hex}@company.com"
        now = datetime.now(UTC).isoformat()
        events = [event(random.choice(KINDS), random.choice(emails), number, now) for _ in range(batch - 1)]
        time.sleep(max(due - time.perf_counter(), 0))
        post(connection, key, [*events, event(MARKER, marker, number, now)])
        sent[marker] = (due, time.perf_counter())
    return sent


def event(kind: str, email: str, number: int, at: str) -> dict[str, Any]:
    """A message as a tracker sends it."""
    return {
        "message_id": str(uuid.uuid4()),
        "kind": kind,
        "occurred_at": at,
        "contact": {"email": email},
        "properties": {"url": f"https://example.com/page/{number % 97}", "position": number % 13},
    }


def report(
    rate: int, sent: Sent, seen: dict[str, float], due: int, drained: float, options: argparse.Namespace
) -> None:
    """Print what came of one rate."""
    missing = sent.keys() - seen.keys()
    after_answer = sorted(max(seen[marker] - answered, 0.0) for marker, (_, answered) in sent.items() if marker in seen)
    after_due = sorted(seen[marker] - was_due for marker, (was_due, _) in sent.items() if marker in seen)
    answers = sorted(answered - was_due for was_due, answered in sent.values())
    print(
        f"{rate:,} events/s for {options.seconds} s, {batch_of(rate, options)} a request: {len(sent):,} new stages\n"
        f"  from the answer to the new stage: median {at(after_answer, 50)}, p99 {at(after_answer, 99)},"
        f" at most {at(after_answer, 100)}\n"
        f"  from when the request was due:    median {at(after_due, 50)}, p95 {at(after_due, 95)},"
        f" p99 {at(after_due, 99)}\n"
        f"  the answer itself:                median {at(answers, 50)}, p95 {at(answers, 95)}\n"
        f"  due when the sending ended: {due:,} rows, none {drained:.1f} s later",
        flush=True,
    )
    tell(
        f"{rate:,} events/s for {options.seconds} s: from the commit to the new stage, p95 ({len(missing)} never seen)",
        at(after_answer, 95),
        against="",
        aim="below 200 ms" if rate <= QUIET_RATE else "below 500 ms",
    )


def at(values: list[float], share: int) -> str:
    """The value that so many percent do not exceed, in milliseconds."""
    return f"{values[max(round(len(values) * share / 100) - 1, 0)] * 1000:.0f} ms" if values else "none"


if __name__ == "__main__":
    main()
