"""What the benchmarks share: throw-away services, the demo's facts, and the scan that judgements are compared with."""

import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

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
def throw_away_services(kept: str = "") -> Iterator[Path]:
    """PostgreSQL and Valkey in a temporary folder, migrated, with Django set up; removed afterwards.

    ``kept``: a folder that stays, so that what was filled in once can be measured again.
    """
    folder = kept or tempfile.mkdtemp(prefix="ripen-bench-")
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
        if not kept:
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


class Watched:
    """What the processes at work take meanwhile: this one, its children, and PostgreSQL's that serve them.

    ``memory`` is the most that each kind of process held at once, all of that kind together, in MiB, and "altogether";
    memory that PostgreSQL shares between its processes is left out. ``python`` and ``postgres`` are seconds of the
    processor.
    """

    def __init__(self, every: float = 0.05) -> None:
        self.memory: dict[str, float] = {}
        self.python = self.postgres = 0.0
        self._every, self._stop = every, threading.Event()
        self._thread = threading.Thread(target=self._look_again)
        self._spent: dict[tuple[str, int], list[float]] = {}

    def __enter__(self) -> Self:
        """Begin to look."""
        from django.db import connection

        connection.ensure_connection()
        self._server = _fields(connection.connection.info.backend_pid).parent
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Look once more, and add up."""
        self._look()
        self._stop.set()
        self._thread.join()
        for (kind, _process), (first, last) in self._spent.items():
            if kind == "postgres":
                self.postgres += last - first
            else:
                self.python += last - first

    def _look_again(self) -> None:
        while not self._stop.wait(self._every):
            self._look()

    def _look(self) -> None:
        held = {"python": 0.0, "postgres": 0.0}
        # By the kernel's own list of children: to look through all processes would take more than what is measured.
        looked_at = [("python", os.getpid())] + [("python", child) for child in _children(os.getpid())]
        for kind, process in looked_at + [("postgres", child) for child in _children(self._server)]:
            try:
                found = _fields(process)
            except (OSError, IndexError, KeyError):
                # It has ended.
                continue
            held[kind] += found.memory
            own = self._spent.setdefault((kind, process), [found.seconds, found.seconds])
            own[1] = found.seconds
        for kind, memory in {**held, "altogether": sum(held.values())}.items():
            self.memory[kind] = max(self.memory.get(kind, 0.0), memory)


def _children(process: int) -> list[int]:
    found = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        found += [int(child) for child in (thread / "children").read_text().split()]
    return found


class _Fields(NamedTuple):
    parent: int
    seconds: float
    memory: float


def _fields(process: int) -> _Fields:
    """What the kernel tells of a process: parent, seconds of the processor, MiB of its own."""
    stat = Path(f"/proc/{process}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    told = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines() if ":" in line)
    own = sum(int(told[part].split()[0]) for part in ("RssAnon", "RssFile"))
    return _Fields(int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), own / 1024)
