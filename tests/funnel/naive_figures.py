"""The figures once more, one contact at a time and straight from the transitions: what the rollups are held against."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter

import numpy as np
from django.db.models import Q

from contacts.models import Contact
from funnel.analytics import (
    AGES,
    Cohort,
    Flow,
    Period,
    Report,
    Segment,
    Share,
    StageFigures,
    Step,
    Velocity,
    next_month,
)
from scoring.models import Transition
from scoring.selectors import published_definition

ARRIVAL = -1
COLUMNS = {
    "source": "source_channel",
    "motion": "source_motion",
    "direction": "source_direction",
    "campaign": "source_campaign",
    "country": "country",
}


@dataclass(frozen=True, slots=True)
class Track:
    """A contact's moves in time order, (moment, place it came from, place it came to), and when it reached each place.

    Places count the published definition's stages from the weakest, 0; ``ARRIVAL`` comes before all.
    """

    contact_id: int
    moves: tuple[tuple[datetime, int, int], ...]
    reached: tuple[datetime, ...]

    def strict_to(self, origin: int) -> int | None:
        """The place of the very next move after it came to stand at ``origin`` on reaching it."""
        for place, (at, _, target) in enumerate(self.moves):
            if at == self.reached[origin]:
                follows = self.moves[place + 1][2] if place + 1 < len(self.moves) else None
                return follows if target == origin else None
        return None

    def skipped(self, origin: int, target: int) -> bool:
        """Whether it reached ``target`` without having stood at ``origin``."""
        return not any(stood == origin and at < self.reached[target] for at, _, stood in self.moves)


def stage_order() -> tuple[str, ...]:
    """Keys of the published definition's stages, weakest first."""
    return tuple(stage.key for stage in published_definition()[1].stages)


def tracks(segment: Segment) -> Iterator[Track]:
    """The tracks of all contacts of the segment."""
    document = published_definition()[1]
    rows = (
        Transition.objects.filter(_of(segment), superseded_at=None)
        .order_by("contact_id", "effective_at")
        .values_list("contact_id", "effective_at", "from_stage", "to_stage")
    )
    for contact_id, chain in groupby(rows.iterator(chunk_size=10_000), key=itemgetter(0)):
        moves: list[tuple[datetime, int, int]] = []
        reached: list[datetime] = []
        for _, at, came_from, came_to in chain:
            origin, target = document.stage_rank(came_from), document.stage_rank(came_to)
            if origin == target:
                continue
            moves.append((at, origin, target))
            reached += [at] * (target + 1 - len(reached))
        if moves:
            yield Track(contact_id, tuple(moves), tuple(reached))


def _of(segment: Segment) -> Q:
    asked = {
        "contact__source_channel": segment.source,
        "contact__source_motion": segment.motion,
        "contact__source_campaign": segment.campaign,
        "contact__country": segment.country,
        "contact__source_direction": segment.direction,
        "contact__company": segment.company_id,
        "contact__company__industry": segment.industry,
        "contact__company__employees__gte": segment.employees_at_least,
        "contact__company__employees__lte": segment.employees_at_most,
    }
    return Q(**{name: value for name, value in asked.items() if value is not None})


def report(*, period: Period, segment: Segment) -> Report:
    """All figures of one period and segment."""
    order = stage_order()
    start, end = period.start, period.end
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
    whole = Period(period.first.replace(day=1), next_month(period.last) - timedelta(days=1))
    start, end = whole.start, whole.end
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
        last = Period(month, next_month(month) - timedelta(days=1)).end
        within = tuple(
            (
                days,
                sum(seconds(wait) <= days * 86_400 for wait in waits[month]),
                last + timedelta(days=days) <= now,
            )
            for days in AGES
        )
        found.append(Cohort(month=month, size=sizes[month], ever=len(waits[month]), within=within))
    return tuple(found)


def shares(*, period: Period, segment: Segment, facet: str, origin: str, target: str) -> tuple[Share, ...]:
    """By the values of a facet : how many reached ``origin``, and how many of them ``target``."""
    order = stage_order()
    place, goal = order.index(origin), order.index(target)
    start, end = period.start, period.end
    values = dict(Contact.objects.values_list("pk", COLUMNS[facet]))
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
                waits[origin, target].append(seconds(at - track.reached[origin]))


def _velocity(origin: str, target: str, waits: Sequence[float]) -> Velocity:
    if not waits:
        return Velocity(origin, target, 0, None, None, None, exact=True)
    p10, median, p90 = (float(value) for value in np.percentile(waits, [10, 50, 90]))
    return Velocity(origin, target, len(waits), p10, median, p90, exact=True)


def seconds(wait: timedelta) -> int:
    """A wait in whole seconds, as it is counted."""
    return int(np.rint(wait.total_seconds()))
