"""The funnel's figures: how long a year of them takes, from rollups and from the moves, and what keeping them costs.

Makes up contacts with three moves each over three years and copies them in. A part of them is then moved once more, in
batches as a drain takes them: inserting those transitions and counting them take turns, and the figure is the ratio.
What such a move is counted in is the days on which its contact reached the stages before, so others are moved who came
two hours ago, as most do whom a source reports: their cells are those of today.
Server time is that of the whole call, all queries and arithmetic; the pages are asked through Django's own client.
Beside what the clock says stands the processor's time, of this process and of PostgreSQL's that works for it: on
a machine that does nothing else both are the same, and on a busy one the latter is what counts.

    python benchmarks/bench_funnel.py [--contacts 50000] [--rounds 7] [--drained 5000]
"""

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from measuring import execute, throw_away_services

STAGES: Final = ("audience", "lead", "marketing_prospect", "sales_prospect", "customer")
CHANNELS: Final = ("web", "search", "social", "events", "partner", "email", "ads", "referral", "phone", "import")
MOTIONS: Final = ("demand_generation", "lead_generation", "")
CAMPAIGNS: Final = 60
COUNTRIES: Final = 40
DAYS: Final = 1_095
CHUNK: Final = 100_000


def main() -> None:
    """Prepare throw-away services with made-up moves and print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--drained",
        type=int,
        default=5_000,
        help="contacts that move once more, and that come and move today, to be counted",
    )
    options = parser.parse_args()
    with throw_away_services():
        now = datetime.now(UTC).replace(microsecond=0)
        prepare(options.contacts, now)
        measure_counting(min(options.drained, options.contacts // 2), now)
        execute("VACUUM ANALYZE")
        measure_figures(options.rounds, now)
        measure_error(now)


def prepare(contacts: int, now: datetime) -> None:
    """Copy companies, contacts and their transitions in, and count them all at once."""
    from funnel.services.counting import recount_all

    rng = np.random.default_rng(1)
    companies = max(1, contacts // 5)
    copy(
        "contacts_company", "id, name, normalised_name, domain, industry, employees, country", make_companies(companies)
    )
    copying = moves = 0.0
    for first in range(0, contacts, CHUNK):
        count = min(CHUNK, contacts - first)
        copy(
            "contacts_contact",
            "id, email, phone, first_name, last_name, job_title, role, country, attributes, company_id, source_channel,"
            " source_direction, source_motion, source_campaign, search_text",
            make_contacts(rng, first, count, companies),
        )
        lines = list(make_moves(rng, first, count, now))
        began = time.perf_counter()
        copy(
            "scoring_transition",
            "contact_id, from_stage, to_stage, effective_at, cause, definition_id, engagement_mp, fit_mp, consumed_at",
            lines,
        )
        copying += time.perf_counter() - began
        moves += len(lines)
    execute("VACUUM ANALYZE scoring_transition, contacts_contact, contacts_company")
    began, spent = time.perf_counter(), processor()
    counted = recount_all(now=now)
    took, spent = time.perf_counter() - began, processor() - spent
    print(
        f"{counted:,} contacts, {moves:,.0f} transitions copied in {copying:.1f} s by the clock;"
        f" all counted anew in {took:.1f} s, {spent:.1f} s of the processor",
        flush=True,
    )


def copy(table: str, columns: str, lines: Any) -> None:
    """COPY lines of text into a table."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", io.StringIO("".join(lines)))


def make_companies(count: int) -> Iterator[str]:
    """Companies, evenly of a few sizes and industries."""
    industries, sizes = ("software", "finance", "retail", "health"), (5, 50, 200, 1000, 8000)
    for number in range(1, count + 1):
        name = f"company {number}"
        yield (f"{number}\t{name}\t{name}\tc{number}.example\t{industries[number % 4]}\t{sizes[number % 5]}\tNorway\n")


def make_contacts(rng: np.random.Generator, first: int, count: int, companies: int) -> Iterator[str]:
    """Contacts; a few sources, campaigns and countries have most of them."""
    channel = (rng.random(count) ** 2 * len(CHANNELS)).astype(int)
    motion = rng.integers(0, len(MOTIONS), count)
    campaign = (rng.random(count) ** 2 * CAMPAIGNS).astype(int)
    country = (rng.random(count) ** 3 * COUNTRIES).astype(int)
    company = rng.integers(1, companies + 1, count)
    for place in range(count):
        number = first + place + 1
        email = f"person{number}@c{company[place]}.example"
        direction = "outbound" if channel[place] % 3 == 0 else "inbound"
        yield (
            f"{number}\t{email}\t\tGiven{number}\tFamily\tHead of things\t\tCountry {country[place]}\t{{}}\t"
            f"{company[place]}\t{CHANNELS[channel[place]]}\t{direction}\t{MOTIONS[motion[place]]}\t"
            f"Campaign {campaign[place]}\t{email} given{number} family\n"
        )


