"""Pages of other sites may send facts: what their browsers ask beforehand, and the leave to read the answer."""

import re
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase

# Where public keys are used. They are for anybody to read, and no cookie is ever sent along, so any site may call.
_OPEN: Final = re.compile(r"/(?:v1/\w+|api/v1/events/|batch|capture|e|i/v0/e)/?")
_METHODS: Final = "POST, OPTIONS"
_HEADERS: Final = "authorization, content-type, content-encoding, idempotency-key"
_LONGEST_HEADER: Final = 500
_REMEMBERED_SECONDS: Final = 86_400


class CrossOriginMiddleware:
    """Lets browsers send facts from any origin; reading anything takes a key that no browser should have."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the question beforehand, or let the answer to a POST be read."""
        is_question = request.method == "OPTIONS" and "Origin" in request.headers
        if not (is_question or request.method == "POST") or not _OPEN.fullmatch(request.path):
            return self.get_response(request)
        response = HttpResponse(status=204) if is_question else self.get_response(request)
        response.headers["Access-Control-Allow-Origin"] = "*"
        if is_question:
            wanted = request.headers.get("Access-Control-Request-Headers", "")
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = wanted[:_LONGEST_HEADER] or _HEADERS
            response.headers["Access-Control-Max-Age"] = str(_REMEMBERED_SECONDS)
        else:
            response.headers["Access-Control-Expose-Headers"] = "Retry-After, Idempotency-Replayed"
        return response
