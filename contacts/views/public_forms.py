"""Hosted lead-capture forms and the links that confirm them. For the world: nobody signs in, no cookie is set.

Other sites post here too (the snippet), so no CSRF token guards it; nothing here acts for somebody signed in. What
keeps machines away is a trap that people do not see, the time it took, a limit by network address, and for forms that
name their sites, where the browser says it comes from.
"""

import uuid
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from contacts.forms.public import STAMP, TRAP, VisitorForm
from contacts.ingest.incoming import Refused
from contacts.models import Form
from contacts.services.forms import count_bot, is_too_often
from contacts.services.record import TooBusy
from contacts.services.submissions import Expired, confirm_submission, find_confirmation, submit_form

# Nobody reads a form and types an address in less.
_LEAST_SECONDS: Final = 2.0
_STAMPS: Final = signing.Signer(salt="ripen.form")


@csrf_exempt
@xframe_options_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def form(request: HttpRequest, token: str) -> HttpResponse:
    """Show a form, or take what somebody filled in; a site of the form's own may show it in a frame (``?embed``)."""
    found = _open_form(token)
    if found is None:
        return _closed(request, token)
    if request.method != "POST":
        return _page(request, found, VisitorForm(found, label_suffix=""))
    now = timezone.now()
    visitor = VisitorForm(found, request.POST, label_suffix="")
    if not _is_from_its_site(request, found):
        visitor.add_error(None, gettext("This form cannot be sent from there. Please use our own page."))
        return _page(request, found, visitor, status=403)
    stamp = _read_stamp(request.POST.get(STAMP, ""), found)
    if request.POST.get(TRAP) or (stamp is not None and stamp.age < _LEAST_SECONDS):
        count_bot(found)
        return _thanks(request, found, asks_to_confirm=False)
    if is_too_often(found, network_address=_network_address(request)):
        visitor.add_error(None, gettext("This was sent too often from your network. Please try again in ten minutes."))
        return _page(request, found, visitor, status=429)
    if not visitor.is_valid():
        return _page(request, found, visitor, status=422)
    return _submit(request, found, visitor, stamp.message_id if stamp else "", now)


@xframe_options_exempt
@require_safe
def form_thanks(request: HttpRequest, token: str) -> HttpResponse:
    """Say thank you; with ``?confirm``, that a mail is on its way."""
    found = _open_form(token)
    if found is None:
        return _closed(request, token)
    context = {"form": found, "confirm": "confirm" in request.GET, "embedded": _is_embedded(request, found)}
    return _framed(render(request, "public/thanks.html", context), request, found)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def form_confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm what was filled in, by a POST. A GET only shows the button: mail scanners follow every link."""
    now = timezone.now()
    try:
        found = find_confirmation(token, now=now)
    except Expired:
        return _gone(
            request, gettext("This link is too old"), gettext("Please fill in the form again; a new link follows."), 410
        )
    if found is None:
        return _gone(
            request,
            gettext("This link leads nowhere any more"),
            gettext("Nothing is waiting to be confirmed here."),
            404,
        )
    done = found.submission.confirmed_at is not None
    may_write = True
    if request.method == "POST":
        may_write = confirm_submission(confirmation=found, now=now)
        done = True
    context = {"form": found.form, "address": found.address, "done": done, "may_write": may_write}
    context["text"] = found.submission.consent_text
    response = render(request, "public/confirm.html", context)
    response["Referrer-Policy"] = "no-referrer"
    return response


class _Stamp(NamedTuple):
    """What a hosted page carried: an id of this filling-in, and how long ago the page was shown, in seconds."""

    message_id: str
    age: float


def _open_form(token: str) -> Form | None:
    found = Form.objects.select_related("source", "purpose").filter(token=token).first()
    return found if found is not None and found.is_open and found.source.revoked_at is None else None


def _submit(request: HttpRequest, found: Form, visitor: VisitorForm, message_id: str, now: datetime) -> HttpResponse:
    try:
        outcome = submit_form(
            form=found,
            email=visitor.cleaned_data["email"],
            values=visitor.answers(),
            consented=bool(visitor.cleaned_data.get("consent")),
            now=now,
            message_id=message_id,
        )
    except Refused as refused:
        visitor.refuse(refused.field, refused.message)
        return _page(request, found, visitor, status=422)
    except TooBusy:
        visitor.add_error(None, gettext("We are busy right now and could not store this. Please send it again."))
        return _page(request, found, visitor, status=503)
    return _thanks(request, found, asks_to_confirm=outcome.asks_to_confirm)


def _thanks(request: HttpRequest, found: Form, *, asks_to_confirm: bool) -> HttpResponse:
    if found.redirect_url:
        return _see_other(found.redirect_url)
    query = [word for word, on in (("confirm", asks_to_confirm), ("embed", _is_embedded(request, found))) if on]
    return _see_other(reverse("form-thanks", args=[found.token]) + (f"?{'&'.join(query)}" if query else ""))


def _see_other(url: str) -> HttpResponse:
    return HttpResponse(status=303, headers={"Location": url})


def _page(request: HttpRequest, found: Form, visitor: VisitorForm, *, status: int = 200) -> HttpResponse:
    stamp = _read_stamp(request.POST.get(STAMP, ""), found)
    context = {
        "form": found,
        "visitor": visitor,
        "trap": TRAP,
        "stamp_name": STAMP,
        # The same id through every correction: whatever is sent twice is one filling-in.
        "stamp": request.POST[STAMP] if stamp else _new_stamp(found),
        "embedded": _is_embedded(request, found),
    }
    return _framed(render(request, "public/form.html", context, status=status), request, found)


def _new_stamp(found: Form) -> str:
    return _STAMPS.sign_object([found.pk, str(uuid.uuid4()), timezone.now().timestamp()])


def _read_stamp(value: str, found: Form) -> _Stamp | None:
    """Return what the stamp says; None for the snippet, which has none, and for what is none of this form's."""
    try:
        form_id, message_id, shown_at = _STAMPS.unsign_object(value)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return _Stamp(message_id, timezone.now().timestamp() - shown_at) if form_id == found.pk else None


