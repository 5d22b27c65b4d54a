"""In which language and time zone a page speaks: the person's choice, else what their browser asks for."""

from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

# Programs read codes, not sentences: what they are told stays in one language.
MACHINES: Final = (
    "/api/", "/v1/", "/batch", "/capture", "/e/", "/i/v0/", "/hooks/email/", "/healthz", "/readyz", "/metrics",
)  # fmt: skip


class LocaleMiddleware:
    """Speaks the language and shows the wall clock of whoever asks.

    The choice is ``request.user.preferences`` (``language``, ``time_zone``; both may be empty): contacts owns that row,
    this leaf only reads the attribute. Visitors get what their browser asks for, in UTC.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as the view does, in the right language and zone."""
        if request.path.startswith(MACHINES):
            with translation.override(settings.LANGUAGE_CODE), timezone.override(None):
                return self.get_response(request)
        preferences = getattr(request.user, "preferences", None)
        chosen = getattr(preferences, "language", "")
        language = chosen or translation.get_language_from_request(request)
        with translation.override(language), timezone.override(_zone(getattr(preferences, "time_zone", ""))):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        if not chosen:
            patch_vary_headers(response, ("Accept-Language",))
        return response


def _zone(name: str) -> ZoneInfo | None:
    """Return the zone of that name; None (the installation's own) where there is none or it is no longer known."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
