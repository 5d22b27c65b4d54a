"""How soon a fallen process may be started again."""

from typing import Final

_PAUSES: Final = (0.0, 0.2, 1.0, 3.0, 10.0)
_CALM: Final = 60.0


class Restarts:
    """Pauses between starts of one process: none after a first fall, up to ten seconds while it keeps falling."""

    def __init__(self) -> None:
        """No fall yet."""
        self._falls: list[float] = []
        self._due: float | None = None

    def fell(self, now: float) -> float | None:
        """Note a fall at monotonic second `now`; the pause before the next start, or None when already noted."""
        if self._due is not None:
            return None
        recent = [at for at in self._falls if now - at < _CALM]
        pause = _PAUSES[min(len(recent), len(_PAUSES) - 1)]
        self._falls = [*recent, now]
        self._due = now + pause
        return pause

    def may_start(self, now: float) -> bool:
        """True once the pause is over; the fall then counts as dealt with."""
        if self._due is None or now < self._due:
            return False
        self._due = None
        return True
