"""Counts, conversion, velocity, flows, cohorts and shares."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from contacts.models import Contact
from funnel.analytics import Cohort, Flow, Period, Report, Segment, Share, StageFigures, Step, Velocity
from funnel.selectors.figures.tracks import ARRIVAL, Track, bounds, stage_order, tracks

# After so many days it is asked how many of a cohort have gone on.
AGES: Final = (7, 14, 30, 60, 90, 180, 365)
FACETS: Final = {
    "source": "source_channel",
    "motion": "source_motion",
    "direction": "source_direction",
    "campaign": "source_campaign",
    "country": "country",
}


def counted_stages() -> tuple[str, ...]:
    """Keys of the stages that the figures are about, weakest first."""
    return stage_order()


def report(*, period: Period, segment: Segment) -> Report:
    """All figures of one period and segment."""
    order = stage_order()
    start, end = bounds(period)
    flows: Counter[tuple[int, int]] = Counter()
    earlier: Counter[int] = Counter()
    steps: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    waits: dict[tuple[int, int], list[float]] = defaultdict(list)
    for track in tracks(segment):
        for at, origin, target in track.moves:
            if at < start:
                earlier.update({target: 1})
                earlier.subtract({origin: 1})
            elif at < end:
                flows[origin, target] += 1
        _count_steps(track, steps, start, end)
        _note_waits(track, waits, start, end)
    keys = {ARRIVAL: "", **dict(enumerate(order))}
    pairs = [(origin, target) for origin in range(len(order)) for target in range(origin + 1, len(order))]
    entries: Counter[int] = Counter()
    exits: Counter[int] = Counter()
    for (origin, target), moves in flows.items():
        entries[target] += moves
        exits[origin] += moves
    return Report(
        period=period,
        segment=segment,
        stages=tuple(
            StageFigures(
                key, earlier[place], earlier[place] + entries[place] - exits[place], entries[place], exits[place]
            )
            for place, key in enumerate(order)
        ),
        steps=tuple(
            Step(
                keys[origin],
                keys[target],
                reached=steps[origin, target]["reached"],
                strict=steps[origin, target]["strict"],
                loose=steps[origin, target]["loose"],
                skipped=steps[origin, target]["skipped"],
            )
            for origin, target in pairs
        ),
        velocities=tuple(_velocity(keys[origin], keys[target], waits[origin, target]) for origin, target in pairs),
        flows=tuple(Flow(keys[origin], keys[target], moves) for (origin, target), moves in sorted(flows.items())),
        entered_at=tuple((keys[target], flows[ARRIVAL, target]) for target in range(1, len(order))),
    )


def cohorts(*, period: Period, segment: Segment, origin: str, target: str, now: datetime) -> tuple[Cohort, ...]:
    """Cohorts by the month in which contacts reached ``origin``, of the months that the period touches."""
    order = stage_order()
    place, goal = order.index(origin), order.index(target)
    start = bounds(Period(period.first.replace(day=1), period.last))[0]
    end = bounds(Period(_next_month(period.last) - timedelta(days=1), _next_month(period.last) - timedelta(days=1)))[1]
    sizes: Counter[date] = Counter()
    waits: dict[date, list[timedelta]] = defaultdict(list)
    for track in tracks(segment):
        if len(track.reached) <= place or not start <= track.reached[place] < end:
            continue
        month = track.reached[place].date().replace(day=1)
        sizes[month] += 1
        if len(track.reached) > goal:
            waits[month].append(track.reached[goal] - track.reached[place])
    found = []
    for month in sorted(sizes):
        last = bounds(Period(month, _next_month(month) - timedelta(days=1)))[1]
        within = tuple(
            (
                days,
                sum(wait <= timedelta(days=days) for wait in waits[month]),
                last + timedelta(days=days) <= now,
            )
            for days in AGES
        )
        found.append(Cohort(month=month, size=sizes[month], ever=len(waits[month]), within=within))
    return tuple(found)


def shares(*, period: Period, segment: Segment, facet: str, origin: str, target: str) -> tuple[Share, ...]:
    """By the values of a facet (a key of ``FACETS``): how many reached ``origin``, and how many of them ``target``."""
    order = stage_order()
    place, goal = order.index(origin), order.index(target)
    start, end = bounds(period)
    values = dict(Contact.objects.values_list("pk", FACETS[facet]))
    reached: Counter[str] = Counter()
    converted: Counter[str] = Counter()
    for track in tracks(segment):
        if len(track.reached) > place and start <= track.reached[place] < end:
            reached[values[track.contact_id]] += 1
            converted[values[track.contact_id]] += len(track.reached) > goal
    rows = [Share(label, reached[label], converted[label]) for label in reached]
    return tuple(sorted(rows, key=lambda row: (-row.reached, row.label)))


def _count_steps(track: Track, steps: dict[tuple[int, int], Counter[str]], start: datetime, end: datetime) -> None:
    places = len(stage_order())
    for origin, at in enumerate(track.reached):
        if not start <= at < end:
            continue
        strict_to = track.strict_to(origin)
        for target in range(origin + 1, places):
            loose = len(track.reached) > target
            steps[origin, target].update(
                reached=1,
                strict=int(strict_to == target),
                loose=int(loose),
                skipped=int(loose and track.skipped(origin, target)),
            )


def _note_waits(track: Track, waits: dict[tuple[int, int], list[float]], start: datetime, end: datetime) -> None:
    for target, at in enumerate(track.reached):
        if start <= at < end:
            for origin in range(target):
                waits[origin, target].append((at - track.reached[origin]).total_seconds())


def _velocity(origin: str, target: str, waits: Sequence[float]) -> Velocity:
    if not waits:
        return Velocity(origin, target, 0, None, None, None, exact=True)
    p10, median, p90 = (float(value) for value in np.percentile(waits, [10, 50, 90]))
    return Velocity(origin, target, len(waits), p10, median, p90, exact=True)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
