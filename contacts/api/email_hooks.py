"""Where e-mail providers report: `/hooks/email/<provider>/<token>`."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from config.web.errors import error_response
from contacts.api.reading import Denied, answering, receipt_body
from contacts.forms.email_hooks import HOW_TO
from contacts.ingest.incoming import TooLarge, Unreadable
from contacts.ingest.reading import gunzip
from contacts.services.email_hooks import find_hook, record_reports
from contacts.services.pressure import check_capacity, timing_storage

# What providers let through: an inbound mail may carry attachments, which are not kept but have to be received.
MAX_BODY_BYTES: Final = 40 * 1024 * 1024
# Brevo has been called otherwise.
_OLD_NAMES: Final = {"sendinblue": "brevo"}


@csrf_exempt
@answering
def receive_reports(request: HttpRequest, provider: str, token: str) -> HttpResponse:
    """Record what a provider reports.

    HEAD and GET answer 200 where the address is valid: some providers look whether it is there. A POST answers 200
    with a receipt once it is stored, 401 for a token that is none, 403 for a wrong signature, 404 for a provider that
    is not known, 400 and 413 for a body that cannot be read, and 503 where sending again later helps.
    """
    provider = _OLD_NAMES.get(provider, provider)
    if provider not in HOW_TO:
        return error_response(404, "not_found", "There is no such e-mail provider.")
    now = timezone.now()
    hook = find_hook(provider=provider, token=token, now=now)
    if hook is None:
        raise Denied(401, "invalid_key", "This address is not valid, or not any more.")
    if request.method in {"GET", "HEAD"}:
        return HttpResponse()
    if request.method != "POST":
        response = error_response(405, "method_not_allowed", "Send a POST.")
        response.headers["Allow"] = "GET, HEAD, POST"
        return response
    check_capacity()
    # With what the library needs for every provider this takes a second and 35 MB: only where somebody reports.
    from contacts.api.email_fetching import TryAgain
    from contacts.api.email_providers import BadSignature, read_body

    try:
        reports = read_body(provider, request, _body_of(request))
    except BadSignature as error:
        raise Denied(403, "bad_signature", str(error)) from None
    except TryAgain:
        response = error_response(
            503, "unavailable", "The mail could not be fetched from the provider; report it again."
        )
        response.headers["Retry-After"] = "60"
        return response
    with timing_storage():
        receipt = record_reports(source=hook.source, provider=provider, reports=reports, received_at=now)
    return HttpResponse(receipt_body(receipt), content_type="application/json")


def _body_of(request: HttpRequest) -> bytes:
    """Return the body, unpacked where it is gzip.

    Raises:
        TooLarge: over 40 MB, packed or unpacked.
        Unreadable: it breaks off, or is no gzip.
    """
    try:
        body: bytes = request.read(MAX_BODY_BYTES + 1)
    except (UnreadablePostError, OSError):
        raise Unreadable("The body broke off.") from None
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"The body is longer than {MAX_BODY_BYTES:,} bytes.")
    if request.headers.get("Content-Encoding", "").strip().lower() in {"gzip", "x-gzip"} and body[:2] == b"\x1f\x8b":
        return gunzip(body, MAX_BODY_BYTES)
    return body
