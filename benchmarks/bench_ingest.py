"""Ingest through HTTP against COPY into the same table, in the same run.

Two writers each: COPY of rows that are already complete, and batches of native events through gunicorn, Django and
`record_events`, both with the same number of rows a transaction, durable commits, and all keys, indexes and foreign
keys in place. The figure is the ratio; seconds depend on the machine and on what else it does, so rounds alternate.

    python benchmarks/bench_ingest.py [--events 40000] [--rounds 3] [--batch 500] [--contacts 20000]
"""

import argparse
import http.client
import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

KINDS = ("page_viewed", "email_opened", "email_clicked", "form_submitted", "demo_requested", "asset_downloaded")
WRITERS = 2


def properties(number: int) -> dict[str, object]:
    """What a typical event says."""
    return {"url": f"https://example.com/page/{number % 97}", "title": "A page", "position": number % 13, "new": True}


def copy_rows(writer: int, events: int, batch: int, contact_ids: list[int], source_id: int, start: float) -> None:
    """COPY ``events`` complete rows, ``batch`` a transaction."""
    import django

    django.setup()
    from django.db import connection

    from contacts.services.kinds import SHIPPED

    draw = random.Random(writer + start)
    now = datetime.now(UTC)
    buffers = []
    for first in range(0, events, batch):
        lines = []
        for number in range(first, first + batch):
            contact_id = draw.choice(contact_ids)
            message = uuid.UUID(int=draw.getrandbits(128), version=4)
            occurred_at = now - timedelta(seconds=draw.randrange(10_000_000))
            kind = SHIPPED[draw.choice(KINDS)].id
            row = (contact_id, contact_id, kind, occurred_at, now, "", source_id, message, message, 7)
            lines.append("\t".join(map(str, row)) + "\t" + json.dumps(properties(number)) + "\t\n")
        buffers.append("".join(lines))
    wait_until(start)
    sql = """COPY contacts_event (contact_id, origin_contact_id, kind_id, occurred_at, received_at, channel, source_id,
        message_id, dedupe_id, body_digest, properties, suspect_reason) FROM STDIN"""
    with connection.cursor() as cursor:
        for buffer in buffers:
            cursor.copy_expert(sql, io.StringIO(buffer))


def post_events(writer: int, events: int, batch: int, port: int, key: str, contacts: int, start: float) -> None:
    """POST ``events`` events, ``batch`` a request, over one connection."""
    draw = random.Random(writer + start)
    now = datetime.now(UTC)
    bodies = []
    for first in range(0, events, batch):
        payload = [
            {
                "message_id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
                "kind": draw.choice(KINDS),
                "occurred_at": (now - timedelta(seconds=draw.randrange(10_000_000))).isoformat(),
                "contact": {"email": f"person{draw.randrange(contacts)}@company.com"},
                "properties": properties(number),
            }
            for number in range(first, first + batch)
        ]
        bodies.append(json.dumps({"events": payload}).encode())
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    wait_until(start)
    for body in bodies:
        connection.request("POST", "/api/v1/events/", body, headers)
        answer = json.loads(connection.getresponse().read())
        if answer.get("accepted") != batch:
            raise SystemExit(f"not all were accepted: {str(answer)[:500]}")


def wait_until(start: float) -> None:
    """Let all writers begin together, once each has made its data."""
    if time.time() > start:
        raise SystemExit("a writer was not ready in time; allow more time to prepare")
    time.sleep(start - time.time())


def run_together(target: Callable[..., None], events: int, *arguments: object, prepare: float) -> float:
    """Run two writers at once; return events a second."""
    start = time.time() + prepare
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=target, args=(writer, events // WRITERS, *arguments, start)) for writer in range(WRITERS)
    ]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a writer failed with {process.exitcode}")
    return events // WRITERS * WRITERS / (time.time() - start)


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
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--contacts", type=int, default=20_000)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="ripen-bench-")
    os.environ |= {"RIPEN_STATE_DIR": folder, "DJANGO_SETTINGS_MODULE": "config.settings", "RIPEN_LOG_LEVEL": "ERROR"}

    from config.env import Environment
    from config.local.session import lease_for

    lease = lease_for(Environment())
    try:
        measure(options)
    finally:
        if lease is not None:
            lease.release(wait=True)
        shutil.rmtree(folder, ignore_errors=True)


def measure(options: argparse.Namespace) -> None:
    """Prepare contacts, then let COPY and HTTP take turns."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from contacts.ingest.native import read_events
    from contacts.models import Contact, Event
    from contacts.services.record import record_events
    from contacts.services.sources import create_source

    call_command("migrate", verbosity=0)
    new = create_source(name="bench", scopes=["events:write"], by=None)
    now = datetime.now(UTC)
    for first in range(0, options.contacts, 1000):
        people = [
            {
                "message_id": f"p{n}",
                "kind": "page_viewed",
                "occurred_at": (now - timedelta(days=300)).isoformat(),
                "contact": {"email": f"person{n}@company.com"},
            }
            for n in range(first, min(first + 1000, options.contacts))
        ]
        record_events(
            source=new.source, events=read_events({"events": people}, received_at=now).events, received_at=now
        )
    contact_ids = list(Contact.objects.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    prepare = 8 + options.events / 5_000
    copied: list[float] = []
    posted: list[float] = []
    for number in range(options.rounds):
        rows = (options.batch, contact_ids, new.source.pk)
        copied.append(run_together(copy_rows, options.events, *rows, prepare=prepare))
        with serving() as port:
            requests = (options.batch, port, new.key, options.contacts)
            posted.append(run_together(post_events, options.events, *requests, prepare=prepare))
        print(f"round {number + 1}: COPY {copied[-1]:,.0f}/s, HTTP {posted[-1]:,.0f}/s, {posted[-1] / copied[-1]:.2f}")
    copy_rate, post_rate = sorted(copied)[len(copied) // 2], sorted(posted)[len(posted) // 2]
    stored = Event.objects.count()
    print(f"{stored:,} events stored, batches of {options.batch}, {WRITERS} writers, {os.cpu_count()} cores")
    print(f"COPY {copy_rate:,.0f}/s, HTTP {post_rate:,.0f}/s: ratio {post_rate / copy_rate:.2f}")


if __name__ == "__main__":
    main()
