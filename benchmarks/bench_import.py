"""Import of a contact CSV against COPY of the very rows it makes into the same indexed tables, in the same run.

Both have all keys, indexes and foreign keys in place and durable commits. Each round imports the file into emptied
tables, then empties them again and copies the finished rows back: contacts, identities, companies and both histories,
messages and due rows. The figure is the ratio; seconds depend on the machine and on what else it does, so they take
turns. Processor time, of this process and of its PostgreSQL process together, depends less on that and is shown beside
it. Afterwards the file is imported once more (nothing may change), and the memory of the process is shown.

    python benchmarks/bench_import.py [--rows 100000] [--rounds 2] [--profile]
"""

import argparse
import csv
import io
import os
import random
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from measuring import execute, scan, throw_away_services

HEADER = ("email", "first name", "last name", "job title", "company", "website", "country", "plan")
TABLES = ("company", "companychange", "contact", "identity", "attributechange", "message", "due")
TITLES = ("Head of Operations", "Engineer", "Director of Sales", "Consultant", "CTO", "Analyst", "Founder", "Buyer")
FIRST = ("Ann", "Bob", "Chloé", "Dan", "Eve", "Farid", "Greta", "Håkon", "Ines", "Jun", "Kofi", "Lena")
LAST = ("Smith", "Müller", "Garcia", "Tanaka", "Okafor", "Novak", "Rossi", "Dubois", "Silva", "Khan", "Berg", "Petit")
PLANS = ("Free", "Team", "Business", "Enterprise")
COUNTRIES = ("DE", "FR", "US", "GB", "ES", "IT", "PL", "BR", "JP", "IN")
# So many rows are one transaction of COPY: what the import does, times ten.
LINES = 20_000


def write_csv(path: Path, rows: int) -> None:
    """Invented people, about twenty a company."""
    draw = random.Random(7)
    companies = max(1, rows // 20)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for number in range(rows):
            first, last = draw.choice(FIRST), draw.choice(LAST)
            company = draw.randrange(companies)
            writer.writerow(
                (
                    f"{first}.{last}.{number}@company{company}.example".lower(),
                    *(first, last, draw.choice(TITLES), f"Company {company} Ltd", f"www.company{company}.example"),
                    *(draw.choice(COUNTRIES), draw.choice(PLANS)),
                )
            )


def empty() -> None:
    """Empty the tables, for the next to begin with what the last began with."""
    execute(f"TRUNCATE {', '.join(f'contacts_{table}' for table in TABLES)}, contacts_importrun CASCADE")
    execute("CHECKPOINT")


def processor_time() -> float:
    """Seconds that this process and the one that serves it in PostgreSQL have worked so far."""
    ((backend,),) = scan("SELECT pg_backend_pid()")
    fields = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def import_file(path: Path) -> tuple[float, float]:
    """Rows a second of the import, and a second of processor time."""
    from contacts.services.imports import import_contacts

    worked = processor_time()
    began = time.perf_counter()
    with path.open("rb") as stream:
        summary = import_contacts(
            stream=stream, file_name=path.name, errors_dir=path.parent, now=datetime.now(UTC), mapping=None
        )
    seconds = time.perf_counter() - began
    print(f"    {summary.created:,} created, {summary.unchanged:,} unchanged, {summary.rejected:,} rejected")
    return summary.rows / seconds, summary.rows / (processor_time() - worked)


def columns_of(table: str) -> str:
    """The columns that can be copied."""
    found = scan(
        "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns"
        f" WHERE table_name = 'contacts_{table}' AND is_generated = 'NEVER'"
    )
    return str(found[0][0])


def dump(folder: Path) -> None:
    """Keep the finished rows as COPY reads them."""
    from django.db import connection

    for table in TABLES:
        with (folder / f"{table}.copy").open("wb") as file, connection.cursor() as cursor:
            cursor.copy_expert(f"COPY contacts_{table} ({columns_of(table)}) TO STDOUT", file)


def copy_back(folder: Path) -> float:
    """Seconds that COPY of the finished rows takes."""
    from django.db import connection

    seconds = 0.0
    for table in TABLES:
        sql = f"COPY contacts_{table} ({columns_of(table)}) FROM STDIN"
        with (folder / f"{table}.copy").open("rb") as file:
            for block in blocks(file):
                began = time.perf_counter()
                with connection.cursor() as cursor:
                    cursor.copy_expert(sql, block)
                seconds += time.perf_counter() - began
    return seconds


def blocks(file: io.BufferedReader) -> Iterator[io.BytesIO]:
    """A dump in pieces of LINES lines; line ends inside values are escaped in it."""
    lines: list[bytes] = []
    for line in file:
        lines.append(line)
        if len(lines) == LINES:
            yield io.BytesIO(b"".join(lines))
            lines = []
    if lines:
        yield io.BytesIO(b"".join(lines))


def main() -> None:
    """Run the rounds and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="show where the importing process spends its time")
    options = parser.parse_args()
    with throw_away_services() as folder:
        path = folder / "people.csv"
        write_csv(path, options.rows)
        print(f"{options.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB")
        imported: list[tuple[float, float]] = []
        copied: list[tuple[float, float]] = []
        for number in range(options.rounds):
            empty()
            if options.profile:
                profile(path)
            else:
                imported.append(import_file(path))
            if number == 0:
                dump(folder)
            empty()
            worked = processor_time()
            seconds = copy_back(folder)
            copied.append((options.rows / seconds, options.rows / (processor_time() - worked)))
            if imported:
                tell(f"round {number + 1}", copied[-1], imported[-1])
        empty()
        import_file(path)
        again, _ = import_file(path)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"again, all unchanged: {again:,.0f}/s; at most {memory:,.0f} MB in the importing process")
        if imported:
            tell("median", median(copied), median(imported))


def median(rates: list[tuple[float, float]]) -> tuple[float, float]:
    """The middle of each of the two figures."""
    first, second = (sorted(figures)[len(rates) // 2] for figures in zip(*rates, strict=True))
    return first, second


def tell(what: str, copied: tuple[float, float], imported: tuple[float, float]) -> None:
    """Print one comparison."""
    print(
        f"{what}: COPY {copied[0]:,.0f} rows/s, import {imported[0]:,.0f} rows/s: {imported[0] / copied[0]:.2f};"
        f" by processor time {imported[1] / copied[1]:.2f}",
        flush=True,
    )


def profile(path: Path) -> None:
    """Import under cProfile, and print the functions that cost most."""
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    profiler.runcall(import_file, path)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
