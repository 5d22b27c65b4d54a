"""Numbers and moments as people read them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.web.formats import (
    format_day,
    format_duration,
    format_exact,
    format_number,
    format_points,
    format_relative,
    format_score,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("millipoints", "text"),
    [
        (0, "0"),
        (40_000, "40"),
        (38_194, "38.194"),
        (500, "0.5"),
        (-2_000, "−2"),
        (1_234_500, "1,234.5"),
        (-7, "−0.007"),
    ],
)
def test_points_are_exact_and_say_nothing_superfluous(millipoints: int, text: str) -> None:
    assert format_points(millipoints) == text


def test_gains_carry_a_plus_where_asked() -> None:
    assert [format_points(n, signed=True) for n in (8_000, 0, -8_000)] == ["+8", "0", "−8"]


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_points_can_be_read_back(millipoints: int) -> None:
    text = format_points(millipoints).replace(",", "").replace("−", "-")
    assert round(float(text) * 1_000) == millipoints


@pytest.mark.parametrize(
    ("millipoints", "text"),
    [(29_960, "29.9"), (30_000, "30"), (0, "0"), (-15_000, "−15"), (-15_500, "−15.5"), (-1, "−0.1")],
)
def test_a_score_below_a_threshold_never_reads_as_if_it_had_reached_it(millipoints: int, text: str) -> None:
    assert format_score(millipoints) == text


def test_numbers_have_thousands_separators() -> None:
    shown = [format_number(n) for n in (0, 999, 9_240, 1_000_000, 2.0, 2.25)]
    assert shown == ["0", "999", "9,240", "1,000,000", "2", "2.2"]


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (timedelta(seconds=-44), "just now"),
        (timedelta(seconds=44), "just now"),
        (timedelta(minutes=-1), "1 minute ago"),
        (timedelta(minutes=-90), "1 hour ago"),
        (timedelta(hours=3), "in 3 hours"),
        (timedelta(days=-6, hours=-23), "6 days ago"),
        (timedelta(days=-7), "15 Nov"),
        (timedelta(days=60), "21 Jan 2027"),
    ],
)
def test_moments_read_as_people_say_them(gap: timedelta, text: str) -> None:
    assert format_relative(NOW + gap, now=NOW) == text


def test_exact_moments_name_their_zone() -> None:
    assert format_exact(datetime(2026, 11, 3, 14, 5, tzinfo=UTC)) == "3 Nov 2026, 14:05 UTC"
    assert format_day(datetime(2025, 11, 3, tzinfo=UTC), now=NOW) == "3 Nov 2025"
    assert format_duration(timedelta(0)) == "0 seconds"
    assert format_duration(timedelta(days=-1, hours=-1)) == "1 day"
