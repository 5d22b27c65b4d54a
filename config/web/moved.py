"""Pages that live at another address now: whoever asks at the old one is sent on."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect


class Moved(Exception):
    """What was asked for is at ``url`` now. Raised where a page looks up what it shows."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class MovedMiddleware:
    """Answers ``Moved`` with a redirect, which is not permanent: a merged contact may be parted again."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as the view does."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Lead on; leave every other exception to others."""
        return HttpResponseRedirect(exception.url) if isinstance(exception, Moved) else None
