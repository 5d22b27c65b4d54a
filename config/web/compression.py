"""Pages travel compressed: a list of fifty contacts is 180 KB of markup and a tenth of that on the way."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class PageCompressionMiddleware(GZipMiddleware):
    """Compresses pages and parts of pages, and leaves programs' answers, files and exports as they are.

    A form's token is masked anew in every answer and Django pads what it compresses by a random length, so that the
    length tells nothing of what is inside (BREACH).
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress what a browser shows as a page."""
        if response.streaming or not response.headers.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
