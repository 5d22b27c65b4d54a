"""Who sees which link of the main navigation: apps register their permission functions, this leaf knows none."""

from collections.abc import Callable
from typing import Any

_rules: dict[str, Callable[[Any], bool]] = {}


def show_place_to(key: str, can: Callable[[Any], bool]) -> None:
    """Show the place ``key`` only to people for whom ``can`` answers yes. The page itself checks again."""
    _rules[key] = can


def may_see(key: str, user: Any) -> bool:
    """Tell whether ``user`` is shown the place; a place without a rule is shown to everybody."""
    return key not in _rules or (user is not None and _rules[key](user))
