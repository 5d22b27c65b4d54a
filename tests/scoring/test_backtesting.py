"""Figures of a backtest against slow, straightforward ways to come by them."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.engine.backtesting import (
    Chosen,
    LeadTimes,
    Rules,
    Share,
    Tally,
    brier,
    count_bands,
    median,
    percentile,
    rank,
    thresholds,
)
from scoring.engine.facts import DAY, NEVER, likelihood_of
from scoring.engine.observing import _spread, month_ends
from scoring.moments import to_micros

# Naive: hypothesis adds the zone.
YEARS = (datetime.fromisoformat("1999-01-01"), datetime.fromisoformat("2040-01-01"))

pairs = st.lists(st.tuples(st.integers(-40, 60), st.booleans()), max_size=60)


def tally(found: Sequence[tuple[int, bool]], parts: int = 1) -> Tally:
    made = Tally()
    for part in range(parts):
        rows = found[part::parts]
        made.add(
            np.array([score for score, _ in rows], dtype=np.int64), np.array([came for _, came in rows], dtype=np.bool_)
        )
    return made


@given(pairs, st.integers(1, 4))
def test_the_area_is_the_share_of_pairs_in_the_right_order(found: list[tuple[int, bool]], parts: int) -> None:
    positives = [score for score, came in found if came]
    negatives = [score for score, came in found if not came]
    ranking = rank(tally(found, parts))
    if not positives or not negatives:
        assert ranking.auc is None
        assert ranking.interval is None
        return
    wins = sum((high > low) + (high == low) / 2 for high in positives for low in negatives)
    assert ranking.auc == pytest.approx(wins / len(positives) / len(negatives), abs=1e-12)
    assert ranking.auc is not None
    assert ranking.interval is not None
    assert ranking.interval[0] <= ranking.auc <= ranking.interval[1]


def test_the_error_of_the_area_is_that_of_hanley_and_mcneil() -> None:
    # Worked by hand from the paper's formula: area 0.75 of 2 positives and 2 negatives.
    found = [(1, False), (2, True), (3, False), (4, True)]
    first, second = 0.75 / 1.25, 2 * 0.75**2 / 1.75
    error = math.sqrt((0.75 * 0.25 + (first - 0.75**2) + (second - 0.75**2)) / 4)
    assert rank(tally(found)).error == pytest.approx(error)
    assert rank(tally(found * 50), weight=0.1).error > rank(tally(found * 50)).error  # type: ignore[operator]  # a float


@given(pairs, st.integers(-45, 65), st.integers(0, 30), st.integers(1, 3))
def test_cuts_and_bands_count_what_is_there(found: list[tuple[int, bool]], cut: int, width: int, parts: int) -> None:
    made = tally(found, parts)
    above = [came for score, came in found if score >= cut]
    inside = [came for score, came in found if cut <= score < cut + width]
    assert made.at_least(cut) == Share(len(above), sum(above))
    assert made.between(cut, cut + width) == Share(len(inside), sum(inside))
    values = [score for score, _ in found if cut <= score < cut + width]
    expected = pytest.approx(sum(values) / len(values)) if values else None
    assert made.mean(cut, cut + width, lambda scores: scores.astype(np.float64)) == expected
    chosen = Chosen(made.at_least(cut), made.total)
    every = [came for _, came in found]
    assert chosen.precision == (sum(above) / len(above) if above else None)
    assert chosen.recall == (sum(above) / sum(every) if any(every) else None)
    assert chosen.share == (len(above) / len(every) if every else None)
    if above and any(every):
        assert chosen.lift == pytest.approx(sum(above) / len(above) / (sum(every) / len(every)))
    else:
        assert chosen.lift is None


@given(st.integers(0, 400), st.data(), st.floats(0.01, 1))
def test_the_interval_of_a_rate_is_wilsons(number: int, data: st.DataObject, weight: float) -> None:
    share = Share(number, data.draw(st.integers(0, number)), weight)
    if not number:
        assert share.rate is None
        assert share.interval is None
        return
    rate, size, z = share.outcomes / number, number * weight, 1.959963984540054
    assert share.interval is not None
    low, high = share.interval
    # Wilson's bounds are where |p - rate| = z * sqrt(p (1 - p) / n).
    for bound in (low, high):
        assert abs(bound - rate) == pytest.approx(z * math.sqrt(max(bound * (1 - bound), 0) / size), abs=1e-6)
    assert 0 <= low <= rate + 1e-9
    assert rate - 1e-9 <= high <= 1


def test_nothing_gives_no_figures() -> None:
    nothing = Share(0, 0)
    assert (nothing.rate, nothing.interval, nothing.lift(0.5), nothing.lift_interval(0.5)) == (None, None, None, None)
    assert Share(3, 1).lift(0.0) is None
    assert Share(3, 1).lift(None) is None
    assert thresholds(Tally(), most=10, unit=1) == []
    assert (median(np.empty(0)), percentile(np.empty(0), 0.9), brier(Tally(), likelihood_of)) == (None, None, None)
    assert LeadTimes.none(2).days(1).tolist() == []


@given(st.lists(st.tuples(st.integers(-30_000, 300_000), st.booleans()), min_size=1, max_size=80))
def test_thresholds_are_round_few_and_reach_from_end_to_end(found: list[tuple[int, bool]]) -> None:
    made = tally(found)
    cuts = thresholds(made, most=20, unit=1_000)
    assert cuts == sorted(set(cuts))
    assert all(cut % 1_000 == 0 for cut in cuts)
    assert len(cuts) < 40
    assert made.at_least(cuts[0]) == made.total
    assert made.at_least(cuts[-1]).number > 0


def test_thresholds_of_plain_scores() -> None:
    scores = [(score * 1_000, score > 50) for score in range(101)]
    assert thresholds(tally(scores), most=10, unit=1_000) == list(range(0, 100_000, 10_000))
    # One extreme score does not stretch the steps.
    far = thresholds(tally([*scores * 3, (9_000_000, False)]), most=10, unit=1_000)
    assert far[:11] == list(range(0, 110_000, 10_000))
    assert far[-1] < 9_000_000
    assert len(far) < 20


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=40))
def test_rules_count_where_they_weigh(rows: list[tuple[bool, bool, bool]]) -> None:
    rules = Rules.none(2)
    for part in (rows[::2], rows[1::2]):
        weighs = np.array([row[:2] for row in part], dtype=np.bool_).reshape(len(part), 2)
        rules.add(weighs, np.array([row[2] for row in part], dtype=np.bool_))
    for place, share in enumerate(rules.shares(0.5)):
        with_it = [row[2] for row in rows if row[place]]
        assert (share.number, share.outcomes) == (len(with_it), sum(with_it))
        assert share.enough == (len(with_it) >= 60)


def test_lead_times_are_from_the_first_time_at_a_stage_to_the_outcome() -> None:
    lead = LeadTimes.none(2)
    lead.add(
        np.array([10, 20, 30, 40], dtype=np.int64) * DAY,
        np.array([True, True, True, False]),
        np.array([1, 0, 1, -1], dtype=np.int16),
        np.array([[1 * DAY, 4 * DAY], [5 * DAY, NEVER], [10 * DAY, 10 * DAY], [NEVER, NEVER]], dtype=np.int64),
    )
    assert (lead.buyers, lead.unknown, lead.standing.tolist()) == (4, 1, [3, 2])
    assert lead.days(0).tolist() == [9, 15, 20]
    assert lead.days(1).tolist() == [6, 20]
    assert (median(lead.days(1)), percentile(lead.days(0), 0.5)) == (13, 15)
    assert count_bands(lead.days(0), [0, 10, 15]) == [1, 0, 2]


@given(st.lists(st.tuples(st.integers(-8_000_000, 8_000_000), st.booleans()), min_size=1, max_size=40))
def test_the_brier_score_is_the_mean_squared_error(found: list[tuple[int, bool]]) -> None:
    errors = [(1 / (1 + math.exp(-score / 1_000_000)) - came) ** 2 for score, came in found]
    assert brier(tally(found), likelihood_of) == pytest.approx(sum(errors) / len(errors))


@given(pairs.filter(bool), st.floats(0, 1))
def test_a_quantile_is_the_least_score_that_enough_do_not_exceed(found: list[tuple[int, bool]], share: float) -> None:
    scores = sorted(score for score, _ in found)
    got = tally(found).quantile(share)
    assert got in scores
    assert sum(score <= got for score in scores) >= share * len(scores)
    assert all(sum(score <= less for score in scores) < share * len(scores) for less in scores if less < got)


@given(st.datetimes(YEARS[0], YEARS[1], timezones=st.just(UTC)), st.integers(0, 900 * DAY))
def test_month_ends_are_the_last_instants_of_months(first: datetime, length: int) -> None:
    start = to_micros(first)
    found = month_ends(start, start + length).tolist()
    expected = []
    year, month = first.year, first.month
    while True:
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        end = to_micros(datetime(year, month, 1, tzinfo=UTC)) - 1
        if end > start + length:
            break
        expected.append(end)
    assert found == expected


@given(st.lists(st.integers(0, 60), max_size=5), st.integers(1, 14))
def test_spread_takes_the_middle_of_equal_parts(sizes: list[int], most: int) -> None:
    contact = np.repeat(np.arange(len(sizes)), sizes)
    kept = _spread(contact, len(sizes), most)
    start = 0
    for size in sizes:
        rows = {row for row in range(size) if kept[start + row]}
        middles = {(2 * part + 1) * size // (2 * most) for part in range(most)}
        assert rows == (middles if size > most else set(range(size)))
        start += size
