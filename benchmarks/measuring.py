"""What the benchmarks share: throw-away services, the demo's facts, and the scan that judgements are compared with."""

import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

logger = logging.getLogger("ripen.bench")

# Where `make bench` collects the figures of all scripts; a script run by itself only prints them.
FIGURES = "RIPEN_BENCH_FIGURES"

# Every column that a judgement needs of every event, from the partial covering index: no page of the table is read.
SCAN = """SELECT count(contact_id), max(occurred_at), sum(kind_id) FROM contacts_event
WHERE retracted_at IS NULL AND suspect_reason = '' AND contact_id > 0"""
PLAIN = ("enable_seqscan = off", "enable_bitmapscan = off", "max_parallel_workers_per_gather = 0")


def tell(what: str, figure: str, *, against: str, aim: str) -> None:
    """Print one figure of a script, and hand it to `make bench`, which makes a table of all.

    Args:
        what: was measured, with how much of it.
        figure: the ratio or the count, with its unit.
        against: the limit that was measured in the same run; empty where the figure stands for itself.
        aim: what the figure should be.
    """
    print(f"{what}: {figure}{f', against {against}' if against else ''} (aim: {aim})", flush=True)
    if FIGURES in os.environ:
        with Path(os.environ[FIGURES]).open("a") as figures:
            figures.write(json.dumps({"what": what, "figure": figure, "against": against, "aim": aim}) + "\n")


@contextmanager
def throw_away_services() -> Iterator[Path]:
    """PostgreSQL and Valkey in a temporary folder, migrated, with Django set up; removed afterwards."""
    folder = tempfile.mkdtemp(prefix="ripen-bench-")
    os.environ |= {"RIPEN_STATE_DIR": folder, "DJANGO_SETTINGS_MODULE": "config.settings", "RIPEN_LOG_LEVEL": "ERROR"}

    from config.env import Environment
    from config.local.session import lease_for

    lease = lease_for(Environment())
    try:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield Path(folder)
    finally:
        from django.db import connections

        connections.close_all()
        if lease is not None:
            lease.release(wait=True)
        shutil.rmtree(folder, ignore_errors=True)


def fill(contacts: int, events: int, now: datetime) -> None:
    """The demo's facts, everybody judged; what Sales would do with it does not matter here."""
    from django.db import transaction

    from contacts.services.bulk import claim_empty_installation, references_checked_at_once
    from funnel.services.demo.filling import _write_facts
    from funnel.services.demo.following import judge_all

    began = time.perf_counter()
    with transaction.atomic():
        claim_empty_installation()
        with references_checked_at_once():
            _write_facts(contacts=contacts, events=events, seed=1, now=now, report=logger.debug)
    judge_all(now=now, report=logger.debug)
    execute("VACUUM ANALYZE")
    print(f"prepared in {time.perf_counter() - began:.0f} s")


def timed_scan() -> float:
    """Seconds that one pass over the index takes."""
    began = time.perf_counter()
    scan(SCAN)
    return time.perf_counter() - began


def prove_plan() -> str:
    """The scan's plan in one line; ends the run when it reads anything but the covering index."""
    lines = [line.strip() for (line,) in scan(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) {SCAN}")]
    found = next((line for line in lines if "Scan" in line), "")
    heap = next((line for line in lines if line.startswith("Heap Fetches")), "")
    if "Index Only Scan using event_judged" not in found:
        raise SystemExit("no index-only scan:\n" + "\n".join(lines))
    return f"{found.removeprefix('->').strip()}; {heap}"


def scan(sql: str, parameters: Sequence[int] = ()) -> list[tuple[Any, ...]]:
    """Run a query by the covering index, in one process of the database."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        for setting in PLAIN:
            cursor.execute(f"SET LOCAL {setting}")
        cursor.execute(sql, list(parameters))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def execute(sql: str) -> None:
    """Run a statement outside any transaction."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
