"""What contacts and events cost: bytes of disk, of write-ahead log, and processor seconds.

Fills a throw-away installation with the demo's facts and measures bytes a row, indexes and TOAST included. Then it
stores further events by the one way in, judges them and draws the consequences, in this process, and measures
processor seconds of this process (what web and worker would spend, reading JSON and routing included for ingest) and of
PostgreSQL's, and the bytes of its log. All of it is told a million events. Processor seconds depend little on what else
runs here.

    python benchmarks/bench_size.py [--contacts 20000] [--events 400000] [--fresh 40000]
"""

import argparse
import json
import os
import random
import resource
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measuring import execute, fill, throw_away_services

BATCH = 500
KINDS = ("page_viewed", "email_opened", "email_clicked", "page_viewed", "form_submitted", "asset_downloaded")
_TICKS = os.sysconf("SC_CLK_TCK")
_TABLES = """SELECT relname, pg_total_relation_size(oid), pg_relation_size(oid), greatest(reltuples, 0)::bigint
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC"""
# What grows with events; everything else grows with contacts.
OF_EVENTS = ("contacts_event",)
# What grows with the days and the sources, campaigns and countries that there are, however many contacts.
OF_DAYS = ("funnel_tally",)


def main() -> None:
    """Fill, measure sizes, then what further events cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--fresh", type=int, default=40_000, help="events that are stored and judged")
    options = parser.parse_args()
    with throw_away_services() as folder:
        fill(options.contacts, options.events, datetime.now(UTC))
        follow()
        sizes()
        costs(options.fresh, folder)


def follow() -> None:
    """Draw the consequences of the demo's transitions, so that all tables hold what they would."""
    from funnel.services.consequences import draw_consequences
    from funnel.services.counting import recount_all

    while draw_consequences(now=datetime.now(UTC)):
        pass
    recount_all(now=datetime.now(UTC))
    execute("VACUUM ANALYZE")


def sizes() -> None:
    """Bytes of each large table, a row and altogether."""
    found = [row for row in ask(_TABLES) if row[1] > 100_000]
    rows_of = {name: rows for name, _, _, rows in found}
    contacts, events = rows_of["contacts_contact"], rows_of["contacts_event"]
    for name, total, plain, rows in found[:14]:
        print(f"{name:28} {total / 1e6:8.1f} MB, {rows:9,} rows, {total / max(rows, 1):6.0f} bytes each with indexes"
              f" ({plain / max(rows, 1):.0f} without)")  # fmt: skip
    of_events = sum(total for name, total, _, _ in found if name in OF_EVENTS)
    of_contacts = sum(total for name, total, _, _ in found if name not in (*OF_EVENTS, *OF_DAYS))
    print(
        f"an event takes {of_events / events:,.0f} bytes of disk, a contact {of_contacts / contacts:,.0f} besides",
        flush=True,
    )


def costs(fresh: int, folder: Path) -> None:
    """Processor seconds and log of storing, judging and following so many events, told a million."""
    from django.test import Client

    from contacts.models import Contact
    from contacts.services.sources import create_source
    from funnel.services.consequences import draw_consequences
    from funnel.services.counting import count_due
    from scoring.services.evaluate import drain_due

    key = create_source(name="bench", scopes=["events:write"], by=None).key
    emails = list(Contact.objects.exclude(email="").values_list("email", flat=True)[:20_000])
    draw = random.Random(1)
    # WhiteNoise warns of a folder that only collectstatic makes.
    (folder / "static").mkdir(exist_ok=True)
    client = Client(SERVER_NAME="localhost")

    def store() -> None:
        for first in range(0, fresh, BATCH):
            events = [one(draw, emails) for _ in range(min(BATCH, fresh - first))]
            body = json.dumps({"events": events})
            answer = client.post(
                "/api/v1/events/", body, "application/json", headers={"Authorization": f"Bearer {key}"}
            )
            if answer.status_code != 200 or answer.json()["rejected"]:
                raise SystemExit(f"not all were accepted: {answer.content[:300]!r}")

    def until_empty(step: Callable[..., int]) -> Callable[[], None]:
        def run() -> None:
            while step(now=datetime.now(UTC)):
                pass

        return run

    execute("CHECKPOINT")
    told = []
    for name, work in (
        ("stored", store),
        ("judged", until_empty(drain_due)),
        ("followed", until_empty(draw_consequences)),
        ("counted", until_empty(count_due)),
    ):
        before = spent(folder)
        work()
        ours, database, log = (after - earlier for after, earlier in zip(spent(folder), before, strict=True))
        share = 1_000_000 / fresh
        told.append((ours + database) * share)
        print(f"a million events {name}: {ours * share:,.0f} s here, {database * share:,.0f} s in PostgreSQL,"
              f" {log * share / 1e9:.2f} GB of log")  # fmt: skip
    print(f"altogether {sum(told):,.0f} processor seconds a million events, of {len(set(emails)):,} contacts")
    print(f"memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")


def one(draw: random.Random, emails: list[str]) -> dict[str, Any]:
    """An event as a site sends it."""
    return {
        "message_id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
        "kind": draw.choice(KINDS),
        "contact": {"email": draw.choice(emails)},
        "properties": {"url": f"https://example.com/page/{draw.randrange(97)}", "title": "A page", "position": 3},
    }


def spent(folder: Path) -> tuple[float, float, float]:
    """Processor seconds of this process and of PostgreSQL, and bytes of its log, so far."""
    database = sum(
        seconds(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit() and is_ours(entry, folder)
    )
    (written,) = ask("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")[0]
    return time.process_time(), database, float(written)


def is_ours(entry: Path, folder: Path) -> bool:
    """Whether a process belongs to the throw-away PostgreSQL: all work in its data folder."""
    try:
        return (entry / "cwd").readlink() == (folder / "postgres").resolve()
    except OSError:
        return False


def seconds(pid: int) -> float:
    """Processor seconds of a process, ended children included; 0 once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) / _TICKS


def ask(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


if __name__ == "__main__":
    main()
