"""What scheduled checks of the invariants found."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.translation import gettext, gettext_noop

from funnel.models import Proof

# A check is due every ten minutes; one that is so old says that none runs any more.
STALE_AFTER: Final = timedelta(hours=1)

# What each invariant of API.md promises, for people who run Ripen rather than read it.
_PROMISES: Final = {
    1: gettext_noop("every message is stored once"),
    2: gettext_noop("nobody waits for judgement unseen"),
    3: gettext_noop("stages and scores are what the facts give"),
    4: gettext_noop("changes of stage follow on one another"),
    5: gettext_noop("whoever is ready is offered once, and has one owner"),
    6: gettext_noop("merging loses and invents nothing"),
    7: gettext_noop("suppressed addresses are left alone"),
    8: gettext_noop("every change of stage is passed on once"),
    9: gettext_noop("the funnel's figures add up"),
}


@dataclass(frozen=True, slots=True)
class Checked:
    """The latest scheduled check: when, how many contacts it looked at, how much did not hold and of what."""

    checked_at: datetime
    sample: int
    violations: int
    invariants: tuple[int, ...] = ()

    @property
    def broken(self) -> list[str]:
        """What does not hold, as promises in the reader's language."""
        return [gettext(_PROMISES[number]) for number in self.invariants if number in _PROMISES]


def latest() -> Checked | None:
    """Return the latest scheduled check of the invariants, None before the first; one query."""
    row = Proof.objects.order_by("-checked_at", "-pk").first()
    return None if row is None else Checked(row.checked_at, row.contacts, row.violations, tuple(row.invariants))
