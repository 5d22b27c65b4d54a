"""Counts, conversion, velocity, flows, cohorts and shares."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from funnel.analytics import (
    AGES,
    EXACT_BELOW,
    Cohort,
    Flow,
    Period,
    Report,
    Segment,
    Share,
    StageFigures,
    Step,
    Velocity,
    is_watched,
    next_month,
)
from funnel.selectors.figures.counted import count_months, count_shares, count_sums
from funnel.selectors.figures.rolled_up import has_shares, read_months, read_moves, read_shares, read_sums
from funnel.selectors.figures.sums import Pair, Sums, counted_stages

# What shares are told of: the names of Segment's fields.
FACETS: Final = ("source", "motion", "direction", "campaign", "country")


def report(*, period: Period, segment: Segment) -> Report:
    """All figures of one period and segment; at most five queries.

    From rollups where ``segment.is_rolled_up``, else counted from the moves, which takes a second or two for a million
    contacts.
    """
    order = counted_stages()
    sums = read_sums(period, segment) if segment.is_rolled_up else count_sums(period, segment)
    keys = {-1: "", **dict(enumerate(order))}
    pairs = [(origin, target) for origin in range(len(order)) for target in range(origin + 1, len(order))]
    return Report(
        period=period,
        segment=segment,
        stages=_stages(order, sums),
        steps=tuple(
            Step(
                keys[pair[0]],
                keys[pair[1]],
                reached=sums.reached[pair[0]],
                strict=sums.strict[pair],
                loose=sums.loose[pair],
                skipped=sums.skipped[pair],
            )
            for pair in pairs
        ),
        velocities=tuple(_velocity(keys[pair[0]], keys[pair[1]], pair, sums) for pair in pairs),
        flows=_flows(order, sums.moves),
        entered_at=tuple((keys[place], sums.moves[-1, place]) for place in range(1, len(order))),
    )


def flows(*, period: Period) -> tuple[Flow, ...]:
    """The moves of everybody in the period, as ``report`` has them, and no other figure; a query beside the stages'."""
    return _flows(counted_stages(), read_moves(period))


def cohorts(*, period: Period, segment: Segment, origin: str, target: str, now: datetime) -> tuple[Cohort, ...]:
    """Cohorts by the month in which contacts reached ``origin``, of the months that the period touches; two queries.

    Raises:
        ValueError: one of the stages is not counted.
    """
    order = counted_stages()
    pair = order.index(origin), order.index(target)
    first, last = period.first.replace(day=1), next_month(period.last) - timedelta(days=1)
    months = (read_months if segment.is_rolled_up else count_months)(first, last, segment, pair)
    return tuple(
        Cohort(
            month=month,
            size=months.sizes[month],
            ever=months.ever[month],
            within=tuple(
                (days, months.ages[month][place], is_watched(month, days, now=now)) for place, days in enumerate(AGES)
            ),
        )
        for month in sorted(months.sizes)
        if months.sizes[month]
    )


def shares(*, period: Period, segment: Segment, facet: str, origin: str, target: str) -> tuple[Share, ...]:
    """By the values of a facet (one of ``FACETS``): how many reached ``origin``, and how many of them ``target``.

    The largest first; two queries.

    Raises:
        ValueError: one of the stages is not counted, or there is no such facet.
    """
    order = counted_stages()
    pair = order.index(origin), order.index(target)
    if facet not in FACETS:
        raise ValueError(f"{facet!r} is no facet")
    rows = (read_shares if has_shares(segment, facet) else count_shares)(period, segment, facet, pair)
    return tuple(Share(*row) for row in sorted(rows, key=lambda row: (-row[1], row[0])))


def _flows(order: tuple[str, ...], moves: Counter[Pair]) -> tuple[Flow, ...]:
    keys = {-1: "", **dict(enumerate(order))}
    return tuple(Flow(keys[origin], keys[target], count) for (origin, target), count in sorted(moves.items()) if count)


def _stages(order: tuple[str, ...], sums: Sums) -> tuple[StageFigures, ...]:
    before: Counter[int] = Counter()
    entries: Counter[int] = Counter()
    exits: Counter[int] = Counter()
    for (origin, target), moves in sums.before.items():
        before[target] += moves
        before[origin] -= moves
    for (origin, target), moves in sums.moves.items():
        entries[target] += moves
        exits[origin] += moves
    return tuple(
        StageFigures(key, before[place], before[place] + entries[place] - exits[place], entries[place], exits[place])
        for place, key in enumerate(order)
    )


def _velocity(origin: str, target: str, pair: Pair, sums: Sums) -> Velocity:
    p10, median, p90 = sums.quantiles.get(pair, (None, None, None))
    waited = sums.waited[pair]
    return Velocity(origin, target, waited, p10, median, p90, exact=waited < EXACT_BELOW)
