"""Numbers and moments as people read them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from config.web.formats import (
    DAY_FORMATS,
    format_clock,
    format_date,
    format_day,
    format_duration,
    format_exact,
    format_length,
    format_long_date,
    format_month,
    format_number,
    format_percent,
    format_points,
    format_relative,
    format_score,
    format_weekday,
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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45 s"), (720, "12 min"), (19_080, "5.3 h"), (14.7 * 86_400, "14.7 days"), (1_234 * 86_400, "1,234 days")],
)
def test_measured_lengths_have_one_digit(seconds: float, text: str) -> None:
    assert format_length(seconds) == text


def test_days_name_the_year_only_where_it_is_another() -> None:
    day, today = date(2026, 11, 3), NOW.date()
    assert [format_date(day, today=today), format_date(day)] == ["3 Nov", "3 Nov 2026"]
    assert [format_long_date(day, today=today), format_long_date(day)] == ["3 November", "3 November 2026"]
    assert format_weekday(day, today=today) == "Tuesday 3 November"
    assert format_weekday(date(2025, 11, 3), today=today) == "3 November 2025"
    assert format_month(day) == "Nov 2026"


def test_moments_stand_in_the_zone_of_whoever_looks() -> None:
    late = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert format_day(late, now=NOW) == "4 Nov"
        assert format_clock(late) == "00:30"
        assert format_exact(late) == "4 Nov 2026, 00:30 CET"


def test_every_language_says_how_it_writes_days() -> None:
    assert {code.partition("-")[0] for code, _ in settings.LANGUAGES} <= DAY_FORMATS.keys()


def test_german_pages_read_german() -> None:
    day, now = date(2026, 11, 3), NOW
    with translation.override("de"):
        assert [format_number(9_240.5), format_points(1_234_500), format_points(-7)] == ["9.240,5", "1.234,5", "−0,007"]
        assert [format_percent(0.805, 1), format_length(19_080).partition(" ")[0]] == ["80,5 %", "5,3"]
        assert [format_date(day, today=now.date()), format_date(day)] == ["3. Nov.", "3. Nov. 2026"]
        assert format_weekday(day, today=now.date()) == "Dienstag, 3. November"
        assert format_exact(datetime(2026, 11, 3, 14, 5, tzinfo=UTC)) == "3. Nov. 2026, 14:05 UTC"


def test_a_number_in_a_template_is_written_in_its_reader_s_language() -> None:
    page = Template("{% load ui %}{{ n|number }} {{ share|percent:1 }} {{ x|decimal }} {{ mp|score }} {{ day|month }}")
    values = Context({"n": 12_345, "share": 0.1234, "x": 0.5, "mp": 29_960, "day": date(2026, 3, 1)})
    assert page.render(values) == "12,345 12.3 % 0.50 29.9 Mar 2026"
    with translation.override("de"):
        assert page.render(values) == "12.345 12,3 % 0,50 29,9 März 2026"
