"""Business time: how much of it lies between two moments, and when so much of it will have run. Pure.

**The rule.** A moment is working time when the clock on the wall of the calendar's zone then shows a time within the
hours of that weekday, on a day that is neither a holiday nor part of an absence. Everything follows from that one
sentence, a change of the clocks too: wall times that are skipped in spring never come, so their part of a span is not
worked; wall times that come twice in autumn are worked twice. All arithmetic is on UTC instants in whole microseconds,
so amounts add up exactly.

A calendar's stretches of work are laid out a month at a time, remembered with their running sums and found by
bisection, so a question costs little more a year ahead than an hour ahead.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_DAY: Final = 24 * 60 * _MINUTE
# 1 January 1970: its ordinal, and Thursday.
_FIRST_ORDINAL: Final = date(1970, 1, 1).toordinal()
_FIRST_WEEKDAY: Final = 3
# Zones change their offset at most once in so long.
_STEP: Final = _DAY // 2
# Nobody plans further: a calendar without work for so many months has none.
HORIZON_MONTHS: Final = 20 * 12


class NeverWorks(Exception):
    """The calendar has no working time within the horizon of twenty years."""


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """What a calendar says, for whoever works by it.

    ``zone``: an IANA name. ``week``: for each day from Monday on its spans as (start, end) in minutes of the day, in
    order and apart; the end may be 1440 (24:00). ``absences``: (first day, last day), both whole days.
    """

    zone: str
    week: tuple[tuple[tuple[int, int], ...], ...]
    holidays: frozenset[date] = frozenset()
    absences: frozenset[tuple[date, date]] = frozenset()

    def is_free(self, day: date) -> bool:
        """Tell whether ``day`` (of the zone) is a holiday or part of an absence."""
        return day in self.holidays or any(first <= day <= last for first, last in self.absences)


@dataclass(slots=True)
class _Month:
    """The stretches of work in a month of UTC, in microseconds since the epoch; ``run``: how much lies before each."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    run: list[int] = field(default_factory=list)
    total: int = 0

    def add(self, start: int, end: int) -> None:
        """Append a stretch; one that begins where the last ended prolongs it (24:00 and 00:00 are one moment)."""
        if self.ends and self.ends[-1] == start:
            self.ends[-1] = end
        else:
            self.starts.append(start)
            self.ends.append(end)
            self.run.append(self.total)
        self.total += end - start

    def before(self, moment: int) -> int:
        """How much of the month's work lies before ``moment``."""
        at = bisect_right(self.starts, moment) - 1
        return 0 if at < 0 else self.run[at] + min(moment, self.ends[at]) - self.starts[at]


class WorkingTime:
    """The arithmetic of one calendar. Get it from ``working_time``, which remembers what was laid out."""

    def __init__(self, hours: WorkingHours) -> None:
        self.hours = hours
        self._zone = ZoneInfo(hours.zone)
        self._months: dict[int, _Month] = {}

    def add(self, start: datetime, amount: timedelta) -> datetime:
        """Return the first moment at which ``amount`` of working time has run since ``start``, in UTC.

        No amount is ``start`` itself, in working time or not. Raises ``NeverWorks``, ``ValueError`` for a negative
        amount or a time without a zone.
        """
        needed = amount // _MICROSECOND
        if needed < 0:
            raise ValueError("business time runs forward")
        moment = _instant(start)
        if needed == 0:
            return _moment(moment)
        first = _month_of(moment)
        needed += self._month(first).before(moment)
        for number in range(first, first + HORIZON_MONTHS):
            month = self._month(number)
            if needed <= month.total:
                # The stretch in which it is reached, not the one that begins when it has been.
                at = bisect_right(month.run, needed - 1) - 1
                return _moment(month.starts[at] + needed - month.run[at])
            needed -= month.total
        raise NeverWorks(self.hours.zone)

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return how much working time lies between two moments; negative where ``end`` is the earlier one."""
        low, high = _instant(start), _instant(end)
        if low > high:
            return -self.between(end, start)
        first, last = _month_of(low), _month_of(high)
        run = sum(self._month(number).total for number in range(first, last))
        return (run + self._month(last).before(high) - self._month(first).before(low)) * _MICROSECOND

    def next_moment(self, at: datetime) -> datetime:
        """Return the first working moment from ``at`` on, which may be ``at`` itself, in UTC. Raises ``NeverWorks``."""
        moment = _instant(at)
        first = _month_of(moment)
        for number in range(first, first + HORIZON_MONTHS):
            month = self._month(number)
            place = bisect_right(month.ends, moment)
            if place < len(month.ends):
                return _moment(max(month.starts[place], moment))
        raise NeverWorks(self.hours.zone)

    def is_working(self, at: datetime) -> bool:
        """Tell whether ``at`` is working time; the end of a stretch no longer is."""
        moment = _instant(at)
        month = self._month(_month_of(moment))
        place = bisect_right(month.starts, moment) - 1
        return place >= 0 and moment < month.ends[place]

    def day_of(self, at: datetime) -> date:
        """Return the day that the calendar's zone has at this moment."""
        return at.astimezone(self._zone).date()

    def start_of(self, day: date) -> datetime:
        """Return the first moment of a day of the calendar's zone, in UTC."""
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)

    def _month(self, number: int) -> _Month:
        found = self._months.get(number)
        if found is None:
            found = self._months[number] = self._lay_out(_start_of_month(number), _start_of_month(number + 1))
        return found

    def _lay_out(self, low: int, high: int) -> _Month:
        """Lay out the work between two instants: in each part with one offset, wall times are instants moved by it."""
        month = _Month()
        for start, end, offset in self._parts(low, high):
            for day in range((start + offset) // _DAY, (end + offset - 1) // _DAY + 1):
                if self.hours.is_free(date.fromordinal(day + _FIRST_ORDINAL)):
                    continue
                for opens, closes in self.hours.week[(day + _FIRST_WEEKDAY) % 7]:
                    begins = max(day * _DAY + opens * _MINUTE - offset, start)
                    stops = min(day * _DAY + closes * _MINUTE - offset, end)
                    if begins < stops:
                        month.add(begins, stops)
        return month

    def _parts(self, low: int, high: int) -> Iterator[tuple[int, int, int]]:
        """Cut ``low`` to ``high`` where the zone changes its offset: (start, end, offset), in microseconds."""
        start, offset = low, self._offset(low)
        for seen in range(low + _STEP, high + _STEP, _STEP):
            there = min(seen, high)
            after = self._offset(there)
            if after != offset:
                changes = self._change(max(start, there - _STEP), there, offset)
                if changes < high:
                    yield start, changes, offset
                    start, offset = changes, after
        yield start, high, offset

    def _change(self, low: int, high: int, offset: int) -> int:
        """Find the second at which the offset stops being ``offset``, by bisection."""
        while high - low > _SECOND:
            middle = low + (high - low) // (2 * _SECOND) * _SECOND
            if self._offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high

    def _offset(self, moment: int) -> int:
        offset = _moment(moment).astimezone(self._zone).utcoffset()
        return 0 if offset is None else offset // _MICROSECOND


@lru_cache(maxsize=512)
def working_time(hours: WorkingHours) -> WorkingTime:
    """Return the arithmetic of these hours; the same hours share what was laid out for them."""
    return WorkingTime(hours)


def minutes_of(text: str) -> int:
    """Read a time of day, ``HH:MM`` up to ``24:00``, as minutes. Raises ``ValueError``."""
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isascii() and hour.isdigit() and len(minute) == 2 and minute.isascii() and minute.isdigit()):
        raise ValueError(gettext("%(text)s is no time of day: write it as 09:30.") % {"text": text})
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > 24 * 60:
        raise ValueError(gettext("%(text)s is no time of day: a day has the times 00:00 to 24:00.") % {"text": text})
    return minutes


