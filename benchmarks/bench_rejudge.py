"""Judging everybody at one new moment against an index-only scan of the same events, in the same run.

A definition is published over demo data: every contact is judged at that moment from all its events, and about one in
twenty changes its stage, which is written as standing and transition. The scan is the least that PostgreSQL can do to
look at every judged event once. The figure is the ratio; they take turns. The scan runs on one connection, the
judgement in two processes unless told otherwise, each with a connection of its own. Afterwards the whole history of
some contacts is rebuilt, which is another thing: every moment that a contact ever had, instead of one.

With --also the same is measured first for so many contacts with as many events each, and it is told how the judgement
has grown. With --state the data stay where they are and are filled in only once; each round moves one in twenty, so
after some ten rounds nobody is left to move, and the folder is to be removed.

    python benchmarks/bench_rejudge.py [--contacts 200000] [--events 4000000] [--rounds 3] [--share 0.051]
        [--connections 2] [--also 0] [--rebuild 5000] [--state FOLDER]
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

from measuring import SCAN, Watched, execute, fill, prove_plan, scan, tell, throw_away_services, timed_scan


def main() -> None:
    """Prepare throw-away services with demo data, run the rounds and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.051, help="how many of the contacts are expected to change")
    parser.add_argument("--connections", type=int, default=2, help="how many processes judge")
    parser.add_argument("--also", type=int, default=0, help="so many contacts first, to see how it grows")
    parser.add_argument("--rebuild", type=int, default=5_000, help="whose history is rebuilt afterwards")
    parser.add_argument("--state", default="", help="keep the data here")
    options = parser.parse_args()
    smaller = measure_smaller(options) if options.also else 0.0
    with throw_away_services(options.state):
        seconds = measure(options)
    print(f"SECONDS {seconds}")
    if smaller:
        grown, contacts = seconds / smaller, options.contacts / options.also
        tell(
            f"re-judging {options.contacts:,} contacts instead of {options.also:,}",
            f"{grown / contacts:.2f} x linear",
            against=f"{contacts:.1f} times as many",
            aim="0.8 to 1.2",
        )


