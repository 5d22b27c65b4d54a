"""Ingest through HTTP against COPY into the same table, in the same run.

Two writers COPY rows that are already complete; clients send batches of native events through gunicorn, Django and
`record_events`. Both with the same number of rows a transaction, durable commits, and all keys, indexes and foreign
keys in place. The figure is the ratio; seconds depend on the machine and on what else it does, so short rounds
alternate and the median counts. A client waits for its answer before it sends more, as senders do, so with two of them
the processors wait for commits and for clients: `--clients 4` shows what the server takes. `--state` measures in an
installation that holds contacts and events already, and leaves those of the rounds there.

    python benchmarks/bench_ingest.py [--events 20000] [--rounds 9] [--batch 500] [--contacts 20000] [--clients 2]
        [--state FOLDER]
"""

import argparse
import http
import http.client
import io
import json
import multiprocessing
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import TYPE_CHECKING

from measuring import ROOT, tell, throw_away_services

if TYPE_CHECKING:
    from contacts.models import Source

KINDS = ("page_viewed", "email_opened", "email_clicked", "form_submitted", "demo_requested", "asset_downloaded")
WRITERS = 2
# Later than nearly everybody's beginning, as what trackers send is: an earlier one would have to be told all over.
SECONDS_BACK = 3_600
PREPARATION_SECONDS = 120

# Seconds of each batch, of one writer.
Times = list[float]


def properties(number: int) -> dict[str, object]:
    """What a typical event says."""
    return {"url": f"https://example.com/page/{number % 97}", "title": "A page", "position": number % 13, "new": True}


def copy_rows(
    draw: random.Random, events: int, batch: int, contact_ids: list[int], source_id: int
) -> Callable[[], Times]:
    """Prepare COPY of ``events`` complete rows, ``batch`` a transaction."""
    import django

    django.setup()
    from django.db import connection

    from contacts.services.kinds import SHIPPED

    now = datetime.now(UTC)
    buffers = []
    for first in range(0, events, batch):
        lines = []
        for number in range(first, first + batch):
            contact_id = draw.choice(contact_ids)
            message = uuid.UUID(int=draw.getrandbits(128), version=4)
            occurred_at = now - timedelta(seconds=draw.randrange(SECONDS_BACK))
            kind = SHIPPED[draw.choice(KINDS)].id
            row = (contact_id, contact_id, kind, occurred_at, now, "", source_id, message, message, 7)
            lines.append("\t".join(map(str, row)) + "\t" + json.dumps(properties(number)) + "\t\n")
        buffers.append("".join(lines))
    sql = """COPY contacts_event (contact_id, origin_contact_id, kind_id, occurred_at, received_at, channel, source_id,
        message_id, dedupe_id, body_digest, properties, suspect_reason) FROM STDIN"""
    connection.ensure_connection()

    def write() -> Times:
        times = []
        with connection.cursor() as cursor:
            for buffer in buffers:
                began = time.perf_counter()
                cursor.copy_expert(sql, io.StringIO(buffer))
                times.append(time.perf_counter() - began)
        return times

    return write


def post_events(
    draw: random.Random, events: int, batch: int, port: int, key: str, addresses: list[str]
) -> Callable[[], Times]:
    """Prepare POSTs of ``events`` events, ``batch`` a request, over one connection."""
    now = datetime.now(UTC)
    bodies = []
    for first in range(0, events, batch):
        payload = [
            {
                "message_id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
                "kind": draw.choice(KINDS),
                "occurred_at": (now - timedelta(seconds=draw.randrange(SECONDS_BACK))).isoformat(),
                "contact": {"email": draw.choice(addresses)},
                "properties": properties(number),
            }
            for number in range(first, first + batch)
        ]
        bodies.append(json.dumps({"events": payload}).encode())
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def write() -> Times:
        times = []
        for body in bodies:
            began = time.perf_counter()
            connection.request("POST", "/api/v1/events/", body, headers)
            response = connection.getresponse()
            answer = response.read()
            times.append(time.perf_counter() - began)
            if response.status != http.HTTPStatus.OK or json.loads(answer).get("accepted") != batch:
                raise RuntimeError(f"not all were accepted: {response.status} {answer[:500].decode()}")
        return times

    return write


def write_when_all_are_ready(
    prepare: Callable[..., Callable[[], Times]],
    seed: float,
    arguments: tuple[object, ...],
    ready: Barrier,
    done: "Queue[Times | RuntimeError]",
) -> None:
    """One writer, in a process of its own: makes its data, waits for the others, writes, tells its times."""
    write = prepare(random.Random(seed), *arguments)
    ready.wait(PREPARATION_SECONDS)
    try:
        done.put(write())
    except RuntimeError as error:
        done.put(error)


