"""Places in lists that follow a moment and a key, as an address writes them: ``<microseconds>_<id>``."""

from datetime import datetime

from scoring.moments import to_datetime, to_micros


def write_mark(moment: datetime, key: int) -> str:
    """The place of a row; the ``after`` of what comes behind it."""
    return f"{to_micros(moment)}_{key}"


def read_mark(text: str) -> tuple[datetime, int] | None:
    """The place that an address names; None where it names none that can be read."""
    micros, _, key = text.partition("_")
    if not (micros.isascii() and micros.isdecimal() and key.isascii() and key.isdecimal()):
        return None
    if len(micros) > 18 or len(key) > 18:
        return None
    try:
        return to_datetime(int(micros)), int(key)
    except (ValueError, OverflowError):
        return None