def make_moves(rng: np.random.Generator, first: int, count: int, now: datetime) -> Iterator[str]:
    """About three moves a contact: they arrive, mostly go on, sometimes skip a stage or fall back."""
    from scoring.selectors import published_definition

    definition = published_definition()[0].pk
    begin = now.timestamp() - DAYS * 86_400
    at = begin + rng.random(count) * DAYS * 86_400
    place = (rng.random(count) < 0.2).astype(int)
    left = 1 + rng.poisson(2.9, count)
    origin = np.full(count, -1)
    yield from lines_of(first, np.arange(count), origin, place, at, definition)
    for _ in range(10):
        left -= 1
        drawn = rng.random(count)
        step = np.where(drawn < 0.62, 1, np.where(drawn < 0.72, 2, -1))
        target = np.clip(place + step, 0, len(STAGES) - 1)
        at = at + np.exp(rng.normal(np.log(9 * 86_400), 1.6, count)) + 1
        moved = np.flatnonzero((left > 0) & (target != place) & (at < now.timestamp() - 3600))
        yield from lines_of(first, moved, place, target, at, definition)
        place[moved] = target[moved]
        gone = np.ones(count, bool)
        gone[moved] = False
        left[gone] = 0


def lines_of(first: int, moved: Any, origin: Any, target: Any, at: Any, definition: int) -> Iterator[str]:
    """These contacts' moves as lines of COPY."""
    for number in moved.tolist():
        left = STAGES[origin[number]] if origin[number] >= 0 else ""
        moment = datetime.fromtimestamp(float(at[number]), UTC).isoformat()
        yield (
            f"{first + number + 1}\t{left}\t{STAGES[target[number]]}\t{moment}\tevent\t{definition}\t0\t0\t{moment}\n"
        )


_LATEST: Final = """
SELECT DISTINCT ON (contact_id) contact_id, to_stage, definition_id FROM scoring_transition
WHERE contact_id <= %s AND superseded_at IS NULL AND to_stage <> 'customer' ORDER BY contact_id, effective_at DESC
"""

# Of the same sources and countries as others, under keys of their own.
_NEWCOMERS: Final = """
INSERT INTO contacts_contact (id, email, phone, first_name, last_name, job_title, role, country, attributes, company_id,
    source_channel, source_direction, source_motion, source_campaign, search_text)
SELECT made.last + id, 'new.' || email, '', first_name, last_name, job_title, '', country, '{}', company_id,
    source_channel, source_direction, source_motion, source_campaign, 'new.' || search_text
FROM contacts_contact, (SELECT max(id) AS last FROM contacts_contact) AS made WHERE id <= %s
RETURNING id
"""


