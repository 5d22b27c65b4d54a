"""Times between Python and the engine: aware datetimes and microseconds since 1970 UTC."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(when: datetime) -> int:
    """Microseconds since 1970 UTC of an aware datetime, exactly."""
    return (when - _EPOCH) // timedelta(microseconds=1)


def to_datetime(micros: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(micros))


def moment_sql(micros: str) -> str:
    """SQL for the moment of so many microseconds since 1970, itself SQL for a bigint; NULL where that is.

    The database multiplies in doubles: exact below 2**53 microseconds, the year 2255, and for whole minutes beyond.
    """
    return f"timestamptz '1970-01-01 00:00:00+00' + {micros} * interval '1 microsecond'"
