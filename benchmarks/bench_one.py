"""How long one contact's judgement takes on demand: written by a drain that finds it alone, and told without writing.

First so many contacts of so many events are judged. Then, one after the other, some of them get a new event through
the one way in, and a drain judges each alone: from asking who is due to the commit. The figures are the median and the
95th percentile of the drain; of the explanation that a page shows, which judges the contact at that moment from all its
events and writes nothing; and of the query that brings its events here, for comparison.

    python benchmarks/bench_one.py [--contacts 2000] [--events 20] [--rounds 200]
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bench_due import ARRIVING, EVENTS, JUDGED, KINDS, drain, record
from measuring import execute, tell, throw_away_services


def main() -> None:
    """Prepare, judge one contact after the other and print the percentiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=20, help="events of each contact")
    parser.add_argument("--rounds", type=int, default=200, help="how many contacts are judged one by one")
    options = parser.parse_args()
    with throw_away_services():
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Let the drain, the explanation and the query take turns."""
    from contacts.ingest.native import read_events
    from contacts.models import Contact
    from contacts.services.record import record_events
    from contacts.services.sources import create_source
    from scoring.services.evaluate import drain_due
    from scoring.services.explain import explain_contact

    draw = random.Random(1)
    source = create_source(name="bench", scopes=["events:write"], by=None).source
    begin = datetime.now(UTC) - timedelta(days=200)
    for place in range(options.events):
        moment = begin + timedelta(days=190 * place / options.events)
        record(source, options.contacts, place, moment, draw.choice(KINDS))
    drain(datetime.now(UTC) - timedelta(days=9))
    execute("VACUUM ANALYZE")

    ids = dict(Contact.objects.values_list("email", "pk"))
    drains: list[float] = []
    worked: list[float] = []
    explained: list[float] = []
    queries: list[float] = []
    for number in range(options.rounds):
        place = draw.randrange(options.contacts)
        email, moment = f"person{place}@company{place % 300}.example", datetime.now(UTC) - timedelta(days=8)
        moment += timedelta(minutes=number)
        event = {
            "message_id": f"one-{number}",
            "kind": draw.choice(ARRIVING),
            "occurred_at": moment.isoformat(),
            "contact": {"email": email},
        }
        receipt = record_events(
            source=source, events=read_events({"events": [event]}, received_at=moment).events, received_at=moment
        )
        if receipt.rejected:
            raise SystemExit(f"not accepted: {receipt.rejected}")
        judged: list[int] = []
        began = time.process_time()
        drains.append(timed(lambda at=moment, to=judged: to.append(drain_due(now=at))))  # type: ignore[misc]
        worked.append(time.process_time() - began)
        if judged != [1]:
            raise SystemExit(f"{judged[0]} contacts were judged, not one")
        contact_id = ids[email]
        explained.append(timed(lambda at=moment, pk=contact_id: explain_contact(contact_id=pk, at=at)))  # type: ignore[misc]
        queries.append(timed(lambda pk=contact_id: bring_events(pk)))  # type: ignore[misc]
    query = statistics.median(queries) * 1000
    print(f"{options.contacts:,} contacts of {options.events} events each, {options.rounds} of them judged one by one")
    tell(
        "one contact judged on demand and written",
        f"p50 {percentile(drains, 50):.1f} ms, p95 {percentile(drains, 95):.1f} ms",
        against=f"the query for its events, {query:.2f} ms; {statistics.median(worked) * 1000:.1f} ms of it in Python",
        aim="p50 below 10 ms",
    )
    tell(
        "one contact judged and explained, nothing written",
        f"p50 {percentile(explained, 50):.1f} ms, p95 {percentile(explained, 95):.1f} ms",
        against=f"the query for its events, {query:.2f} ms",
        aim="as a part of a page below 100 ms",
    )


def bring_events(contact_id: int) -> None:
    """The contact's judged events, as rows."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(EVENTS + JUDGED, [[contact_id]])
        cursor.fetchall()


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def percentile(seconds: list[float], share: int) -> float:
    """What so many percent do not exceed, in milliseconds."""
    return sorted(seconds)[max(round(len(seconds) * share / 100) - 1, 0)] * 1000


if __name__ == "__main__":
    main()
