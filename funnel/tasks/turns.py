"""Turns: no task keeps a process from the others for long."""

import time
from collections.abc import Callable
from typing import Final

from contacts.services.wake import clear_wake, wake

# A task gives its process back after so many seconds, for the next judgement may be waiting for it.
TURN_SECONDS: Final = 0.5


def take_turn(task: str, *steps: Callable[[], int]) -> int:
    """Repeat each step, at least once, until it finds nothing or the turn is over; return what all found together.

    Where something may be left the task is sent once more, behind whatever waits already. Its hint is cleared first:
    a wake-up that comes while we read starts another.
    """
    clear_wake(task)
    until = time.monotonic() + TURN_SECONDS
    found, is_left = work_off(*steps, until=until)
    if is_left:
        wake(task)
    return found


def work_off(*steps: Callable[[], int], until: float) -> tuple[int, bool]:
    """Repeat each step, at least once, until it finds nothing or ``until`` (of the monotonic clock) is over.

    Returns what all found together, and whether something may be left.
    """
    found, is_left = 0, False
    for step in steps:
        while done := step():
            found += done
            if time.monotonic() > until:
                is_left = True
                break
    return found, is_left
