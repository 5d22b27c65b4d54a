"""How numbers, points, durations and moments read in the language of whoever looks, in one place for all pages.

A language's separators are Django's; how it writes days is a row of ``DAY_FORMATS`` below.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from math import trunc
from typing import Final

from django.conf import settings
from django.utils import dateformat, timezone
from django.utils.formats import get_format
from django.utils.translation import get_language, gettext, ngettext

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 604_800


@dataclass(frozen=True, slots=True)
class DayFormats:
    """How a language writes days, in the letters of Django's ``date`` filter."""

    day: str
    day_with_year: str
    month: str
    long_day: str
    long_day_with_year: str
    weekday: str


DAY_FORMATS: Final[Mapping[str, DayFormats]] = {
    "en": DayFormats("j M", "j M Y", "M Y", "j F", "j F Y", "l j F"),
    "de": DayFormats("j. N", "j. N Y", "N Y", "j. F", "j. F Y", "l, j. F"),
}


def _language() -> str:
    return get_language() or settings.LANGUAGE_CODE


def _day_formats(language: str) -> DayFormats:
    return DAY_FORMATS.get(language.partition("-")[0], DAY_FORMATS["en"])


@lru_cache(maxsize=32)
def _separators(language: str) -> dict[int, str]:
    """What stands for the English comma and point in a number; a number is written a thousand times a page."""
    return str.maketrans(
        {
            ",": str(get_format("THOUSAND_SEPARATOR", language, use_l10n=True)),
            ".": str(get_format("DECIMAL_SEPARATOR", language, use_l10n=True)),
        }
    )


def _localised(english: str) -> str:
    return english.translate(_separators(_language()))


def format_number(value: float) -> str:
    """Write a number with thousands separators; a whole float loses its fraction, others keep one digit."""
    whole = int(value)
    return _localised(f"{whole:,}" if value == whole else f"{value:,.1f}")


def format_decimal(value: float, digits: int) -> str:
    """Write a number with thousands separators and so many digits after the point: ``0.53``."""
    return _localised(f"{value:,.{digits}f}")


def format_percent(share: float, digits: int = 0) -> str:
    """Write a share of 1 as a percentage: ``80 %``."""
    return _localised(f"{share * 100:,.{digits}f} %")


def format_points(millipoints: int, *, signed: bool = False) -> str:
    """Write thousandths of a point as points, with at most three digits after the point and none that say nothing.

    ``signed`` puts a plus before gains; losses carry a true minus sign.
    """
    return _points(millipoints, signed, _language())


@lru_cache(maxsize=8192)
def _points(millipoints: int, signed: bool, _language: str) -> str:
    """Points as they are written in a language: a list shows a hundred, and of the same few."""
    whole, rest = divmod(abs(millipoints), 1_000)
    text = f"{whole:,}"
    if rest:
        text += f".{rest:03d}".rstrip("0")
    text = _localised(text)
    if millipoints < 0:
        return f"\N{MINUS SIGN}{text}"
    return f"+{text}" if signed and millipoints > 0 else text


