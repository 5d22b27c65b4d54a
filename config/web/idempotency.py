"""``Idempotency-Key``: a POST or PATCH that is sent again gets the first answer, and nothing happens twice."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import UnreadablePostError
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.settings import api_settings

from config.web.errors import error_response
from config.web.models import KeptAnswer

HEADER: Final = "Idempotency-Key"
MAX_KEY_LENGTH: Final = 255
KEPT_FOR: Final = timedelta(days=7)
_FORGOTTEN_AT_ONCE: Final = 100
_SERVER_ERROR: Final = 500
# Of an answer that says "not now" or "not you" nothing has happened: the key stays free.
_NOT_KEPT: Final = frozenset({401, 403, 408, 429})

INSERT_KEY: Final = """
INSERT INTO web_keptanswer (caller, key, request_digest, content_type, location, body)
VALUES (%s, %s, %s, '', '', '') ON CONFLICT (caller, key) DO NOTHING RETURNING id
"""


class _NotKept(Exception):
    """Undoes the transaction of an answer that is not to be kept."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


class IdempotencyMiddleware:
    """Keeps the answers of API requests that carry the header, in the transaction that does the work.

    A second request with the key waits until the first has ended. Another request under the same key is 422.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer from memory, or ask the view and remember."""
        key = request.headers.get(HEADER)
        if key is None or request.method not in {"POST", "PATCH"} or not request.path.startswith("/api/"):
            return self.get_response(request)
        if not 0 < len(key) <= MAX_KEY_LENGTH or "\0" in key:
            message = f"{HEADER} holds 1 to {MAX_KEY_LENGTH} characters."
            return error_response(400, "invalid_idempotency_key", message)
        caller = _caller(request)
        if caller is None:
            return self.get_response(request)
        try:
            digest = _digest(request)
        except RequestDataTooBig:
            return error_response(413, "too_large", "The body is too large.")
        except UnreadablePostError:
            return error_response(400, "bad_request", "The body broke off.")
        try:
            with transaction.atomic():
                return self._answer(request, caller, key, digest)
        except _NotKept as answer:
            return answer.response

    def _answer(self, request: HttpRequest, caller: str, key: str, digest: str) -> HttpResponseBase:
        with connection.cursor() as cursor:
            cursor.execute(INSERT_KEY, [caller, key, digest])
            inserted = cursor.fetchone()
        if inserted is None:
            if not _opens(request):
                # The view says why not: what a key asked for while it held is none of its business afterwards.
                return self.get_response(request)
            return _replay(KeptAnswer.objects.get(caller=caller, key=key), digest)
        response = self.get_response(request)
        if not isinstance(response, HttpResponse):
            return response
        failed = response.status_code >= _SERVER_ERROR or connection.needs_rollback
        if failed or response.status_code in _NOT_KEPT:
            raise _NotKept(response)
        KeptAnswer.objects.filter(pk=inserted[0]).update(
            status=response.status_code,
            content_type=response.headers.get("Content-Type", ""),
            location=response.headers.get("Location", ""),
            body=response.content,
        )
        forget_answers()
        return response


def forget_answers() -> None:
    """Delete some answers older than a week; every kept answer pays for this, so no timer is needed."""
    old = (
        KeptAnswer.objects.filter(created_at__lt=timezone.now() - KEPT_FOR)
        .select_for_update(skip_locked=True)
        .values("pk")[:_FORGOTTEN_AT_ONCE]
    )
    KeptAnswer.objects.filter(pk__in=old).delete()


def _caller(request: HttpRequest) -> str | None:
    """Return a hash of who asks, None for nobody (such a request fails anyway)."""
    authorization = request.headers.get("Authorization", "")
    user = getattr(request, "user", None)
    if not authorization and (user is None or not user.is_authenticated):
        return None
    who = ["key", authorization] if authorization else ["user", str(user.pk) if user else ""]
    return hashlib.sha256(json.dumps(who).encode()).hexdigest()


def _opens(request: HttpRequest) -> bool:
    """Tell whether the caller would still be let in: the key holds, or the session comes with its CSRF token."""
    ways: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    asked = Request(request, authenticators=[one() for one in ways])
    try:
        return asked.auth is not None or bool(asked.user.is_authenticated)
    except APIException:
        return False


def _digest(request: HttpRequest) -> str:
    content = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode("utf-8", "surrogateescape"))
    content.update(request.body)
    return content.hexdigest()


def _replay(answer: KeptAnswer, digest: str) -> HttpResponse:
    if answer.request_digest != digest:
        message = f"This {HEADER} was used before with another request."
        return error_response(422, "idempotency_key_reused", message)
    response = HttpResponse(bytes(answer.body), status=answer.status or 200, content_type=answer.content_type)
    if answer.location:
        response.headers["Location"] = answer.location
    response.headers["Idempotency-Replayed"] = "true"
    return response
