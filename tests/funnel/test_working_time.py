"""Business time against a table of cases worked out by hand, and against a clock that is watched minute by minute."""

from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.working_time import WEEKDAYS, NeverWorks, WorkingHours, WorkingTime, minutes_of, week_of, working_time

OFFICE = {day: [["09:00", "17:00"]] for day in WEEKDAYS[:5]}
SPLIT = {day: [["09:00", "12:00"], ["13:00", "17:00"]] for day in WEEKDAYS[:5]}
ALWAYS = {day: [["00:00", "24:00"]] for day in WEEKDAYS}
SUNDAY_NIGHT = {"sun": [["01:30", "03:30"]]}
NIGHTS = {"fri": [["22:00", "24:00"]], "sat": [["00:00", "06:00"], ["22:00", "24:00"]], "sun": [["00:00", "06:00"]]}

BERLIN, NEW_YORK, LORD_HOWE, SANTIAGO, KOLKATA = ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kolkata",
)
CHRISTMAS = (date(2026, 12, 24), date(2026, 12, 25), date(2027, 1, 1))


def calendar(zone: str, hours: dict[str, list[list[str]]], *free: date) -> WorkingTime:
    return working_time(WorkingHours(zone, week_of(hours), frozenset(free)))


def wall(zone: str, text: str, fold: int = 0) -> datetime:
    """A moment by the wall clock of a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


# In each zone by its own wall clock: since when, how many hours, and when they have run.
TABLE = [
    # Weekends and evenings.
    *((zone, OFFICE, (), "2026-06-19T16:00", 4.0, "2026-06-22T12:00") for zone in ZONES),
    *((zone, OFFICE, (), "2026-06-20T11:00", 4.0, "2026-06-22T13:00") for zone in ZONES),
    *((zone, OFFICE, (), "2026-06-18T20:30", 8.0, "2026-06-19T17:00") for zone in ZONES),
    *((zone, OFFICE, (), "2026-06-18T09:00", 16.0, "2026-06-19T17:00") for zone in ZONES),
    *((zone, SPLIT, (), "2026-06-18T11:30", 1.0, "2026-06-18T13:30") for zone in ZONES),
    # A round minute less or more than a day is a day less or more.
    (BERLIN, OFFICE, (), "2026-06-18T09:01", 8.0, "2026-06-19T09:01"),
    (BERLIN, OFFICE, (), "2026-06-18T17:00", 0.5, "2026-06-19T09:30"),
    # Holidays, next to a weekend and over the turn of the year.
    *((zone, OFFICE, CHRISTMAS, "2026-12-23T15:00", 4.0, "2026-12-28T11:00") for zone in ZONES),
    *((zone, OFFICE, CHRISTMAS, "2026-12-25T12:00", 1.0, "2026-12-28T10:00") for zone in ZONES),
    (BERLIN, OFFICE, CHRISTMAS, "2026-12-31T16:00", 2.0, "2027-01-04T10:00"),
    # The clocks change over a weekend: Monday's hours begin by the new time.
    (BERLIN, OFFICE, (), "2026-03-27T16:00", 4.0, "2026-03-30T12:00"),
    (BERLIN, OFFICE, (), "2026-10-23T16:00", 4.0, "2026-10-26T12:00"),
    (NEW_YORK, OFFICE, (), "2026-03-06T16:00", 4.0, "2026-03-09T12:00"),
    (NEW_YORK, OFFICE, (), "2026-10-30T16:00", 4.0, "2026-11-02T12:00"),
    (LORD_HOWE, OFFICE, (), "2026-04-03T16:00", 4.0, "2026-04-06T12:00"),
    (LORD_HOWE, OFFICE, (), "2026-10-02T16:00", 4.0, "2026-10-05T12:00"),
    (SANTIAGO, OFFICE, (), "2026-04-03T16:00", 4.0, "2026-04-06T12:00"),
    (SANTIAGO, OFFICE, (), "2026-09-04T16:00", 4.0, "2026-09-07T12:00"),
    # Round the clock: the skipped hour is not worked, the repeated one twice; half of one on Lord Howe.
    (BERLIN, ALWAYS, (), "2026-03-28T20:00", 8.0, "2026-03-29T05:00"),
    (BERLIN, ALWAYS, (), "2026-10-24T20:00", 8.0, "2026-10-25T03:00"),
    (NEW_YORK, ALWAYS, (), "2026-03-07T20:00", 8.0, "2026-03-08T05:00"),
    (NEW_YORK, ALWAYS, (), "2026-10-31T20:00", 8.0, "2026-11-01T03:00"),
    (LORD_HOWE, ALWAYS, (), "2026-10-03T20:00", 8.0, "2026-10-04T04:30"),
    (LORD_HOWE, ALWAYS, (), "2026-04-04T20:00", 8.0, "2026-04-05T03:30"),
    (SANTIAGO, ALWAYS, (), "2026-09-05T20:00", 8.0, "2026-09-06T05:00"),
    (SANTIAGO, ALWAYS, (), "2026-04-04T20:00", 8.0, "2026-04-05T03:00"),
    (KOLKATA, ALWAYS, (), "2026-03-28T20:00", 8.0, "2026-03-29T04:00"),
    # Night shifts over the change: an hour shorter, an hour longer.
    (BERLIN, NIGHTS, (), "2026-03-28T12:00", 7.0, "2026-03-29T06:00"),
    (BERLIN, NIGHTS, (), "2026-10-24T12:00", 9.0, "2026-10-25T06:00"),
    # A change inside a span: its skipped part is not worked, its repeated part twice, with a pause between.
    (NEW_YORK, SUNDAY_NIGHT, (), "2026-03-08T00:00", 1.0, "2026-03-08T03:30"),
    (NEW_YORK, SUNDAY_NIGHT, (), "2026-11-01T00:00", 1.0, "2026-11-01T02:00"),
    (NEW_YORK, SUNDAY_NIGHT, (), "2026-11-01T00:00", 2.5, "2026-11-01T03:30"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "hours", "free", "since", "amount", "expected"), TABLE)
def test_a_deadline_by_the_wall_clock(
    zone: str, hours: dict[str, list[list[str]]], free: tuple[date, ...], since: str, amount: float, expected: str
) -> None:
    time = calendar(zone, hours, *free)

    due = time.add(wall(zone, since), timedelta(hours=amount))

    assert due.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat(timespec="minutes") == expected
    assert time.between(wall(zone, since), due) == timedelta(hours=amount)


@pytest.mark.parametrize(
    ("zone", "day", "span", "worked"),
    [
        # Wholly within the hour that is skipped: nothing is worked.
        (BERLIN, "2026-03-29", ["02:10", "02:50"], 0),
        # Ends, then begins, within it.
        (BERLIN, "2026-03-29", ["01:00", "02:30"], 60),
        (BERLIN, "2026-03-29", ["02:30", "04:00"], 60),
        # Within the hour that comes twice, and reaching into it from either side.
        (BERLIN, "2026-10-25", ["02:10", "02:50"], 80),
        (BERLIN, "2026-10-25", ["01:00", "02:30"], 120),
        (BERLIN, "2026-10-25", ["02:30", "04:00"], 120),
        (LORD_HOWE, "2026-10-04", ["00:00", "04:00"], 210),
        (LORD_HOWE, "2026-04-05", ["00:00", "04:00"], 270),
        (LORD_HOWE, "2026-04-05", ["01:45", "02:00"], 30),
        # In Chile midnight itself is skipped in spring; in autumn the last hour of Saturday comes twice.
        (SANTIAGO, "2026-09-06", ["00:00", "02:00"], 60),
        (SANTIAGO, "2026-04-04", ["22:00", "24:00"], 180),
        (KOLKATA, "2026-03-29", ["00:00", "24:00"], 1440),
    ],
)
def test_how_long_a_span_is_on_the_day_of_a_change(zone: str, day: str, span: list[str], worked: int) -> None:
    at = date.fromisoformat(day)
    time = calendar(zone, {WEEKDAYS[at.weekday()]: [span]})

    there = time.between(time.start_of(at) - timedelta(days=2), time.start_of(at) + timedelta(days=3))

    assert there == timedelta(minutes=worked)


def test_a_day_that_a_zone_left_out_is_not_worked() -> None:
    """Samoa went from 29 to 31 December 2011."""
    time = calendar("Pacific/Apia", ALWAYS)

    assert time.between(wall("Pacific/Apia", "2011-12-29T00:00"), wall("Pacific/Apia", "2012-01-01T00:00")) == (
        timedelta(days=2)
    )


def test_absences_are_free_days_of_the_zone() -> None:
    away = frozenset({(date(2026, 6, 15), date(2026, 6, 19))})
    time = working_time(WorkingHours(BERLIN, week_of(OFFICE), absences=away))

    assert time.add(wall(BERLIN, "2026-06-12T16:30"), timedelta(hours=1)) == wall(BERLIN, "2026-06-22T09:30")


def test_a_calendar_that_never_works_says_so() -> None:
    away = frozenset({(date(2026, 1, 1), date(2090, 1, 1))})
    time = working_time(WorkingHours(BERLIN, week_of(OFFICE), absences=away))
    now = wall(BERLIN, "2026-06-12T16:30")

    assert time.between(now, now + timedelta(days=400)) == timedelta()
    with pytest.raises(NeverWorks):
        time.add(now, timedelta(hours=1))
    with pytest.raises(NeverWorks):
        time.next_moment(now)


@pytest.mark.parametrize(
    ("hours", "problem"),
    [
        ({"monday": [["09:00", "17:00"]]}, "monday is no day"),
        ({"mon": [["17:00", "09:00"]]}, "mon: 09:00 is not after 17:00"),
        ({"mon": [["09:00", "12:00"], ["11:00", "17:00"]]}, "mon: hours overlap at 11:00"),
        ({"tue": [["09:00", "24:01"]]}, "tue: 24:01 is no time"),
        ({"tue": [["9", "17:00"]]}, "tue: 9 is no time"),
        ({"tue": [["09:60", "17:00"]]}, "tue: 09:60 is no time"),
        ({"tue": [["09:00"]]}, "tue: "),
        ({"tue": [9]}, "tue: write its hours as pairs"),
    ],
)
def test_hours_that_cannot_be_are_refused_by_name(hours: dict[str, list[list[str]]], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        week_of(hours)


def test_midnight_between_two_days_is_no_break() -> None:
    time = calendar(BERLIN, NIGHTS)

    assert time.between(wall(BERLIN, "2026-06-19T20:00"), wall(BERLIN, "2026-06-20T12:00")) == timedelta(hours=8)
    assert time.is_working(wall(BERLIN, "2026-06-20T00:00"))
    assert not time.is_working(wall(BERLIN, "2026-06-20T06:00"))


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        calendar(BERLIN, OFFICE).add(datetime(2026, 6, 1), timedelta(hours=1))  # noqa: DTZ001  that is the point


def test_ten_thousand_deadlines_take_less_than_a_second() -> None:
    time = calendar(LORD_HOWE, SPLIT, *CHRISTMAS)
    start = wall(LORD_HOWE, "2026-01-01T00:00")
    began = perf_counter()
    for number in range(10_000):
        time.add(start + timedelta(minutes=13 * number), timedelta(hours=4))
    assert perf_counter() - began < 1


# Properties. Around the days of the changes of all five zones, at odd seconds too.

moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
amounts = st.timedeltas(timedelta(), timedelta(hours=200))
minutes = st.integers(0, 24 * 60)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Hours with up to three spans a day, and some on at least one day."""
    week = []
    for _ in WEEKDAYS:
        marks = sorted(draw(st.sets(minutes, max_size=6)))
        week.append(tuple(zip(marks[::2], marks[1::2], strict=False)))
    if not any(week):
        week[draw(st.integers(0, 6))] = ((540, 1020),)
    return tuple(week)


