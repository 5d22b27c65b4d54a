"""Judging due contacts against the query that reads their events, in the same run.

So many contacts of so many events each get one new event and are due. What is measured is the drain as the worker does
it, writing included: locking, reading events and attributes, folding, standings and transitions, due rows deleted,
commit. The query is the one that brings the same contacts' events to the client, as rows; the same by binary COPY,
which is how the drain reads them and cheaper, is printed too. The figure is the ratio of the medians; they take turns.

    python benchmarks/bench_due.py [--contacts 1000] [--events 20] [--rounds 7]
"""

import argparse
import io
import os
import random
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from measuring import Watched, execute, tell, throw_away_services

EVENTS = "SELECT contact_id, occurred_at, kind_id FROM contacts_event WHERE contact_id = ANY(%s)"
JUDGED = " AND retracted_at IS NULL AND suspect_reason = '' ORDER BY contact_id, occurred_at"
KINDS = ("page_viewed", "email_opened", "email_clicked", "form_submitted", "asset_downloaded", "newsletter_subscribed")
# What arrives: some of it changes a stage, most does not.
ARRIVING = ("page_viewed", "email_opened", "email_clicked", "asset_downloaded", "demo_requested")


def main() -> None:
    """Prepare, run the rounds and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=20, help="events of each contact")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with throw_away_services():
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Let the query and the drain take turns; each round gives every contact one event more."""
    from contacts.models import Contact, Event
    from contacts.services.sources import create_source
    from scoring.models import Transition
    from scoring.services.evaluate import drain_due

    draw = random.Random(1)
    source = create_source(name="bench", scopes=["events:write"], by=None).source
    begin = datetime.now(UTC) - timedelta(days=200)
    moments = [begin + timedelta(days=190 * place / options.events) for place in range(options.events)]
    for place, moment in enumerate(moments[: options.events - options.rounds // 2]):
        record(source, options.contacts, place, moment, draw.choice(KINDS))
    drain(datetime.now(UTC) - timedelta(days=9))
    execute("VACUUM ANALYZE")

    ids = list(Contact.objects.values_list("pk", flat=True))
    queries, copies, drains, processor = [], [], [], []
    for number in range(options.rounds):
        # Each later than all before: the ordinary case, in which the fold goes on from where the contact stands.
        moment = datetime.now(UTC) - timedelta(days=8) + timedelta(hours=6 * number)
        record(source, options.contacts, 1_000 + number, moment, draw)
        before = Transition.objects.count()
        with Watched(every=60) as watched:
            began, worked = time.perf_counter(), time.process_time()
            judged = drain_due(now=moment, limit=options.contacts)
            drains.append(time.perf_counter() - began)
            worked = time.process_time() - worked
        processor.append(worked + watched.postgres)
        queries += [timed_query(ids) for _ in range(3)]
        copies += [timed_copy(ids) for _ in range(3)]
        moved = Transition.objects.count() - before
        print(
            f"round {number + 1}: query {queries[-1] * 1000:.1f} ms, copied {copies[-1] * 1000:.1f} ms,"
            f" drain {drains[-1] * 1000:.0f} ms (processor: {processor[-1] * 1000:.0f} ms);"
            f" {judged:,} judged, {moved:,} stages changed"
        )
    query, copied, drained = (statistics.median(values) for values in (queries, copies, drains))
    print(f"{len(ids):,} due contacts, {Event.objects.count() / len(ids):.0f} events each, {os.cpu_count()} cores")
    spent = statistics.median(processor)
    tell(
        f"judging {len(ids):,} due contacts in one drain",
        f"{drained * 1000:.0f} ms ({spent * 1000:.0f} of the processor)",
        against=f"{drained / query:.1f} x the query for their events, {drained / copied:.0f} x the same by COPY",
        aim="below 100 ms",
    )


def record(source: Any, contacts: int, number: int, moment: datetime, kinds: str | random.Random) -> None:
    """One event for every contact, through the one way in; kinds drawn where a source of chance is given."""
    from contacts.ingest.native import read_events
    from contacts.services.record import record_events

    for first in range(0, contacts, 1_000):
        events = [
            {
                "message_id": f"{number}-{place}",
                "kind": kinds if isinstance(kinds, str) else kinds.choice(ARRIVING),
                "occurred_at": (moment - timedelta(seconds=place % 600)).isoformat(),
                "contact": {"email": f"person{place}@company{place % 300}.example"},
                "traits": {
                    "job_title": ("Head of Operations", "Clerk", "Director")[place % 3],
                    "company": {"name": f"Company {place % 300}", "domain": f"company{place % 300}.example",
                                "industry": "software", "employees": 20 + place % 300},
                } if number == 0 else {},
                "properties": {"url": f"https://example.com/{place % 97}", "title": "A page"},
            }
            for place in range(first, min(first + 1_000, contacts))
        ]  # fmt: skip
        receipt = record_events(
            source=source, events=read_events({"events": events}, received_at=moment).events, received_at=moment
        )
        if receipt.rejected:
            raise SystemExit(f"not all were accepted: {receipt.rejected[:3]}")


def drain(now: datetime) -> None:
    """Judge everybody who is due."""
    from scoring.services.evaluate import drain_due

    while drain_due(now=now):
        pass


def timed_query(ids: list[int]) -> float:
    """Seconds that it takes to have the contacts' events here."""
    from django.db import connection

    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(EVENTS + JUDGED, [ids])
        cursor.fetchall()
    return time.perf_counter() - began


def timed_copy(ids: list[int]) -> float:
    """Seconds that the same takes by binary COPY, unread."""
    from django.db import connection

    began = time.perf_counter()
    with connection.cursor() as cursor:
        statement = cursor.mogrify(EVENTS + JUDGED, [ids]).decode()
        cursor.copy_expert(f"COPY ({statement}) TO STDOUT (FORMAT binary)", io.BytesIO())
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
