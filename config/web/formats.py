"""How numbers, points, durations and moments read, in one place for pages and components."""

from datetime import datetime, timedelta
from math import trunc

from django.utils import timezone

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 604_800


def format_number(value: float) -> str:
    """Write a number with thousands separators; a whole float loses its fraction, others keep one digit."""
    whole = int(value)
    return f"{whole:,}" if value == whole else f"{value:,.1f}"


def format_points(millipoints: int, *, signed: bool = False) -> str:
    """Write thousandths of a point as points, with at most three digits after the point and none that say nothing.

    ``signed`` puts a plus before gains; losses carry a true minus sign.
    """
    whole, rest = divmod(abs(millipoints), 1_000)
    text = f"{whole:,}"
    if rest:
        text += f".{rest:03d}".rstrip("0")
    if millipoints < 0:
        return f"\N{MINUS SIGN}{text}"
    return f"+{text}" if signed and millipoints > 0 else text


def format_score(millipoints: int) -> str:
    """Write thousandths of a point as points with one digit at most, cut and not rounded.

    Rounding would show 30 for 29.96 and so contradict a threshold of 30 that the score has not reached.
    """
    return format_points(millipoints // 100 * 100)


def format_duration(length: timedelta) -> str:
    """Write a length of time with its largest fitting unit: ``45 seconds``, ``3 hours``, ``12 days``."""
    seconds = abs(trunc(length.total_seconds()))
    for size, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second")):
        if seconds >= size:
            count = seconds // size
            return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"
    return "0 seconds"


def format_length(seconds: float) -> str:
    """Write a measured length of time with one digit: ``45 s``, ``12 min``, ``5.3 h``, ``14.7 days``."""
    for size, name in ((2 * _DAY, "days"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            value = seconds / (_DAY if name == "days" else size)
            return f"{round(value):,} {name}" if name == "min" or value >= 100 else f"{value:.1f} {name}"
    return f"{round(seconds)} s"


def format_day(moment: datetime, *, now: datetime) -> str:
    """Write the day of a moment in the current time zone: ``3 Nov``, with the year where it is not the current one."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    text = f"{local.day} {local:%b}"
    return text if local.year == today.year else f"{text} {local.year}"


def format_exact(moment: datetime) -> str:
    """Write a moment in full, with its zone: ``3 Nov 2026, 14:05 UTC``."""
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b %Y, %H:%M %Z}"


def format_relative(moment: datetime, *, now: datetime) -> str:
    """Write a moment as people say it: ``just now``, ``5 minutes ago``, ``in 2 hours``; beyond a week the day."""
    gap = moment - now
    seconds = abs(gap.total_seconds())
    if seconds < 45:
        return "just now"
    if seconds >= _WEEK:
        return format_day(moment, now=now)
    length = format_duration(gap)
    return f"in {length}" if gap > timedelta(0) else f"{length} ago"
