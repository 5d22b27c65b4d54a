"""Room for the frames of a request, so that no loop of it runs at the edge of what Python has at hand.

CPython keeps the frames of functions in chunks of 16 KB. A call for which a chunk has no room left asks the system for
another one and gives it back when it returns: some 8 microseconds in place of 0.03. A loop that happens to run at that
depth does so with every call, and a middleware, a block or an argument more moves the edge from one loop to another.

A frame larger than a chunk is given one of its own, of a power of two. What it calls finds the rest of that.
"""

from collections.abc import Callable
from functools import update_wrapper
from typing import Final, ParamSpec, TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase

P = ParamSpec("P")
R = TypeVar("R")

# Some hundreds of frames; only what is used of it becomes memory. One word for each value that a frame has room for.
_ROOM: Final = 128 * 1024
_WORD: Final = 8


def with_room(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that calls ``function`` with room for the frames of all that this calls in turn."""

    def roomy(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    # A frame of just over _ROOM, for which a chunk of twice that is made.
    roomy.__code__ = roomy.__code__.replace(co_stacksize=_ROOM // _WORD)
    return update_wrapper(roomy, function)


class RoomMiddleware:
    """Gives every request room."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = with_room(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as the view does."""
        return self._answer(request)