def run_together(
    prepare: Callable[..., Callable[[], Times]], writers: int, events: int, batch: int, *arguments: object
) -> tuple[float, Times]:
    """Let so many writers write at once, each as many batches; events a second, and seconds of each batch."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Barrier(writers + 1), context.Queue()
    share = max(events // writers // batch, 1) * batch
    processes = [
        context.Process(
            target=write_when_all_are_ready,
            args=(prepare, writer + time.time(), (share, batch, *arguments), ready, done),
        )
        for writer in range(writers)
    ]
    for process in processes:
        process.start()
    ready.wait(PREPARATION_SECONDS)
    began = time.perf_counter()
    outcomes = [done.get() for _ in processes]
    took = time.perf_counter() - began
    for process in processes:
        process.join()
    times: Times = []
    for outcome in outcomes:
        if isinstance(outcome, RuntimeError):
            raise SystemExit(str(outcome))
        times += outcome
    return share * writers / took, times


@contextmanager
def serving() -> Iterator[int]:
    """Serve the application as `manage.py up` does; yield the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn_conf.py", "-b", f"127.0.0.1:{port}"]
    server = subprocess.Popen([*command, "config.wsgi:application"], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def main() -> None:
    """Run the rounds and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=WRITERS)
    parser.add_argument("--state", default="", help="measure in this state folder, and keep what is written")
    options = parser.parse_args()
    # Nobody judges here, so what is due piles up.
    os.environ["RIPEN_INGEST_MAX_DUE"] = "0"
    with throw_away_services(options.state):
        measure(options)


def known_contacts(count: int, source: "Source") -> tuple[list[int], list[str]]:
    """Ids and addresses of so many contacts, new ones where nobody is there, each of whom did something before.

    What comes of somebody for the first time under an address is more to write than anything later.
    """
    from django.db import connection

    from contacts.ingest.native import read_events
    from contacts.services.record import record_events

    with connection.cursor() as cursor:
        cursor.execute(_SOME_ADDRESSES, [count])
        addresses = [address for (address,) in cursor.fetchall()]
        addresses = addresses or [f"person{number}@company.com" for number in range(count)]
        now = datetime.now(UTC)
        before = (now - timedelta(seconds=2 * SECONDS_BACK)).isoformat()
        contact_ids: set[int] = set()
        for first in range(0, count, 1000):
            said = [
                {"message_id": address, "kind": "page_viewed", "occurred_at": before, "contact": {"email": address}}
                for address in addresses[first : first + 1000]
            ]
            receipt = record_events(
                source=source, events=read_events({"events": said}, received_at=now).events, received_at=now
            )
            contact_ids.update(receipt.contact_ids.values())
        cursor.execute("ANALYZE")
    return sorted(contact_ids), addresses


# Spread over the whole table, however large.
_SOME_ADDRESSES = """
SELECT value FROM contacts_identity WHERE kind = 'email' ORDER BY hashint8(contact_id) LIMIT %s
"""


def measure(options: argparse.Namespace) -> None:
    """Prepare contacts, then let COPY and HTTP take turns."""
    from contacts.models import Event
    from contacts.services.sources import create_source

    new = create_source(name=f"bench {time.time():.0f}", scopes=["events:write"], by=None)
    contact_ids, addresses = known_contacts(options.contacts, new.source)
    copied: list[float] = []
    posted: list[float] = []
    waited: Times = []
    with serving() as port:
        # The first requests of a process are not what is measured.
        run_together(post_events, options.clients, 8 * options.batch, options.batch, port, new.key, addresses)
        for number in range(options.rounds):
            rate, _ = run_together(copy_rows, WRITERS, options.events, options.batch, contact_ids, new.source.pk)
            copied.append(rate)
            rate, times = run_together(
                post_events, options.clients, options.events, options.batch, port, new.key, addresses
            )
            posted.append(rate)
            waited += times
            print(f"round {number + 1}: COPY {copied[-1]:,.0f}/s, HTTP {rate:,.0f}/s, {rate / copied[-1]:.2f}")
    ratios = [post / copy for post, copy in zip(posted, copied, strict=True)]
    percentiles = statistics.quantiles(waited, n=100)
    stored = Event.objects.count()
    print(f"{stored:,} events stored, batches of {options.batch}, {os.cpu_count()} cores")
    tell(
        f"ingest over HTTP by {options.clients} clients, {statistics.median(posted):,.0f} events/s",
        f"{statistics.median(ratios):.2f} (median of {len(ratios)} rounds)",
        against=f"COPY by two writers, {statistics.median(copied):,.0f} rows/s",
        aim="at least 0.45",
    )
    tell(
        f"a batch of {options.batch}, p99 (median {percentiles[49] * 1000:.0f}, at most {max(waited) * 1000:.0f} ms)",
        f"{percentiles[98] * 1000:.0f} ms",
        against="",
        aim="below 500 ms",
    )


if __name__ == "__main__":
    main()