def measure_smaller(options: argparse.Namespace) -> float:
    """Seconds of the judgement of fewer contacts, in a process and with services of their own."""
    given = [
        *("--contacts", options.also, "--events", options.events * options.also // options.contacts),
        *("--rounds", options.rounds, "--share", options.share, "--connections", options.connections),
        *("--rebuild", 0, *(["--state", f"{options.state}-{options.also}"] if options.state else [])),
    ]
    command = [sys.executable, __file__, *map(str, given)]
    found = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout or ():
            print(line, end="", flush=True)
            found = line.removeprefix("SECONDS ") if line.startswith("SECONDS") else found
    if running.returncode:
        raise SystemExit(running.returncode)
    return float(found)


def measure(options: argparse.Namespace) -> float:
    """Let the scan and the judgement take turns; the median of the judgements in seconds."""
    from contacts.models import Standing
    from scoring.models import Transition
    from scoring.services.publish import judge_publication, publish_definition

    if not Standing.objects.exists():
        fill(options.contacts, options.events, datetime.now(UTC))
    settle()
    plan = prove_plan()
    contacts = Standing.objects.count()
    scans, judgements, watches, scanning = [], [], [], []
    for number in range(options.rounds):
        with Watched() as watched:
            scans.append(timed_scan())
        scanning.append(watched.postgres)
        definition, expected = lower_bar(round(options.share * contacts))
        before = Transition.objects.count()
        gc.collect()
        with Watched() as watched:
            began = time.perf_counter()
            publication = publish_definition(definition_id=definition.pk, by=None, now=datetime.now(UTC), quiet=True)
            written = judge_publication(publication, connections=options.connections)
            judgements.append(time.perf_counter() - began)
        watches.append(watched)
        moved = Transition.objects.count() - before
        scans.append(timed_scan())
        print(
            f"round {number + 1}: scan {scans[-2]:.2f} and {scans[-1]:.2f} s, judgement {judgements[-1]:.2f} s"
            f" (processor: {scanning[-1]:.2f} s; Python {watched.python:.2f}, PostgreSQL {watched.postgres:.2f} s);"
            f" {moved:,} stages changed ({moved / contacts:.1%}, {expected:,} expected), {written:,} standings written",
            flush=True,
        )
        execute("VACUUM contacts_standing")
    scanned, judged = statistics.median(scans), statistics.median(judgements)
    ((events, _, _),) = scan(SCAN)
    print(plan)
    print(f"{contacts:,} contacts, {events:,} judged events, {os.cpu_count()} cores, {options.connections} processes")
    tell(
        f"re-judging {contacts:,} contacts of {events:,} events at one new moment, in {options.connections} processes",
        f"{judged / scanned:.1f} x",
        against=f"an index-only scan of the events, {scanned:.2f} s",
        aim="at most 5 x",
    )
    worked = statistics.median(watched.python + watched.postgres for watched in watches)
    print(
        f"by time of the processor: {worked / options.connections:.2f} s each,"
        f" {worked / options.connections / statistics.median(scanning):.1f} x the scan"
    )
    held = {kind: max(watched.memory[kind] for watched in watches) for kind in watches[0].memory}
    tell(
        "memory of it at its peak",
        f"{held['altogether']:,.0f} MiB",
        against=f"Python {held['python']:,.0f}, PostgreSQL {held['postgres']:,.0f} MiB, what these share left out",
        aim="below 1,536 MiB",
    )
    if options.rebuild:
        measure_rebuild(options.rebuild)
    return judged


def settle() -> None:
    """Judge who fell due since the data were filled in, as the worker does all the time."""
    from django.utils import timezone

    from scoring.services.evaluate import drain_due

    drained = 0
    while number := drain_due(now=timezone.now()):
        drained += number
    if drained:
        execute("VACUUM ANALYZE contacts_standing")


def measure_rebuild(number: int) -> None:
    """Rebuild the history of some contacts, from their first moment, and tell what a thousand take."""
    from django.utils import timezone

    from contacts.models import Contact
    from scoring.services.rebuild import rebuild_contacts

    ids = list(Contact.objects.filter(present=True).order_by("id").values_list("pk", flat=True)[:number])
    began = time.perf_counter()
    rebuild_contacts(contact_ids=ids, now=timezone.now())
    seconds = (time.perf_counter() - began) / len(ids) * 1000
    tell(
        f"rebuilding the history of {len(ids):,} contacts, every moment of each, in one process",
        f"{seconds:.2f} s a thousand contacts",
        against="",
        aim="told apart from judging at one moment",
    )


def lower_bar(wanted: int) -> tuple[Any, int]:
    """A next version of the definition in force, in which about ``wanted`` leads count as marketing prospects."""
    from django.db.models import ExpressionWrapper, F, FloatField, Func, Value
    from django.db.models.functions import Now, Power

    from contacts.models import Standing
    from scoring.models import Definition
    from scoring.selectors import published_definition

    current, _ = published_definition()
    # A stored score is of when it was judged: what is left of it by now, after the shipped half-life of 30 days.
    age = Func(Now() - F("evaluated_at"), template="date_part('epoch', %(expressions)s)", output_field=FloatField())
    halves = ExpressionWrapper(age / Value(30 * 86_400.0), output_field=FloatField())
    faded = ExpressionWrapper(F("engagement_mp") * Power(Value(0.5), halves), output_field=FloatField())
    leads = Standing.objects.filter(stage="lead", fit_mp__gte=0).annotate(faded=faded).order_by("-faded")
    scores = list(leads.values_list("faded", flat=True)[: wanted + 1])
    if len(scores) <= wanted:
        raise SystemExit(f"only {len(scores)} leads are left to move: fewer rounds, or a smaller share")
    # A little above the first one that shall not move: what decays in a second does not matter.
    bar = scores[-1] / 1000 + 0.001
    document = dict(current.document)
    document["stages"] = [
        with_bar(stage, bar) if stage["key"] == "marketing_prospect" else stage for stage in document["stages"]
    ]
    version = current.version + 1
    return Definition.objects.create(key=current.key, version=version, name=current.name, document=document), wanted


def with_bar(stage: dict[str, Any], bar: float) -> dict[str, Any]:
    """The stage with every engagement threshold at ``bar`` points, where it was higher."""

    def lowered(node: Any) -> Any:
        if isinstance(node, list):
            return [lowered(child) for child in node]
        if isinstance(node, dict):
            return {
                name: {"at_least": min(value["at_least"], bar)} if name == "engagement" and value else lowered(value)
                for name, value in node.items()
            }
        return node

    return {**stage, "enter": lowered(stage["enter"]), "keep": lowered(stage["keep"])}


if __name__ == "__main__":
    main()
