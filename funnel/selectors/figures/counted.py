"""Figures of any segment, counted from the moves themselves: the rows of contacts, then those of their moves.

Every statement reads the narrow rows of the rollups once, whatever is asked; a million contacts take a second or two.
"""

# ruff: noqa: S608  put together of constants

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from funnel.analytics import AGES, PLACES, QUANTILES, Period, Segment
from funnel.selectors.figures.sums import Months, Pair, Sums, select

_SECONDS_A_DAY: Final = 86_400
_ALL_PAIRS: Final = [(origin, target) for target in range(PLACES) for origin in range(target)]
_COLUMNS: Final = ("source", "motion", "direction", "campaign", "country", "company_id")

_MOVES: Final = """
SELECT origin, target, count(*) FILTER (WHERE at >= %(start)s), count(*) FILTER (WHERE at < %(start)s)
FROM funnel_passage AS passage JOIN funnel_reached AS came USING (contact_id)
WHERE at < %(end)s AND {segment} GROUP BY origin, target
"""
# Moments ascend: whoever reached nothing within the period is left out at once.
_WITHIN: Final = "moments[1] < %(end)s AND moments[cardinality(moments)] >= %(start)s"
# Who came equally far in the same way is one row: some hundreds, whatever the number of contacts.
_WAYS: Final = f"""
SELECT cardinality(moments), strict, skipped,
       {
    " | ".join(
        f"CASE WHEN moments[{place + 1}] >= %(start)s AND moments[{place + 1}] < %(end)s THEN {1 << place} ELSE 0 END"
        for place in range(PLACES)
    )
} AS within, count(*)
FROM funnel_reached AS came
WHERE {_WITHIN} AND {{segment}} GROUP BY 1, 2, 3, 4
"""
_PAIRS: Final = f"""
FROM funnel_reached AS came JOIN (VALUES {", ".join(map(str, _ALL_PAIRS))}) AS pair (origin, target)
    ON moments[1 + target] >= %(start)s AND moments[1 + target] < %(end)s
WHERE {_WITHIN} AND cardinality(moments) > 1 AND {{segment}}
"""
_WAIT: Final = "round(date_part('epoch', moments[1 + target] - moments[1 + origin]))::integer"
_BUCKETS: Final = f"SELECT origin, target, funnel_wait_bucket({_WAIT}), count(*) {_PAIRS} GROUP BY 1, 2, 3"
_EXACT: Final = f"""
SELECT origin, target, percentile_cont(%(quantiles)s::float8[]) WITHIN GROUP (ORDER BY {_WAIT})
{_PAIRS} AND (origin, target) IN (SELECT * FROM unnest(%(origins)s::integer[], %(targets)s::integer[]))
GROUP BY origin, target
"""
_OF_ORIGIN: Final = """
FROM funnel_reached AS came WHERE moments[%(origin)s] >= %(start)s AND moments[%(origin)s] < %(end)s AND {segment}
"""
_ON_TIME: Final = ", ".join(
    f"count(*) FILTER (WHERE round(date_part('epoch', moments[%(target)s] - moments[%(origin)s])) "
    f"<= {days * _SECONDS_A_DAY})"
    for days in AGES
)
_MONTHS: Final = f"""
SELECT date_trunc('month', moments[%(origin)s] AT TIME ZONE 'UTC')::date, count(*), count(moments[%(target)s]),
       {_ON_TIME}
{_OF_ORIGIN} GROUP BY 1
"""
_SHARES: Final = f"SELECT {{facet}}, count(*), count(moments[%(target)s]) {_OF_ORIGIN} GROUP BY 1"


def count_sums(period: Period, segment: Segment) -> Sums:
    """The sums of any segment; four queries at most."""
    sums = Sums()
    given = {**asked(segment), "start": period.start, "end": period.end}
    chosen = condition(segment)
    for origin, target, within, before in select(_MOVES.format(segment=chosen), given):
        sums.moves[origin, target], sums.before[origin, target] = within, before
    for furthest, strict, skipped, began, people in select(_WAYS.format(segment=chosen), given):
        for origin in range(furthest):
            if not began >> origin & 1:
                continue
            sums.reached[origin] += people
            for target in range(origin + 1, furthest):
                bit = PLACES * origin + target
                sums.loose[origin, target] += people
                sums.strict[origin, target] += people * (strict >> bit & 1)
                sums.skipped[origin, target] += people * (skipped >> bit & 1)
    buckets = select(_BUCKETS.format(segment=chosen), given)
    for origin, target, _, waits in buckets:
        sums.waited[origin, target] += waits
    many = set(sums.many)
    sums.take_buckets(row for row in buckets if (row[0], row[1]) in many)
    if few := sums.few:
        pairs = {"origins": [origin for origin, _ in few], "targets": [target for _, target in few]}
        exact = select(_EXACT.format(segment=chosen), {**given, **pairs, "quantiles": list(QUANTILES)})
        sums.quantiles.update({(origin, target): found for origin, target, found in exact})
    return sums


def count_months(first: date, last: date, segment: Segment, pair: Pair) -> Months:
    """The cohorts of the months between these days; one query."""
    months = Months()
    rows = select(_MONTHS.format(segment=condition(segment)), _of_origin(Period(first, last), segment, pair))
    for month, size, ever, *ages in rows:
        months.sizes[month], months.ever[month], months.ages[month] = size, ever, ages
    return months


def count_shares(period: Period, segment: Segment, facet: str, pair: Pair) -> list[tuple[str, int, int]]:
    """By value of a facet how many reached the origin, and of them the target; one query."""
    # One of ours: it becomes part of the statement.
    column = _COLUMNS[_COLUMNS.index(facet)]
    return select(_SHARES.format(facet=column, segment=condition(segment)), _of_origin(period, segment, pair))


def condition(segment: Segment) -> str:
    """The segment as a condition on ``funnel_reached AS came``; its parameters are ``asked``."""
    parts = [f"came.{name} = %({name})s" for name in _COLUMNS if getattr(segment, name) is not None]
    companies = [
        text
        for name, text in (
            ("industry", "industry = %(industry)s"),
            ("employees_at_least", "employees >= %(employees_at_least)s"),
            ("employees_at_most", "employees <= %(employees_at_most)s"),
        )
        if getattr(segment, name) is not None
    ]
    if companies:
        parts.append(f"came.company_id IN (SELECT id FROM contacts_company WHERE {' AND '.join(companies)})")
    return " AND ".join(parts) or "true"


def asked(segment: Segment) -> dict[str, Any]:
    """The parameters of ``condition``."""
    return {name: getattr(segment, name) for name in (*_COLUMNS, "industry", "employees_at_least", "employees_at_most")}


def _of_origin(period: Period, segment: Segment, pair: Sequence[int]) -> dict[str, Any]:
    # Arrays begin at 1.
    places = {"origin": pair[0] + 1, "target": pair[1] + 1}
    return {**asked(segment), **places, "start": period.start, "end": period.end}
