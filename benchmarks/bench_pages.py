"""The pages people open all day, at many contacts: server time beside the bare SQL of the same request.

Fills throw-away services with the demo's facts, judged and offered, and asks the pages through Django's own client.
Every request is followed by the very statements it made, bare, on the same connection: what remains is the price of
Python, of templates and of the session. Searches are a mix of what people type: one to three letters, names, parts of
addresses, slips of the finger, nonsense. Beside the clock stands the processor's time (this process and PostgreSQL's
that works for it): on a machine that others work on, the latter is what counts.

    python benchmarks/bench_pages.py [--contacts 100000] [--events 200000] [--rounds 30]

A million contacts take twenty minutes to fill. With ``--keep`` the services stay until this process is told to end
(SIGINT, SIGTERM), and it says where they are; ``--filled`` measures there, as often as need be:

    python benchmarks/bench_pages.py --contacts 1000000 --events 2000000 --keep
    python benchmarks/bench_pages.py --filled STATE_DIR
"""

import argparse
import contextlib
import gzip
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from measuring import tell, throw_away_services

# Milliseconds that the 95th percentile of each page may take.
LIMITS: Final = {
    "contacts, first page": 30,
    "contacts, a deep page": 30,
    "contacts, the deepest page": 30,
    "search": 60,
    "palette": 100,
    "overview": 100,
    "queue": 100,
    "my prospects": 100,
    "timeline": 100,
    "why": 100,
    "journey": 100,
    "companies": 100,
    "funnel": 100,
    "definition": 100,
}
QUERIES: Final = (
    *("a", "jo", "mar", "m", "an", "anna", "maria", "thomas", "julia", "muller", "garcia", "schmidt"),
    *("anna m", "maria garcia", "silva lu", "thomas weber", "weber thomas", "hoffmann j"),
    *("anna.muller", "garcia@", "@alder", "example", "cedar", "horizon logistics"),
    *("jhon smtih", "mülller", "gracia", "schmdit", "hofmann", "tohmas weber"),
    *("zzz", "xq", "qwertz asdf", "nobody at all"),
)


def main() -> None:
    """Prepare and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=0, help="default: two for each contact")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--keep", action="store_true", help="fill only, and wait")
    parser.add_argument("--filled", metavar="STATE_DIR", help="measure what an earlier run filled")
    options = parser.parse_args()
    if options.filled:
        with filled_services(options.filled):
            measure(options.rounds)
        return
    with throw_away_services() as folder:
        prepare(options.contacts, options.events or 2 * options.contacts)
        if options.keep:
            wait_at(folder)
            return
        measure(options.rounds)


def wait_at(folder: Path) -> None:
    """Say where the services are, and wait to be told to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"kept: --filled {folder}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


@contextmanager
def filled_services(folder: str) -> Iterator[None]:
    """The services of a run with ``--keep``, brought up to this version; they go on when this ends."""
    os.environ |= {"RIPEN_STATE_DIR": folder, "DJANGO_SETTINGS_MODULE": "config.settings", "RIPEN_LOG_LEVEL": "ERROR"}

    from config.env import Environment
    from config.local.session import lease_for

    lease = lease_for(Environment())
    try:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        yield
    finally:
        from django.db import connections

        connections.close_all()
        if lease is not None:
            lease.release(wait=False)


def prepare(contacts: int, events: int) -> None:
    """Fill with the demo, and let the database look at what there is."""
    from django.core.management import call_command
    from django.db import connection

    from funnel.services.demo.filling import seed_demo

    # Pages name their files by the manifest.
    call_command("collectstatic", interactive=False, verbosity=0)
    began = time.perf_counter()
    summary = seed_demo(contacts=contacts, events=events, seed=1, now=datetime.now(UTC), report=lambda _: None)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    print(
        f"{summary.contacts:,} contacts, {summary.events:,} events, {summary.handoffs:,} handoffs"
        f" in {time.perf_counter() - began:.0f} s",
        flush=True,
    )


