"""Who sees which link of the main navigation, and its number: apps register their functions, this leaf knows none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """A number beside a link: how many and how that is written.

    ``url`` is asked by a script (static/js/notices.js) for what came after ``at`` (ISO 8601).
    """

    number: int
    shown: str
    url: str
    at: str


_rules: dict[str, Callable[[Any], bool]] = {}
_counters: dict[str, Callable[[Any], PlaceCount | None]] = {}


def show_place_to(key: str, can: Callable[[Any], bool]) -> None:
    """Show the place ``key`` only to people for whom ``can`` answers yes. The page itself checks again."""
    _rules[key] = can


def may_see(key: str, user: Any) -> bool:
    """Tell whether ``user`` is shown the place; a place without a rule is shown to everybody."""
    return key not in _rules or (user is not None and _rules[key](user))


def count_at_place(key: str, counter: Callable[[Any], PlaceCount | None]) -> None:
    """Show beside the place ``key`` what ``counter`` answers for the person; nothing where that is None."""
    _counters[key] = counter


def counted_at(key: str, user: Any) -> PlaceCount | None:
    """Return the number beside a place for this person."""
    counter = _counters.get(key)
    return counter(user) if counter is not None and user is not None else None