def measure_counting(contacts: int, now: datetime) -> None:
    """Move contacts once more that came over three years, and others that came today."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [contacts])
        latest = cursor.fetchall()
    moves = [(contact_id, stage, STAGES[STAGES.index(stage) + 1]) for contact_id, stage, _ in latest]
    measure_moves("more moves of contacts of three years", moves, now=now)
    with connection.cursor() as cursor:
        cursor.execute(_NEWCOMERS, [contacts])
        ids = [contact_id for (contact_id,) in cursor.fetchall()]
    measure_moves("first moves", [(contact_id, "", "audience") for contact_id in ids], now=now - timedelta(hours=2))
    measure_moves("second moves", [(contact_id, "audience", "lead") for contact_id in ids], now=now)


def measure_moves(name: str, moves: Sequence[tuple[int, str, str]], *, now: datetime) -> None:
    """Let writing transitions (contact, from and to a stage) and counting them take turns, a batch at a time."""
    from django.db import transaction

    from funnel.services.counting import BATCH, count_due
    from scoring.enums import Cause
    from scoring.selectors import published_definition
    from scoring.services.chain import NewTransition, write_transitions

    while count_due(now=now):
        pass
    definition = published_definition()[0].pk
    fresh = [
        NewTransition(
            contact_id=contact_id,
            from_stage=origin,
            to_stage=target,
            effective_at=now - timedelta(seconds=number % 3_000),
            cause=Cause.TIME,
            definition_id=definition,
            engagement_mp=0,
            fit_mp=0,
        )
        for number, (contact_id, origin, target) in enumerate(moves)
    ]
    ratios, writes, counts = [], 0.0, 0.0
    for first in range(0, len(fresh), BATCH):
        batch = fresh[first : first + BATCH]
        began = processor()
        with transaction.atomic():
            write_transitions(batch, restarted=[], now=now)
        written = processor()
        done = count_due(now=now, limit=BATCH)
        counted = processor()
        if done != len(batch):
            raise SystemExit(f"{done} contacts counted instead of {len(batch)}")
        writes += written - began
        counts += counted - written
        ratios.append((counted - written) / max(written - began, 0.01))
    per = 1e6 / max(len(fresh), 1)
    print(
        f"{len(fresh):,} {name} in batches of {BATCH:,}: writing {writes * per:.0f} us each with its outbox row,"
        f" counting {counts * per:.0f} us of the processor: ratio {counts / max(writes, 0.01):.1f}"
        f" (batches: {min(ratios):.1f} to {max(ratios):.1f})",
        flush=True,
    )


def measure_figures(rounds: int, now: datetime) -> None:
    """Print the median server time of all figures of a year, from rollups and from the moves, and of the page."""
    from funnel.analytics import Period, Segment
    from funnel.selectors.figures import FACETS, Behind, Number, cohorts, people_behind, report, shares

    today = now.date()
    period = Period(date(today.year - 1, today.month, min(today.day, 28)) + timedelta(days=1), today)
    # One process each, for what others would take over is not seen.
    execute("SET max_parallel_workers_per_gather = 0")
    print(f"a year, {period.first} to {period.last}; milliseconds of the processor, and by the clock: median (longest)")
    quick = {
        "everybody": Segment(),
        "a source": Segment(source=CHANNELS[0]),
        "a motion": Segment(motion=MOTIONS[0]),
        "a campaign": Segment(campaign="Campaign 0"),
        "a country": Segment(country="Country 0"),
    }
    slow = {
        "a direction (most contacts)": Segment(direction="inbound"),
        "an industry": Segment(industry="software"),
        "a company": Segment(company_id=7),
        "a size": Segment(employees_at_least=100),
        "two facets": Segment(source=CHANNELS[0], country="Country 0"),
    }
    pair = {"origin": "lead", "target": "customer"}
    for name, segment in quick.items():
        tell(f"rolled up: report of {name}", rounds, partial(report, period=period, segment=segment))
        tell(f"rolled up: cohorts of {name}", rounds, partial(cohorts, period=period, segment=segment, now=now, **pair))
    for facet in FACETS:
        kind = "from moves" if facet == "direction" else "rolled up"
        tell(
            f"{kind}: shares by {facet}", rounds, partial(shares, period=period, segment=Segment(), facet=facet, **pair)
        )
    for name, segment in slow.items():
        tell(f"from moves: report of {name}", min(rounds, 3), partial(report, period=period, segment=segment))
    for number in Number:
        behind = Behind(number, "lead", "customer")
        tell(f"people: {number}", rounds, partial(people_behind, period=period, segment=Segment(), behind=behind))
    measure_page(rounds, period)


def measure_page(rounds: int, period: Any) -> None:
    """Print what the page itself takes, as somebody gets it who is signed in."""
    from django.conf import settings
    from django.contrib.auth.models import Group, User
    from django.test import Client
    from django.test.utils import override_settings
    from django.urls import NoReverseMatch, reverse

    try:
        address = reverse("funnel")
    except NoReverseMatch:
        return
    user = User.objects.create_user("bench@ripen.example")
    user.groups.add(Group.objects.get(name="marketer"))
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    given = {"from": period.first.isoformat(), "to": period.last.isoformat()}
    for asked in ({}, {"source": CHANNELS[0]}, {"country": "Country 0"}):

        def load(asked: dict[str, str] = asked) -> None:
            answer = client.get(address, {**given, **asked})
            if answer.status_code != 200:
                raise SystemExit(f"{address} answered {answer.status_code}")

        # As in development: names of static files are not looked up in a manifest that only an installation has.
        plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        with override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}):
            tell(f"page: {address} {asked or ''}", rounds, load)


def tell(name: str, rounds: int, call: Callable[[], object]) -> None:
    """Print the median time of a call, after one that warms up."""
    call()
    times = []
    before = processor()
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    spent = (processor() - before) * 1000 / rounds
    print(f"  {name:45} {spent:8.1f} {statistics.median(times):10.1f} ({max(times):.1f})", flush=True)


def processor() -> float:
    """Seconds of the processor so far: of this process, and of its PostgreSQL backend where there is /proc."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    found = Path(f"/proc/{pid}/stat")
    fields = found.read_text().rpartition(")")[2].split() if found.exists() else []
    ticks = sum(map(int, fields[11:13]))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


_EXACT: Final = """
SELECT percentile_cont(ARRAY[0.1, 0.5, 0.9]::float8[]) WITHIN GROUP (
    ORDER BY date_part('epoch', moments[1 + %(target)s] - moments[1 + %(origin)s]))
FROM funnel_reached WHERE moments[1 + %(target)s] >= %(start)s AND moments[1 + %(target)s] < %(end)s
"""


def measure_error(now: datetime) -> None:
    """Print by how much quantiles from buckets differ from those of the moves at most."""
    from django.db import connection

    from funnel.analytics import Period, Segment
    from funnel.selectors.figures import report

    period = Period(now.date() - timedelta(days=DAYS), now.date())
    worst, pairs = 0.0, 0
    for velocity in report(period=period, segment=Segment()).velocities:
        if velocity.exact:
            continue
        given: dict[str, Any] = {
            "origin": STAGES.index(velocity.origin),
            "target": STAGES.index(velocity.target),
            "start": period.start,
            "end": period.end,
        }
        with connection.cursor() as cursor:
            cursor.execute(_EXACT, given)
            exact = cursor.fetchone()[0]
        pairs += 1
        for found, true in zip((velocity.p10, velocity.median, velocity.p90), exact, strict=True):
            if found is not None and true:
                worst = max(worst, abs(found - true) / true)
    print(f"quantiles from buckets of {pairs} pairs of stages: at most {worst:.2%} off")


if __name__ == "__main__":
    main()