free_days = st.frozensets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=20)
calendars = st.builds(
    lambda zone, week, free: working_time(WorkingHours(zone, week, free)), st.sampled_from(ZONES), weeks(), free_days
)


@settings(max_examples=50)
@given(calendars, moments, moments, moments)
def test_what_lies_between_adds_up(time: WorkingTime, one: datetime, two: datetime, three: datetime) -> None:
    assert time.between(one, two) + time.between(two, three) == time.between(one, three)
    assert time.between(one, two) == -time.between(two, one)
    low, high = sorted([one, two])
    assert timedelta() <= time.between(low, high) <= high - low


@settings(max_examples=50)
@given(calendars, moments, amounts, amounts)
def test_adding_is_the_inverse_and_goes_on_where_it_stopped(
    time: WorkingTime, start: datetime, one: timedelta, two: timedelta
) -> None:
    due = time.add(start, one)

    assert time.between(start, due) == one
    assert time.add(due, two) == time.add(start, one + two)
    # The first such moment: a little earlier less has run.
    assert one == timedelta() or time.between(start, due - timedelta(microseconds=1)) < one


@settings(max_examples=50)
@given(calendars, moments, st.timedeltas(timedelta(), timedelta(days=5)), amounts)
def test_who_starts_later_is_due_no_earlier(
    time: WorkingTime, start: datetime, later: timedelta, amount: timedelta
) -> None:
    assert time.add(start, amount) <= time.add(start + later, amount) or amount == timedelta()


