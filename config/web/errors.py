"""One shape for every error: ``{"code": "snake_case", "message": "...", "fields": {...}}`` (API.md)."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.fields import get_error_detail
from rest_framework.response import Response

logger = logging.getLogger(__name__)

# Where programs ask: they get JSON, people get pages.
API_PREFIXES: Final = ("/api/", "/v1/", "/batch", "/capture", "/e/", "/i/v0/", "/hooks/email/")

_CODES: Final[Mapping[int, str]] = {
    400: "bad_request",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "throttled",
    500: "server_error",
    503: "unavailable",
}


class ApiError(exceptions.APIException):
    """An error of an endpoint, raised anywhere below its view.

    Args:
        status: HTTP status.
        code: snake_case, stable; programs decide by it.
        message: a sentence for a person.
        fields: field (dotted path) to what is wrong with it.
    """

    def __init__(self, status: int, code: str, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(detail=message, code=code)
        self.status_code = status
        self.fields = dict(fields or {})


def error_body(code: str, message: str, fields: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return the JSON object of an error."""
    return {"code": code, "message": message, "fields": dict(fields or {}), **more}


def error_response(
    status: int, code: str, message: str, fields: Mapping[str, str] | None = None, **more: Any
) -> JsonResponse:
    """Return an error from a view that is not REST framework's."""
    return JsonResponse(error_body(code, message, fields, **more), status=status)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """REST framework's exception handler: every error a view raises, in the one shape.

    None, for what nobody foresaw, lets Django log it and answer 500 in the same shape.
    """
    if isinstance(error, Http404 | ObjectDoesNotExist):
        error = exceptions.NotFound("There is no such thing here.")
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied(str(error) or None)
    elif isinstance(error, ModelValidationError):
        error = exceptions.ValidationError(get_error_detail(error))
    elif isinstance(error, DataError):
        # A value that no validator foresaw and that PostgreSQL cannot hold is still the request's fault.
        logger.warning("value_refused_by_database", exc_info=error)
        error = exceptions.ValidationError("A value does not fit.")
    if not isinstance(error, exceptions.APIException):
        return None
    headers: dict[str, str] = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]  # set by APIView
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]  # of Throttled
    return Response(_body_of(error), status=error.status_code, headers=headers)


def _body_of(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, ApiError):
        return error_body(str(error.detail.code), str(error.detail), error.fields)  # type: ignore[union-attr]
    if isinstance(error, exceptions.ValidationError):
        fields: dict[str, str] = {}
        codes: list[str] = []
        _flatten(error.detail, "", fields, codes)
        code = "unknown_parameter" if "unknown_parameter" in codes else "invalid"
        general = fields.pop("", "")
        message = general or "; ".join(f"{field}: {text}" for field, text in fields.items())
        return error_body(code, message, fields)
    codes_of = error.get_codes()
    code = codes_of if isinstance(codes_of, str) else _CODES.get(error.status_code, "error")
    return error_body(code, str(error.detail))


def _flatten(detail: Any, path: str, fields: dict[str, str], codes: list[str]) -> None:
    """Collect the first message of every field under its dotted path."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            inner = "" if key == "non_field_errors" else str(key)
            _flatten(value, ".".join(part for part in (path, inner) if part), fields, codes)
    elif isinstance(detail, list | tuple):
        for index, value in enumerate(detail):
            nested = isinstance(value, Mapping | list) and value
            _flatten(value, f"{path}.{index}".lstrip(".") if nested else path, fields, codes)
    else:
        fields.setdefault(path, str(detail))
        codes.append(getattr(detail, "code", ""))


def is_api(request: HttpRequest) -> bool:
    """Tell whether a program asks, by the address."""
    return request.path.startswith(API_PREFIXES)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 (Django's handler400)."""
    if is_api(request):
        return error_response(400, "bad_request", "The request cannot be read.")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 (Django's handler403)."""
    if is_api(request):
        return error_response(403, "permission_denied", str(exception) or "You may not do this.")
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 (Django's handler404)."""
    if is_api(request):
        return error_response(404, "not_found", "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 (Django's handler500)."""
    if is_api(request):
        return error_response(500, "server_error", "Something went wrong here; sending again later is safe.")
    return defaults.server_error(request)
