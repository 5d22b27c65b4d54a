"""Pages behind signed links in mails: what we may write about, and unsubscribing. For contacts; nobody signs in.

The link is the authority, so these forms need no CSRF token, and no cookie that would carry one.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from contacts.services.preferences import (
    Recipient,
    StaysSuppressed,
    choices_of,
    read_link,
    save_preferences,
    unsubscribe_from_all,
)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest, signed: str) -> HttpResponse:
    """Show every purpose with a switch; take what was chosen, or unsubscribe from everything."""
    recipient = read_link(signed)
    if recipient is None:
        return _dead(request)
    if request.method != "POST":
        return _show(request, recipient, saved="saved" in request.GET)
    now = timezone.now()
    if request.POST.get("do") == "none":
        unsubscribe_from_all(recipient=recipient, how="preference page", now=now)
    else:
        on = set(request.POST.getlist("purpose"))
        wanted = {choice.purpose.key: choice.purpose.key in on for choice in choices_of(recipient)}
        try:
            save_preferences(recipient=recipient, wanted=wanted, now=now)
        except StaysSuppressed as refused:
            return _show(request, recipient, refused=str(refused))
    return redirect(f"{reverse('preferences', args=[signed])}?saved")


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, signed: str) -> HttpResponse:
    """Unsubscribe by one POST (RFC 8058). A GET only shows the button: mail scanners follow every link."""
    recipient = read_link(signed)
    if recipient is None:
        return _dead(request)
    if request.method == "POST":
        one_click = request.POST.get("List-Unsubscribe") == "One-Click"
        how = "one-click" if one_click else "unsubscribe page"
        unsubscribe_from_all(recipient=recipient, how=how, now=timezone.now())
    context = {
        "done": request.method == "POST",
        "address": recipient.address,
        "preferences": reverse("preferences", args=[signed]),
    }
    return _private(render(request, "public/unsubscribe.html", context))


def _show(request: HttpRequest, recipient: Recipient, *, saved: bool = False, refused: str = "") -> HttpResponse:
    context = {
        "address": recipient.address,
        "choices": choices_of(recipient),
        "saved": saved,
        "refused": refused,
    }
    return _private(render(request, "public/preferences.html", context, status=409 if refused else 200))


def _dead(request: HttpRequest) -> HttpResponse:
    context = {
        "heading": gettext("This link leads nowhere any more"),
        "text": gettext("Nobody is known here under it, so nothing will be sent because of it either."),
    }
    return _private(render(request, "public/gone.html", context, status=404))


def _private(response: HttpResponse) -> HttpResponse:
    """Keep the link, which is all that the page asks for, out of what the browser tells other sites."""
    response["Referrer-Policy"] = "no-referrer"
    return response
