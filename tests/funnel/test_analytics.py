"""The arithmetic of the figures: periods taken apart, and quantiles from buckets."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.analytics import (
    QUANTILES,
    Period,
    Stretch,
    bucket_quantiles,
    count_buckets,
    exact_quantiles,
    is_watched,
    stretches,
)

days = st.dates(date(2019, 1, 1), date(2027, 12, 31))


@settings(max_examples=50)
@given(days, st.integers(0, 1200))
def test_the_parts_of_a_period_are_all_of_it_and_few(first: date, length: int) -> None:
    period = Period(first, first + timedelta(days=length))
    covered = []
    for part in stretches(period):
        assert part.first <= part.last
        if part.grain == "m":
            assert part.first.day == 1
            assert (part.last + timedelta(days=1)).day == 1
        else:
            assert (part.last - part.first).days < 60
        covered += [part.first + timedelta(days=place) for place in range((part.last - part.first).days + 1)]
    assert covered == [first + timedelta(days=place) for place in range(length + 1)]


def test_a_year_is_a_dozen_months_and_the_days_at_its_ends() -> None:
    assert stretches(Period(date(2025, 11, 23), date(2026, 11, 22))) == (
        Stretch("d", date(2025, 11, 23), date(2025, 11, 30)),
        Stretch("m", date(2025, 12, 1), date(2026, 10, 31)),
        Stretch("d", date(2026, 11, 1), date(2026, 11, 22)),
    )
    assert stretches(Period(date(2026, 2, 1), date(2026, 2, 28))) == (
        Stretch("m", date(2026, 2, 1), date(2026, 2, 28)),
    )


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 300), min_size=1, max_size=200))
def test_quantiles_from_buckets_are_within_two_percent(waits: list[int]) -> None:
    exact = exact_quantiles(np.array(waits))
    found = bucket_quantiles(count_buckets(np.array(waits)))
    for near, true in zip(found, exact, strict=True):
        assert near == pytest.approx(true, rel=0.02)


def test_exact_quantiles_interpolate() -> None:
    assert QUANTILES == (0.1, 0.5, 0.9)
    assert exact_quantiles(np.array([0, 10])) == [1.0, 5.0, 9.0]


def test_a_month_is_watched_when_its_last_member_was() -> None:
    end = datetime(2026, 3, 1, tzinfo=UTC)
    assert is_watched(date(2026, 2, 1), 30, now=end + timedelta(days=30))
    assert not is_watched(date(2026, 2, 1), 30, now=end + timedelta(days=29, hours=23))