def _is_from_its_site(request: HttpRequest, found: Form) -> bool:
    """Tell whether the browser says it comes from us or one of the form's sites; any will do where none are named."""
    if not found.allowed_origins:
        return True
    origin = request.headers.get("Origin") or ""
    if not origin:
        came_from = urlsplit(request.headers.get("Referer", "")[:2_000])
        origin = f"{came_from.scheme}://{came_from.netloc}"
    return origin in {*found.allowed_origins, settings.BASE_URL, f"{request.scheme}://{request.get_host()}"}


def _network_address(request: HttpRequest) -> str:
    """Return who sends, as the proxy tells where one is trusted: the last address is the one that it saw itself."""
    told = request.headers.get("X-Forwarded-For", "") if settings.TRUST_PROXY else ""
    return (told.rsplit(",", 1)[-1].strip() or request.META.get("REMOTE_ADDR") or "")[:64]


def _is_embedded(request: HttpRequest, found: Form) -> bool:
    return bool(found.allowed_origins) and "embed" in request.GET


def _framed(response: HttpResponse, request: HttpRequest, found: Form) -> HttpResponse:
    """Say who may frame the page and where its form may lead, the page to go on to included."""
    update: dict[str, list[str]] = {}
    if found.redirect_url:
        target = urlsplit(found.redirect_url)
        update["form-action"] = [f"{target.scheme}://{target.netloc}"]
    policy: HttpResponseBase = response
    if _is_embedded(request, found):
        policy._csp_replace = {"frame-ancestors": list(found.allowed_origins)}  # type: ignore[attr-defined]  # noqa: SLF001  how django-csp is told
    else:
        response["X-Frame-Options"] = "DENY"
    if update:
        policy._csp_update = update  # type: ignore[attr-defined]  # noqa: SLF001  how django-csp is told
    return response


def _closed(request: HttpRequest, token: str) -> HttpResponse:
    if Form.objects.filter(token=token).exists():
        return _gone(request, gettext("This form is closed"), gettext("It takes no answers any more."), 410)
    return _gone(request, gettext("There is no such form"), gettext("Please check the address."), 404)


def _gone(request: HttpRequest, heading: str, text: str, status: int) -> HttpResponse:
    return render(request, "public/gone.html", {"heading": heading, "text": text}, status=status)
