"""Request bodies and callers of the ingest endpoints, which are plain views: a batch must cost milliseconds."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec

import msgspec
from django.contrib.auth.models import User
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from rest_framework.authentication import CSRFCheck

from config.web.errors import error_response
from contacts.authentication import find_source, find_token
from contacts.enums import Scope
from contacts.ingest.incoming import TooLarge, Unreadable
from contacts.ingest.reading import MAX_BODY_BYTES, gunzip
from contacts.keys import TOKEN_PREFIX
from contacts.models import Source
from contacts.permissions import scopes_of
from contacts.services.callers import people_source
from contacts.services.pressure import Overloaded, Throttled
from contacts.services.record import Receipt, TooBusy

P = ParamSpec("P")

_RETRY_SOON: Final = "1"
_RETRY_LATER: Final = "5"
_encoder: Final = msgspec.json.Encoder()


class Denied(Exception):
    """The caller may not: 401 without a valid key, 403 without the scope."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class WrongEncoding(Exception):
    """The body is packed in a way that is not understood (415)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """In whose name facts are recorded: a source, and the person where it is one."""

    source: Source
    person: User | None = None

    @property
    def share(self) -> str:
        """Whose share of the capacity is used: each source has one, and so has each person."""
        return f"source:{self.source.pk}" if self.person is None else f"person:{self.person.pk}"


def read_body(request: HttpRequest) -> bytes:
    """Return the body, unpacked where it is gzip.

    Raises:
        TooLarge: over 4 MB, packed or unpacked.
        Unreadable: it breaks off, or is no gzip.
        WrongEncoding: another Content-Encoding.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise WrongEncoding(encoding)
    try:
        body = request.body
    except RequestDataTooBig:
        raise TooLarge(f"The body is longer than {MAX_BODY_BYTES:,} bytes.") from None
    except UnreadablePostError:
        raise Unreadable("The body broke off.") from None
    # Some proxies unpack a body and leave the header.
    return gunzip(body) if encoding in {"gzip", "x-gzip"} and body[:2] == b"\x1f\x8b" else body


def identify(request: HttpRequest) -> Caller:
    """Return who calls with a Bearer key or a session.

    Raises:
        Denied: 401 for an unknown key or none, 403 without ``events:write`` or the CSRF token of a session.
    """
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        key = key.strip()
        if not key.startswith(TOKEN_PREFIX):
            return _as_source(key)
        token = find_token(key)
        if token is None:
            raise Denied(401, "invalid_key", "This key is not valid.")
        return _as_person(token.user)
    if isinstance(request.user, User):
        reason = CSRFCheck(lambda _: HttpResponse()).process_view(request, None, (), {})  # type: ignore[arg-type]  # the view is not looked at
        if reason is not None:
            raise Denied(403, "permission_denied", "The CSRF token is missing or wrong.")
        return _as_person(request.user)
    raise Denied(401, "not_authenticated", "Send a key: “Authorization: Bearer <key>”.")


def identify_compatible(request: HttpRequest, key_in_body: Callable[[], str]) -> Caller:
    """Return the source that calls as the Segment SDKs do: key as Basic user, Bearer, or in the body.

    Raises:
        Denied: 401 for an unknown key or none, 403 without ``events:write``.
    """
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    key = ""
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
        except (binascii.Error, ValueError):
            raise Denied(401, "invalid_key", "The Basic credentials cannot be read.") from None
    elif scheme.lower() == "bearer":
        key = credentials.strip()
    return _as_source(key or key_in_body())


def _as_source(key: str) -> Caller:
    source = find_source(key)
    if source is None:
        code = "invalid_key" if key else "not_authenticated"
        raise Denied(401, code, "This key is not valid." if key else "Send the source's write key.")
    if Scope.EVENTS_WRITE.value not in source.scopes:
        raise Denied(403, "missing_scope", "This key lacks the scope events:write.")
    return Caller(source)


def _as_person(person: User) -> Caller:
    if Scope.EVENTS_WRITE.value not in scopes_of(person):
        raise Denied(403, "missing_scope", "Your role lacks the scope events:write.")
    return Caller(people_source(), person)


def receipt_body(receipt: Receipt, **more: Any) -> bytes:
    """Return the JSON of a receipt, as API.md gives it."""
    return _encoder.encode(
        {
            **more,
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "rejected": receipt.rejected,
            "warnings": receipt.warnings,
        }
    )


def answering(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Turn what an ingest view raises into the documented statuses; bad input never makes a 500."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Denied as denied:
            response = error_response(denied.status, denied.code, denied.message)
            if denied.status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
            return response
        except TooLarge as error:
            return error_response(413, "too_large", str(error))
        except Unreadable as error:
            return error_response(400, "unreadable", str(error))
        except WrongEncoding as error:
            return error_response(415, "unsupported_media_type", f"Content-Encoding “{error}” is not understood.")
        except Throttled as error:
            response = error_response(429, "throttled", "This key sends more than its share; sending again is safe.")
            response.headers["Retry-After"] = str(error.seconds)
            return response
        except Overloaded as error:
            return _unavailable(str(error.seconds), f"{error.reason}; sending again is safe.")
        except TooBusy:
            return _unavailable(_RETRY_SOON, "Too many writers of the same contacts; sending again is safe.")
        except OperationalError:
            return _unavailable(_RETRY_LATER, "The database is away; sending again is safe.")

    return wrapped


def _unavailable(seconds: str, message: str) -> HttpResponse:
    response = error_response(503, "unavailable", message)
    response.headers["Retry-After"] = seconds
    return response
