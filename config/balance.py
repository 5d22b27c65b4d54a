"""Sharing kept-alive connections among the web's processes.

Which process accepts a connection is chance, and a connection that is kept alive stays with it: two senders may share
one process for hours while another has nothing to do. A process that answers at least two more requests at once than
another asks the sender to connect again (``Connection: close``, RFC 9112, 9.6): whoever is free is first to accept.
"""

import mmap
import threading
from typing import Any, Final

# More processes than there are ever at once, those included that end while others take over.
_PLACES: Final = 256
_FREE: Final = 255


class Balance:
    """How many requests each process answers just now, in memory that all of them share.

    Made before they are forked: their parent gives a place to each (`enter`) and takes it back (`leave`).
    """

    def __init__(self) -> None:
        self._busy = mmap.mmap(-1, _PLACES)
        self._busy[:] = bytes([_FREE]) * _PLACES
        # Between the threads of a process: nobody else writes to its place.
        self._lock = threading.Lock()

    def enter(self) -> int:
        """Return a place that no process has."""
        place = self._busy.find(bytes([_FREE]))
        if place < 0:
            raise RuntimeError(f"There are more than {_PLACES} processes.")
        self._busy[place] = 0
        return place

    def leave(self, place: int) -> None:
        """Take back the place of a process that has ended."""
        self._busy[place] = _FREE

    def begin(self, place: int) -> bool:
        """Count a request that begins; True where another process has at least two fewer at once."""
        with self._lock:
            busy = min(self._busy[place] + 1, _FREE - 1)
            self._busy[place] = busy
        return busy > min(self._busy[:]) + 1

    def end(self, place: int) -> None:
        """Count it no more."""
        with self._lock:
            self._busy[place] = max(self._busy[place] - 1, 0)


def share(balance: Balance, place: int, request: Any) -> None:
    """Count a request of gunicorn's; its connection ends with the answer where another process has less to do."""
    if balance.begin(place):
        request.force_close()


# The web's. Here and not in gunicorn's configuration, which is read again at each reload, while workers of before still
# have their places.
BALANCE: Final = Balance()
