"""A cell's text as a typed value, with reasons fit for the owner of the file. Pure."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any, Literal
from urllib.parse import urlsplit

from contacts.enums import Direction, Motion

ColumnType = Literal["text", "integer", "number", "boolean", "answer", "date", "domain"]
CHOICES = {
    "source.direction": frozenset(Direction.values) - {""},
    "source.motion": frozenset(Motion.values) - {""},
}
_YES = frozenset(("yes", "y", "true", "t", "1", "on"))
_NO = frozenset(("no", "n", "false", "f", "0", "off"))
_UNKNOWN = frozenset(("unknown", "?", "not known"))


def convert(target: str, kind: ColumnType, value: str, date_format: str) -> Any:
    """A cell's text as the type its target wants. Raises ValueError with a reason fit for the file's owner."""
    match kind:
        case "integer":
            return _to_integer(value)
        case "number":
            return _to_number(value)
        case "boolean" | "answer":
            return _to_answer(value, kind)
        case "date":
            moment = _to_moment(value, date_format)
            return moment if target == "occurred_at" else moment.isoformat()
        case "domain":
            return _to_domain(value)
        case "text":
            choices = CHOICES.get(target)
            if choices is not None:
                value = value.casefold().replace(" ", "_")
                if value not in choices:
                    raise ValueError(f"{value!r} is none of {', '.join(sorted(choices))}")
            return value


@lru_cache(maxsize=4_096)
def _to_domain(value: str) -> str:
    """The host of a web address; remembered, for a company's comes with each of its people."""
    host = urlsplit(value if "//" in value else f"//{value}").hostname or ""
    return host.removeprefix("www.")


def _to_integer(value: str) -> int:
    plain = value.replace(",", "").replace(" ", "").replace("_", "")
    plain = plain.removesuffix(".0")
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", plain):
        raise ValueError(f"{value[:80]!r} is no whole number")
    return int(plain)


def _to_number(value: str) -> float:
    plain = value.replace(",", "").replace(" ", "")
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?", plain):
        raise ValueError(f"{value[:80]!r} is no number")
    number = float(plain)
    if not isfinite(number):
        raise ValueError(f"{value[:80]!r} is out of range")
    return number


def _to_answer(value: str, kind: str) -> bool | str:
    folded = value.casefold()
    if folded in _YES:
        return "yes" if kind == "answer" else True
    if folded in _NO:
        return "no" if kind == "answer" else False
    if kind == "answer" and folded in _UNKNOWN:
        return "unknown"
    raise ValueError(f"{value[:80]!r} is neither yes nor no")


def _to_moment(value: str, date_format: str) -> datetime:
    try:
        # Naive means UTC, as everywhere in the API.
        moment = datetime.strptime(value, date_format) if date_format else datetime.fromisoformat(value)  # noqa: DTZ007
    except ValueError:
        wanted = f"of the form {date_format}" if date_format else "an ISO 8601 date (2026-03-01 or 2026-03-01T09:30)"
        raise ValueError(f"{value[:80]!r} is not {wanted}") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