@settings(max_examples=50)
@given(calendars, moments)
def test_the_next_working_moment_is_one_and_none_is_before_it(time: WorkingTime, at: datetime) -> None:
    moment = time.next_moment(at)

    assert time.is_working(moment)
    assert time.between(at, moment) == timedelta()
    assert (moment == at) == time.is_working(at)


@settings(max_examples=25)
@given(
    calendars,
    st.sampled_from(
        [(2026, 3, 8), (2026, 3, 28), (2026, 4, 4), (2026, 9, 5), (2026, 10, 3), (2026, 10, 24), (2026, 10, 31)]
    ),
)
def test_it_is_what_a_clock_on_the_wall_shows_minute_by_minute(time: WorkingTime, day: tuple[int, int, int]) -> None:
    """The rule, taken at its word, over the two days of a change."""
    zone, start = ZoneInfo(time.hours.zone), datetime(*day, tzinfo=UTC)
    worked = 0
    for minute in range(2 * 24 * 60):
        shown = (start + timedelta(minutes=minute)).astimezone(zone)
        of_day = shown.hour * 60 + shown.minute
        spans = time.hours.week[shown.weekday()]
        worked += not time.hours.is_free(shown.date()) and any(low <= of_day < high for low, high in spans)

    assert time.between(start, start + timedelta(days=2)) == timedelta(minutes=worked)


@given(minutes)
def test_times_of_day_are_read_as_they_are_written(number: int) -> None:
    assert minutes_of(f"{number // 60:02}:{number % 60:02}") == number
