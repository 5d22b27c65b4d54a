"""When a webhook is tried again: the schedule of Standard Webhooks 1.0, its jitter, what a receiver asks for. Pure."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# Standard Webhooks 1.0.0, "Deliverability and reliability": before each attempt, counted from the one before it.
DELAYS: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# A random part on top, never before the schedule: many that failed together do not come back together.
JITTER: Final = 0.2
# As long as the longest delay: whoever asks for more is asked again all the same.
LONGEST_RETRY_AFTER: Final = timedelta(hours=24)
# What holds for the whole endpoint, not for one message: somebody's slip of the pen must not silence it for a day.
LONGEST_PAUSE: Final = timedelta(hours=1)
_MOST_DIGITS: Final = 9


def next_attempt(*, failed: int, now: datetime, draw: float, retry_after: timedelta | None = None) -> datetime | None:
    """When to try again after ``failed`` attempts in a row; None: the schedule has run out.

    Args:
        failed: failed attempts of this round, at least 1.
        now: when the last one failed.
        draw: a random number from 0 to 1.
        retry_after: what the receiver asked for; it may put the attempt off, never bring it forward.
    """
    if failed >= len(DELAYS):
        return None
    delay = DELAYS[failed] * (1 + JITTER * draw)
    return now + max(delay, min(retry_after or timedelta(0), LONGEST_RETRY_AFTER))


def read_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """Read a ``Retry-After`` header (RFC 9110, 10.2.3): seconds or a date; None where it is neither, or in the past."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text)) if len(text) <= _MOST_DIGITS else LONGEST_RETRY_AFTER
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # RFC 5322 lets a date be without a zone that is known; HTTP's are in UTC.
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return until - now if until > now else None
