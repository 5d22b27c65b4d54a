"""When a message happened: reading, clock skew, and what arrival time overrules."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
TOLERATED_FUTURE: Final = timedelta(hours=1)
TOLERATED_SKEW: Final = timedelta(minutes=5)


def read_time(value: Any) -> datetime | None:
    """Return an ISO 8601 time in UTC (naive means UTC); None when unreadable."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is UTC:
            return moment
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def occurred(value: Any, *, received_at: datetime, sent_at: datetime | None = None) -> tuple[datetime, str]:
    """Return when a message happened and what was odd about the time it gave (``""`` when nothing was).

    Later than arrival becomes arrival; over an hour ahead, before 2000 or unreadable: the same, and worth a warning.
    ``sent_at`` is the client's clock when it sent: more than five minutes off, and all its times are shifted by that.
    """
    if value is None:
        return received_at, ""
    moment = read_time(value)
    if moment is None:
        return received_at, "time_unreadable"
    if sent_at is not None and abs(sent_at - received_at) > TOLERATED_SKEW:
        try:
            moment += received_at - sent_at
        except OverflowError:
            return received_at, "time_unreadable"
    if moment < EARLIEST:
        return received_at, "time_too_early"
    if moment > received_at:
        return received_at, "time_in_future" if moment - received_at > TOLERATED_FUTURE else ""
    return moment, ""


WARNINGS: Final = {
    "time_unreadable": "The time could not be read; the arrival time was used.",
    "time_too_early": "The time lies before 2000; the arrival time was used.",
    "time_in_future": "The time lies more than an hour ahead; the arrival time was used.",
}