def format_score(millipoints: int) -> str:
    """Write thousandths of a point as points with one digit at most, cut and not rounded.

    Rounding would show 30 for 29.96 and so contradict a threshold of 30 that the score has not reached.
    """
    return format_points(millipoints // 100 * 100)


def _largest_unit(length: timedelta) -> tuple[str, int]:
    seconds = abs(trunc(length.total_seconds()))
    for size, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= size:
            return name, seconds // size
    return "second", seconds


def format_duration(length: timedelta) -> str:
    """Write a length of time with its largest fitting unit: ``45 seconds``, ``3 hours``, ``12 days``."""
    unit, count = _largest_unit(length)
    match unit:
        case "day":
            pattern = ngettext("%(number)s day", "%(number)s days", count)
        case "hour":
            pattern = ngettext("%(number)s hour", "%(number)s hours", count)
        case "minute":
            pattern = ngettext("%(number)s minute", "%(number)s minutes", count)
        case _:
            pattern = ngettext("%(number)s second", "%(number)s seconds", count)
    return pattern % {"number": format_number(count)}


@lru_cache(maxsize=4096)
def _ago(unit: str, count: int, _language: str) -> str:
    match unit:
        case "day":
            pattern = ngettext("%(number)s day ago", "%(number)s days ago", count)
        case "hour":
            pattern = ngettext("%(number)s hour ago", "%(number)s hours ago", count)
        case "minute":
            pattern = ngettext("%(number)s minute ago", "%(number)s minutes ago", count)
        case _:
            pattern = ngettext("%(number)s second ago", "%(number)s seconds ago", count)
    return pattern % {"number": format_number(count)}


@lru_cache(maxsize=4096)
def _ahead(unit: str, count: int, _language: str) -> str:
    match unit:
        case "day":
            pattern = ngettext("in %(number)s day", "in %(number)s days", count)
        case "hour":
            pattern = ngettext("in %(number)s hour", "in %(number)s hours", count)
        case "minute":
            pattern = ngettext("in %(number)s minute", "in %(number)s minutes", count)
        case _:
            pattern = ngettext("in %(number)s second", "in %(number)s seconds", count)
    return pattern % {"number": format_number(count)}


@lru_cache(maxsize=4096)
def _written(day: date, letters: str, _language: str) -> str:
    """A day in Django's letters. A page writes hundreds, and of the same few: they are remembered by language."""
    return dateformat.format(day, letters)


def format_length(seconds: float) -> str:
    """Write a measured length of time with one digit: ``45 s``, ``12 min``, ``5.3 h``, ``14.7 days``."""
    if seconds >= 2 * _DAY:
        return gettext("%(number)s days") % {"number": _measured(seconds / _DAY)}
    if seconds >= _HOUR:
        return gettext("%(number)s h") % {"number": _measured(seconds / _HOUR)}
    if seconds >= _MINUTE:
        return gettext("%(number)s min") % {"number": format_number(round(seconds / _MINUTE))}
    return gettext("%(number)s s") % {"number": format_number(round(seconds))}


def _measured(value: float) -> str:
    return format_number(round(value)) if value >= 100 else format_decimal(value, 1)


def format_date(day: date, *, today: date | None = None) -> str:
    """Write a day: ``3 Nov``, with the year where it is not that of ``today``, or where that is not given."""
    language, short = _language(), today is not None and day.year == today.year
    formats = _day_formats(language)
    return _written(day, formats.day if short else formats.day_with_year, language)


def format_long_date(day: date, *, today: date | None = None) -> str:
    """Write a day with its month in full: ``3 November``; with the year as ``format_date`` does."""
    language, short = _language(), today is not None and day.year == today.year
    formats = _day_formats(language)
    return _written(day, formats.long_day if short else formats.long_day_with_year, language)


def format_weekday(day: date, *, today: date) -> str:
    """Write a day as a heading: ``Friday 20 November``; of another year ``20 November 2025``."""
    if day.year != today.year:
        return format_long_date(day)
    language = _language()
    return _written(day, _day_formats(language).weekday, language)


def format_month(day: date) -> str:
    """Write the month of a day: ``Nov 2026``."""
    language = _language()
    return _written(day, _day_formats(language).month, language)


def format_day(moment: datetime, *, now: datetime) -> str:
    """Write the day of a moment in the current time zone: ``3 Nov``, with the year where it is not the current one."""
    return format_date(timezone.localtime(moment).date(), today=timezone.localtime(now).date())


def format_clock(moment: datetime) -> str:
    """Write the time of day of a moment in the current time zone: ``14:05``."""
    local = timezone.localtime(moment)
    return f"{local.hour:02}:{local.minute:02}"


def format_exact(moment: datetime) -> str:
    """Write a moment in full, with its zone: ``3 Nov 2026, 14:05 UTC``."""
    return _exact(timezone.localtime(moment), _language())


def _exact(local: datetime, language: str) -> str:
    day = _written(local.date(), _day_formats(language).day_with_year, language)
    return f"{day}, {local.hour:02}:{local.minute:02} {local.tzname()}"


def format_relative(moment: datetime, *, now: datetime) -> str:
    """Write a moment as people say it: ``just now``, ``5 minutes ago``, ``in 2 hours``; beyond a week the day."""
    return _relative(timezone.localtime(moment), now, _language())


def format_both(moment: datetime, *, now: datetime) -> tuple[str, str]:
    """Write a moment in full and as people say it, at once: language and zone are looked up for both."""
    language, local = _language(), timezone.localtime(moment)
    return _exact(local, language), _relative(local, now, language)


def _relative(local: datetime, now: datetime, language: str) -> str:
    """The words for a moment of the zone that is shown."""
    gap = local - now
    seconds = abs(gap.total_seconds())
    if seconds < 45:
        return gettext("just now")
    if seconds >= _WEEK:
        formats, today = _day_formats(language), now.astimezone(local.tzinfo)
        return _written(local.date(), formats.day if local.year == today.year else formats.day_with_year, language)
    say = _ahead if gap > timedelta(0) else _ago
    return say(*_largest_unit(gap), language)
