"""Judging everybody at one new moment against an index-only scan of the same events, in the same run.

A definition is published over demo data: every contact is judged at that moment from all its events, and about one in
twenty changes its stage, which is written as standing and transition. The scan is the least that PostgreSQL can do to
look at every judged event once. The figure is the ratio; they take turns. The scan runs on one connection, the
judgement on two unless told otherwise: while one range of contacts is judged, the next is read.

    python benchmarks/bench_rejudge.py [--contacts 200000] [--events 4000000] [--rounds 3] [--share 0.068]
        [--connections 2]
"""

import argparse
import os
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from measuring import SCAN, execute, fill, prove_plan, scan, throw_away_services, timed_scan


def main() -> None:
    """Prepare throw-away services with demo data, run the rounds and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    # What is expected is counted from stored scores, which have faded a little by then: this gives 5 % and more.
    parser.add_argument("--share", type=float, default=0.068, help="how many of the contacts are expected to change")
    parser.add_argument("--connections", type=int, default=2, help="how many ranges are judged at a time")
    options = parser.parse_args()
    with throw_away_services():
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Let the scan and the judgement take turns."""
    from contacts.models import Standing
    from scoring.models import Transition
    from scoring.services.publish import judge_publication, publish_definition

    now = datetime.now(UTC)
    fill(options.contacts, options.events, now)
    plan = prove_plan()
    contacts = Standing.objects.count()
    scans, judgements = [], []
    for number in range(options.rounds):
        scans.append(timed_scan())
        definition, expected = lower_bar(round(options.share * contacts))
        moment = now + timedelta(seconds=number + 1)
        before = Transition.objects.count()
        began = time.perf_counter()
        publication = publish_definition(definition_id=definition.pk, by=None, now=moment, quiet=True)
        written = judge_publication(publication, connections=options.connections)
        judgements.append(time.perf_counter() - began)
        moved = Transition.objects.count() - before
        scans.append(timed_scan())
        print(
            f"round {number + 1}: scan {scans[-2]:.2f} and {scans[-1]:.2f} s, judgement {judgements[-1]:.2f} s;"
            f" {moved:,} stages changed ({moved / contacts:.1%}, {expected:,} expected), {written:,} standings written"
        )
        execute("VACUUM contacts_standing")
    scanned, judged = statistics.median(scans), statistics.median(judgements)
    ((events, _, _),) = scan(SCAN)
    print(plan)
    print(
        f"{contacts:,} contacts, {events:,} judged events, {os.cpu_count()} cores:"
        f" scan {scanned:.2f} s, judgement {judged:.2f} s: ratio {judged / scanned:.1f}"
    )


def lower_bar(wanted: int) -> tuple[Any, int]:
    """A next version of the definition in force, in which about ``wanted`` leads count as marketing prospects."""
    from contacts.models import Standing
    from scoring.models import Definition
    from scoring.selectors import published_definition

    current, _ = published_definition()
    scores = list(
        Standing.objects.filter(stage="lead", fit_mp__gte=0)
        .order_by("-engagement_mp")
        .values_list("engagement_mp", flat=True)[: wanted + 1]
    )
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
