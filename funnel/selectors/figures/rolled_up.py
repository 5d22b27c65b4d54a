"""Figures read from the rollups: the cells of whole months and of the days at a period's ends."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from funnel.analytics import (
    AGES,
    BUCKETS,
    PLACES,
    Period,
    Segment,
    Stretch,
    bucket_quantiles,
    count_buckets,
    exact_quantiles,
    stretches,
)
from funnel.selectors.figures.sums import Months, Pair, Sums, select

# As funnel.models.Tally numbers them; 0 is everybody.
_FACETS: Final = {"source": 1, "motion": 2, "campaign": 3, "country": 4}
_BEGINNING: Final = date(1, 1, 1)

# Pair by pair, for so the key leads straight to the days.
_SUMS: Final = """
SELECT pair.origin, pair.target, sum(moves), sum(reached), sum(loose), sum(strict), sum(skipped), sum(waited)
FROM unnest(%(origins)s::smallint[], %(targets)s::smallint[]) AS pair (origin, target)
CROSS JOIN unnest(%(grains)s::text[], %(firsts)s::date[], %(lasts)s::date[]) AS stretch (grain, first, last)
    CROSS JOIN LATERAL (
        SELECT * FROM funnel_tally AS cell
        WHERE cell.facet = %(facet)s AND cell.grain = stretch.grain AND cell.origin = pair.origin
          AND cell.target = pair.target AND cell.value = %(value)s AND cell.day BETWEEN stretch.first AND stretch.last
    ) AS cells
GROUP BY pair.origin, pair.target
"""
# As text, which numpy reads many times faster than rows: a year has 100,000 and more.
_DAYS: Final = """
SELECT pair.origin, pair.target, string_agg(array_to_string(waits, ','), ',')
FROM unnest(%(origins)s::smallint[], %(targets)s::smallint[]) AS pair (origin, target)
CROSS JOIN unnest(%(firsts)s::date[], %(lasts)s::date[]) AS stretch (first, last)
CROSS JOIN LATERAL (
    SELECT waits FROM funnel_tally AS cell
    WHERE cell.facet = %(facet)s AND cell.grain = 'd' AND cell.origin = pair.origin AND cell.target = pair.target
      AND cell.value = %(value)s AND cell.day BETWEEN stretch.first AND stretch.last AND waited > 0
) AS cells
GROUP BY pair.origin, pair.target
"""
_HISTOGRAMS: Final = """
SELECT pair.origin, pair.target, array_to_string(waits, ',')
FROM unnest(%(origins)s::smallint[], %(targets)s::smallint[]) AS pair (origin, target)
CROSS JOIN unnest(%(firsts)s::date[], %(lasts)s::date[]) AS stretch (first, last)
CROSS JOIN LATERAL (
    SELECT waits FROM funnel_tally AS cell
    WHERE cell.facet = %(facet)s AND cell.grain = 'm' AND cell.origin = pair.origin AND cell.target = pair.target
      AND cell.value = %(value)s AND cell.day BETWEEN stretch.first AND stretch.last AND waited > 0
) AS cells
"""
_MONTHS: Final = """
SELECT day, target = origin, reached, loose, ages FROM funnel_tally
WHERE facet = %(facet)s AND grain = 'm' AND origin = %(origin)s AND target IN (%(origin)s, %(target)s)
  AND value = %(value)s AND day BETWEEN %(first)s AND %(last)s