def measure(rounds: int) -> None:
    """Ask each page so often, the first time for warmth, and print its figures."""
    from django.contrib.auth.models import Group, User
    from django.test import Client

    from config.gunicorn_conf import when_ready
    from contacts.enums import Role
    from contacts.models import Standing
    from scoring.models import Definition
    from scoring.selectors import stage_labels

    person, _ = User.objects.get_or_create(username="bench@example.com", defaults={"email": "bench@example.com"})
    person.groups.add(Group.objects.get(name=Role.MANAGER))
    # As browsers ask: what it takes to compress a page counts.
    client = Client(SERVER_NAME="127.0.0.1", HTTP_ACCEPT_ENCODING="gzip")
    client.force_login(person)
    people = list(Standing.objects.filter(stage="sales_prospect").values_list("pk", flat=True)[:rounds]) or [1]
    definition = Definition.objects.filter(state="published").latest("pk")
    deep, deepest = deep_page(client, 20), deepest_page(stages=list(stage_labels()))
    asked: dict[str, Callable[[int], str]] = {
        "contacts, first page": lambda _: "/contacts/",
        "contacts, a deep page": lambda _: deep,
        "contacts, the deepest page": lambda _: deepest,
        "search": lambda turn: f"/contacts/?q={QUERIES[turn % len(QUERIES)]}",
        "palette": lambda turn: f"/search/?part=1&q={QUERIES[turn % len(QUERIES)]}",
        "overview": lambda _: "/",
        "queue": lambda _: "/queue/",
        "my prospects": lambda _: "/mine/",
        "timeline": lambda turn: f"/contacts/{people[turn % len(people)]}/",
        "why": lambda turn: f"/contacts/{people[turn % len(people)]}/why/",
        "journey": lambda turn: f"/contacts/{people[turn % len(people)]}/journey/",
        "companies": lambda _: "/companies/",
        "funnel": lambda _: "/funnel/",
        "definition": lambda _: f"/definitions/{definition.pk}/",
    }
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; milliseconds; processor p50 and p95, clock p50 and p95"
    )
    # As in a worker of gunicorn's.
    when_ready(None)
    late: dict[str, float] = {}
    for name, address in asked.items():
        turns = max(rounds, 2 * len(QUERIES)) if name in {"search", "palette"} else rounds
        late[name] = show(name, [once(client, address(turn)) for turn in range(-3, turns)][3:])
        tell(f"{name}, p95", f"{late[name]:.0f} ms", against="", aim=f"below {LIMITS[name]} ms")
    tell(
        "the deepest page of contacts, p95",
        f"{late['contacts, the deepest page'] / late['contacts, first page']:.2f} times",
        against=f"the first page, {late['contacts, first page']:.0f} ms",
        aim="at most 1.5",
    )


def deep_page(client: Any, pages: int) -> str:
    """The address of a page so many pages on."""
    address = "/contacts/"
    for _ in range(pages):
        html = gzip.decompress(client.get(address).content).decode()
        links = [part.partition('"')[0] for part in html.split('href="') if "after=" in part.partition('"')[0]]
        if not links:
            break
        address = "/contacts/" + links[-1].replace("&amp;", "&").removeprefix("/contacts/")
    return address


def deepest_page(*, stages: Sequence[str]) -> str:
    """The address of the last full page, behind all the others."""
    from contacts.models import Standing
    from contacts.selectors.browse import Query, browse_contacts
    from contacts.selectors.browse.listing import PAGE_SIZE

    last = Standing.objects.filter(stage__in=stages).order_by("engagement_mp", "contact_id")
    before = last.values_list("engagement_mp", "contact_id")[PAGE_SIZE]
    after = "_".join(str(one) for one in before)
    if len(browse_contacts(Query.read({"after": after}), stages=stages).rows) != PAGE_SIZE:
        raise SystemExit("the deepest page is not full")
    return f"/contacts/?after={after}"


def once(client: Any, address: str) -> tuple[float, float, float]:
    """Seconds of the processor and of the clock for a request, and of the clock for its statements alone."""
    from django.db import connection

    from config.gunicorn_conf import sweep

    statements: list[tuple[str, Any]] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().upper().startswith(("SELECT", "WITH")) and not many:
            statements.append((sql, params))
        return execute(sql, params, many, context)

    spent, began = processor(), time.perf_counter()
    with connection.execute_wrapper(note):
        answer = client.get(address)
        if answer.status_code != 200:
            raise SystemExit(f"{address}: {answer.status_code}")
    took = time.perf_counter() - began
    # A worker sweeps when it has answered: work, but nobody's waiting.
    sweep()
    spent = processor() - spent
    began = time.perf_counter()
    with connection.cursor() as cursor:
        for sql, params in statements:
            cursor.execute(sql, params)
            cursor.fetchall()
    return spent, took, time.perf_counter() - began


def show(name: str, times: Sequence[tuple[float, float, float]]) -> float:
    """One line: percentiles, how often the bare SQL the page takes; returns the 95th percentile by the clock."""
    spent, took, bare = (sorted(1_000 * one[place] for one in times) for place in range(3))
    ratio = statistics.median(took) / statistics.median(bare)
    print(
        f"{name:24} processor {at(spent, 0.5):6.1f} {at(spent, 0.95):6.1f}   clock {at(took, 0.5):6.1f}"
        f" {at(took, 0.95):6.1f}   bare SQL {at(bare, 0.5):6.1f} {at(bare, 0.95):6.1f}   ratio {ratio:4.1f}",
        flush=True,
    )
    return at(took, 0.95)


def at(ordered: Sequence[float], share: float) -> float:
    """The value below which that share lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def processor() -> float:
    """Seconds of the processor so far: of this process and of the PostgreSQL backend that works for it."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    # Nanoseconds; the ticks of /proc/<pid>/stat are too coarse for a page.
    found = Path(f"/proc/{pid}/schedstat")
    backend = int(found.read_text().split()[0]) / 1e9 if found.exists() else 0.0
    return time.process_time() + backend


if __name__ == "__main__":
    main()