def time_of(minutes: int) -> str:
    """Write minutes of the day as ``HH:MM``."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def week_of(hours: Mapping[str, Sequence[Sequence[Any]]]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Read a calendar's hours (``{"mon": [["09:00", "17:00"]], ...}``) as ``WorkingHours.week``.

    Raises ``ValueError``, naming the day, for what is no weekday or no time, an end not after its start, and spans that
    overlap; spans may touch and come in any order.
    """
    if unknown := sorted(set(hours) - set(WEEKDAYS)):
        raise ValueError(
            gettext("%(what)s is no day of the week: use %(list)s.") % {"what": unknown[0], "list": ", ".join(WEEKDAYS)}
        )
    return tuple(_spans(day, hours.get(day, ())) for day in WEEKDAYS)


def week_in_words(week: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[str, str]]:
    """Say a week's hours as people do: ``[("Mon–Fri", "09:00–12:00, 13:00–17:00")]``; days alike go together.

    Days are named in the reader's language; a free day has no hours: ``("Sat–Sun", "")``.
    """
    lines: list[tuple[list[int], str]] = []
    for number, spans in enumerate(week):
        said = ", ".join(f"{time_of(opens)}–{time_of(closes)}" for opens, closes in spans)
        if lines and lines[-1][1] == said:
            lines[-1][0].append(number)
        else:
            lines.append(([number], said))
    return [(_days_in_words(days), said) for days, said in lines]


def _days_in_words(days: Sequence[int]) -> str:
    first, last = (str(WEEKDAYS_ABBR[number]) for number in (days[0], days[-1]))
    return first if first == last else f"{first}–{last}"


def _spans(day: str, given: Sequence[Sequence[Any]]) -> tuple[tuple[int, int], ...]:
    try:
        spans = sorted((minutes_of(str(opens)), minutes_of(str(closes))) for opens, closes in given)
    except TypeError:
        raise ValueError(gettext("%(day)s: write its hours as pairs of a start and an end.") % {"day": day}) from None
    except ValueError as error:
        raise ValueError(f"{day}: {error}") from error
    for opens, closes in spans:
        if closes <= opens:
            raise ValueError(
                gettext("%(day)s: %(time_of)s is not after %(time_of_2)s.")
                % {"day": day, "time_of": time_of(closes), "time_of_2": time_of(opens)}
            )
    for (_, closes), (opens, _) in pairwise(spans):
        if opens < closes:
            raise ValueError(
                gettext("%(day)s: hours overlap at %(time_of)s.") % {"day": day, "time_of": time_of(opens)}
            )
    return tuple(spans)


def _instant(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return (at - EPOCH) // _MICROSECOND


def _moment(instant: int) -> datetime:
    return EPOCH + instant * _MICROSECOND


def _month_of(instant: int) -> int:
    at = _moment(instant)
    return at.year * 12 + at.month - 1


def _start_of_month(number: int) -> int:
    return _instant(datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC))