"""
_SHARES: Final = """
SELECT value, sum(reached), sum(loose)
FROM unnest(%(grains)s::text[], %(firsts)s::date[], %(lasts)s::date[]) AS stretch (grain, first, last)
    CROSS JOIN LATERAL (
    SELECT * FROM funnel_tally AS cell
    WHERE cell.facet = %(facet)s AND cell.grain = stretch.grain AND cell.origin = %(origin)s
      AND cell.target IN (%(origin)s, %(target)s) AND cell.day BETWEEN stretch.first AND stretch.last
) AS cells
WHERE %(value)s::text IS NULL OR value = %(value)s
GROUP BY value HAVING sum(reached) > 0
"""

_ALL_PAIRS: Final = [(origin, target) for origin in range(-1, PLACES) for target in range(PLACES)]


def read_sums(period: Period, segment: Segment) -> Sums:
    """The sums of a segment that rollups answer; at most five queries."""
    sums = Sums()
    asked = _asked(segment)
    rows = select(_SUMS, {**asked, **_pairs(_ALL_PAIRS), **_stretches(stretches(period))})
    for origin, target, moves, reached, loose, strict, skipped, waited in rows:
        pair = origin, target
        sums.moves[pair], sums.loose[pair], sums.strict[pair] = moves, loose, strict
        sums.skipped[pair], sums.waited[pair] = skipped, waited
        sums.reached[origin] += reached
    earlier = [
        Stretch("m", _BEGINNING, period.first.replace(day=1) - timedelta(days=1)),
        Stretch("d", period.first.replace(day=1), period.first - timedelta(days=1)),
    ]
    for origin, target, moves, *_ in select(_SUMS, {**asked, **_pairs(_ALL_PAIRS), **_stretches(earlier)}):
        sums.before[origin, target] = moves
    if few := sums.few:
        found = _read_days(asked, few, [Stretch("d", period.first, period.last)])
        sums.quantiles = {pair: exact_quantiles(waits) for pair, waits in found.items()}
    if many := sums.many:
        parts = stretches(period)
        histograms = _read_months(asked, many, [part for part in parts if part.grain == "m"])
        for pair, waits in _read_days(asked, many, [part for part in parts if part.grain == "d"]).items():
            histograms[pair] = histograms[pair] + count_buckets(waits)
        sums.quantiles |= {pair: bucket_quantiles(histogram) for pair, histogram in histograms.items()}
    return sums


def read_moves(period: Period) -> Counter[Pair]:
    """How often everybody moved from where to where in the period; a query."""
    rows = select(_SUMS, {**_asked(Segment()), **_pairs(_ALL_PAIRS), **_stretches(stretches(period))})
    return Counter({(origin, target): moves for origin, target, moves, *_ in rows})


def _read_days(asked: dict[str, Any], pairs: Sequence[Pair], days: Sequence[Stretch]) -> dict[Pair, NDArray[np.int64]]:
    """The waits of these days, in seconds."""
    rows = select(_DAYS, {**asked, **_pairs(pairs), **_stretches(days)})
    return {(origin, target): _numbers(text) for origin, target, text in rows}


def _read_months(
    asked: dict[str, Any], pairs: Sequence[Pair], months: Sequence[Stretch]
) -> dict[Pair, NDArray[np.int64]]:
    """How many waits of these months are in each bucket."""
    histograms = {pair: np.zeros(BUCKETS, np.int64) for pair in pairs}
    for origin, target, text in select(_HISTOGRAMS, {**asked, **_pairs(pairs), **_stretches(months)}):
        counted = _numbers(text)
        histograms[origin, target][: len(counted)] += counted
    return histograms


def _numbers(text: str) -> NDArray[np.int64]:
    return np.fromstring(text, np.int64, sep=",")


def read_months(first: date, last: date, segment: Segment, pair: Pair) -> Months:
    """The cohorts of these months; one query."""
    months = Months()
    given = {**_asked(segment), "origin": pair[0], "target": pair[1], "first": first, "last": last}
    for day, is_size, reached, loose, ages in select(_MONTHS, given):
        if is_size:
            months.sizes[day] = reached
        else:
            months.ever[day] = loose
            gone_on = 0
            for place in range(len(AGES)):
                gone_on += ages[place]
                months.ages[day][place] = gone_on
    return months


def read_shares(period: Period, segment: Segment, facet: str, pair: Pair) -> list[tuple[str, int, int]]:
    """By value of the facet how many reached the origin, and of them the target; one query."""
    value = getattr(segment, facet)
    given = {"facet": _FACETS[facet], "value": value, "origin": pair[0], "target": pair[1]}
    return select(_SHARES, {**given, **_stretches(stretches(period))})


def has_shares(segment: Segment, facet: str) -> bool:
    """Whether the rollups know the shares of the facet in this segment: it asks for nothing else."""
    others = any(getattr(segment, name) is not None for name in _FACETS if name != facet)
    return facet in _FACETS and segment.is_rolled_up and not others


def _asked(segment: Segment) -> dict[str, Any]:
    for name, number in _FACETS.items():
        if (value := getattr(segment, name)) is not None:
            return {"facet": number, "value": value}
    return {"facet": 0, "value": ""}


def _pairs(pairs: Sequence[Pair]) -> dict[str, Any]:
    return {"origins": [origin for origin, _ in pairs], "targets": [target for _, target in pairs]}


def _stretches(parts: Sequence[Stretch]) -> dict[str, Any]:
    return {
        "grains": [part.grain for part in parts],
        "firsts": [part.first for part in parts],
        "lasts": [part.last for part in parts],
    }
