"""The sender: takes what is due, sends it in threads, writes down what came of it.

Threads only exchange bytes; the database is this thread's alone. So any number of receivers may hang, each for 20
seconds at most, while the others are told as soon as there is something to tell.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from django.conf import settings

from funnel.hooks.exchange import PATIENCE, Answer, post
from funnel.services.hooks.claiming import Parcel, claim_deliveries
from funnel.services.hooks.endpoints import bury
from funnel.services.hooks.messages import take_announcements
from funnel.services.hooks.recording import bury_interrupted, record_outcome

# So many exchanges at once; a thread that waits costs little.
PLACES: Final = 32
# A run of the sender ends after so many seconds, so that its task is acknowledged long before the broker worries.
LASTS: Final = 60.0
_LOOK_EVERY: Final = 0.2
# Asked to stop, a sender waits so long for what is on its way; what is not back then is sent again after its lease.
_FAREWELL: Final = 5.0

_Results: TypeAlias = "SimpleQueue[tuple[Parcel, Answer]]"


def send_hooks(
    *,
    clock: Callable[[], datetime],
    stop: Callable[[], bool] = lambda: False,
    places: int = PLACES,
    patience: float = PATIENCE,
    lasts: float = LASTS,
) -> int:
    """Tell endpoints what was announced until nothing is due and nothing on its way; return how many attempts it took.

    Args:
        clock: tells what time it is.
        stop: whether to take nothing more and to leave soon.
        places: exchanges at once.
        patience: seconds for one exchange.
        lasts: seconds after which nothing more is taken.
    """
    bury(now=clock())
    results: _Results = SimpleQueue()
    ends, made, on_their_way = time.monotonic() + lasts, 0, 0
    leaves: float | None = None
    while True:
        if stop() and leaves is None:
            leaves = time.monotonic() + _FAREWELL
        if leaves is None and time.monotonic() < ends:
            while take_announcements(now=clock()):
                pass
            on_their_way += _send_off(
                results, now=clock(), free=places - on_their_way, places=places, patience=patience
            )
        if not on_their_way or (leaves is not None and time.monotonic() > leaves):
            return made
        for parcel, answer in _arrived(results):
            record_outcome(parcel, answer, now=clock())
            on_their_way -= 1
            made += 1


def _send_off(results: _Results, *, now: datetime, free: int, places: int, patience: float) -> int:
    """Send what is due; return how many are on their way now."""
    sent = 0
    for parcel in claim_deliveries(now=now, free=free, places=places):
        if bury_interrupted(parcel, now=now):
            continue
        # As a daemon: a process that ends waits for no receiver.
        threading.Thread(target=_exchange, args=(parcel, results, patience), name="hook", daemon=True).start()
        sent += 1
    return sent


def _exchange(parcel: Parcel, results: _Results, patience: float) -> None:
    allow_private = settings.HOOKS_ALLOW_PRIVATE
    answer = post(parcel.url, parcel.body, parcel.headers, allow_private=allow_private, patience=patience)
    results.put((parcel, answer))


def _arrived(results: _Results) -> list[tuple[Parcel, Answer]]:
    """Wait a moment for an answer; return all that are there."""
    found = []
    try:
        found.append(results.get(timeout=_LOOK_EVERY))
        while True:
            found.append(results.get_nowait())
    except Empty:
        return found
