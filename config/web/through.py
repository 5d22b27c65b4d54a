"""Through what somebody acts: a session, a key, a command. The audit log asks; this leaf knows no model."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

SESSION: Final = "session"
TOKEN: Final = "token"  # noqa: S105  a kind of key, none of them
SOURCE: Final = "source"
COMMAND: Final = "command"
SYSTEM: Final = "system"


@dataclass(frozen=True, slots=True)
class Through:
    """``channel``: one of the constants above; ``key``: number of the token or source, None where there is none."""

    channel: str = SYSTEM
    key: int | None = None
    label: str = ""
    person: Any = None


_NOBODY: Final = Through()
_current: ContextVar[Through] = ContextVar("through", default=_NOBODY)


def current() -> Through:
    """Return through what this thread acts just now."""
    return _current.get()


def come_through(channel: str, *, key: int | None = None, label: str = "", person: Any = None) -> None:
    """Note through what the request (or, outside of one, this process) acts from here on."""
    _current.set(Through(channel, key, label, person))


class ThroughMiddleware:
    """Begins every request as one of its session and forgets at its end what was noted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as the view does."""
        before = _current.set(Through(SESSION, person=request.user))
        try:
            return self.get_response(request)
        finally:
            _current.reset(before)


class PrivateMiddleware:
    """What was answered to somebody in particular is kept by nobody: no proxy, no disk, no "back" after signing out."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as the view does; where it says nothing of caches, say that nothing is to be kept."""
        response = self.get_response(request)
        # Who it is matters only where the view asked.
        asked = hasattr(request, "_cached_user") and request.user.is_authenticated
        if (asked or "Authorization" in request.headers) and not response.has_header("Cache-Control"):
            response.headers["Cache-Control"] = "private, no-store"
        return response
