"""Outbound webhooks: endpoints, what went there and what did not, secrets, tests and replays."""

import json
from datetime import timedelta
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.web.formats import format_number
from config.web.pages import add_errors, page, person_of
from config.web.ui import Tab
from contacts.permissions import check_manage_hooks
from funnel.enums import DeliveryState
from funnel.errors import HookConflict
from funnel.forms.hooks import EndpointForm, ReplayForm
from funnel.models import HookDelivery, HookEndpoint
from funnel.selectors.hooks import (
    COUNTED,
    EndpointCounts,
    attempts_of,
    counts_of_endpoints,
    deliveries_in_full,
    endpoints_in_full,
    page_of_deliveries,
)
from funnel.services.hooks.endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
    replay_delivery,
    replay_failed,
    reveal_secret,
    rotate_secret,
    secret_of,
    send_test,
)

_LARGEST_ID: Final = 2**63 - 1
_SHOWN: Final = {
    "": gettext_noop("All"),
    DeliveryState.WAITING: gettext_noop("Waiting"),
    DeliveryState.DEAD: gettext_noop("Dead letters"),
}
_ICONS: Final = {"": "send", DeliveryState.WAITING: "clock", DeliveryState.DEAD: "circle-x"}


@page(check_manage_hooks)
@require_safe
def hooks(request: HttpRequest) -> HttpResponse:
    """List endpoints with how they are."""
    rows = list(endpoints_in_full())
    counts = counts_of_endpoints(rows)
    return render(request, "funnel/hooks.html", {"rows": [(row, counts[row.pk]) for row in rows], "counted": COUNTED})


@page(check_manage_hooks)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def hook_new(request: HttpRequest) -> HttpResponse:
    """Make an endpoint and go on to its page."""
    form = EndpointForm()
    if request.method == "POST":
        form = EndpointForm(request.POST)
        if form.is_valid():
            try:
                made = create_endpoint(by=person_of(request), now=timezone.now(), **form.cleaned_data)
            except ValidationError as error:
                add_errors(form, error)
            else:
                messages.success(
                    request, gettext("It is told what happens from now on. Show its secret, and send a test.")
                )
                return redirect("hook", made.pk)
    return render(request, "funnel/hook_edit.html", {"form": form}, status=422 if form.errors else 200)


@page(check_manage_hooks)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def hook_edit(request: HttpRequest, hook_id: int) -> HttpResponse:
    """Change an endpoint."""
    row = _endpoint(hook_id)
    form = EndpointForm(initial={"url": row.url, "description": row.description, "types": row.types})
    if request.method == "POST":
        form = EndpointForm(request.POST)
        if form.is_valid():
            try:
                change_endpoint(endpoint_id=row.pk, by=person_of(request), **form.cleaned_data)
            except ValidationError as error:
                add_errors(form, error)
            else:
                messages.success(request, gettext("Saved. What waits goes there, too."))
                return redirect("hook", row.pk)
    return render(request, "funnel/hook_edit.html", {"form": form, "row": row}, status=422 if form.errors else 200)


@page(check_manage_hooks)
@never_cache
@require_safe
def hook(request: HttpRequest, hook_id: int) -> HttpResponse:
    """Show an endpoint, how it is doing, and what went there; ``?state=waiting|dead``, ``?before=``."""
    return _page(request, _endpoint(hook_id))


@page(check_manage_hooks)
@never_cache
@require_POST
def hook_secret(request: HttpRequest, hook_id: int) -> HttpResponse:
    """Show the secret."""
    row = _endpoint(hook_id)
    return _page(request, row, secret=reveal_secret(endpoint=row, by=person_of(request)))


@page(check_manage_hooks)
@never_cache
@require_POST
def hook_rotate(request: HttpRequest, hook_id: int) -> HttpResponse:
    """Give it a new secret and show it."""
    row = rotate_secret(endpoint_id=_endpoint(hook_id).pk, by=person_of(request), now=timezone.now())
    return _page(request, row, secret=secret_of(row), rotated=True)


@page(check_manage_hooks)
@require_POST
def hook_test(request: HttpRequest, hook_id: int) -> HttpResponse:
    """Send a test message and show what becomes of it."""
    row = _endpoint(hook_id)
    try:
        delivery = send_test(endpoint_id=row.pk, by=person_of(request), now=timezone.now())
    except HookConflict as conflict:
        messages.error(request, conflict.message)
        return redirect("hook", row.pk)
    return redirect("hook-delivery", delivery.pk)


@page(check_manage_hooks)
@require_POST
def hook_disable(request: HttpRequest, hook_id: int) -> HttpResponse:
    """Tell it nothing any more."""
    disable_endpoint(endpoint_id=_endpoint(hook_id).pk, by=person_of(request), now=timezone.now())
    messages.success(
        request, gettext("It is told nothing any more. What waited is a dead letter now and can be replayed.")
    )
    return redirect("hook", hook_id)


@page(check_manage_hooks)
@require_POST
def hook_enable(request: HttpRequest, hook_id: int) -> HttpResponse:
    """Tell it again what happens."""
    enable_endpoint(endpoint_id=_endpoint(hook_id).pk, by=person_of(request))
    messages.success(request, gettext("It is told again what happens. Dead letters wait until you replay them."))
    return redirect("hook", hook_id)


@page(check_manage_hooks)
@require_POST
def hook_delete(request: HttpRequest, hook_id: int) -> HttpResponse:
    """Delete an endpoint and all that is known of what went there."""
    delete_endpoint(endpoint_id=_endpoint(hook_id).pk, by=person_of(request))
    messages.success(request, gettext("The endpoint is gone, and so is the list of what went there."))
    return redirect("hooks")


@page(check_manage_hooks)
@never_cache
@require_POST
def hook_replay(request: HttpRequest, hook_id: int) -> HttpResponse:
    """Send every dead letter since a time again."""
    row = _endpoint(hook_id)
    form = ReplayForm(request.POST)
    if not form.is_valid():
        return _page(request, row, replay=form)
    try:
        count = replay_failed(
            endpoint_id=row.pk, since=form.cleaned_data["since"], by=person_of(request), now=timezone.now()
        )
    except HookConflict as conflict:
        messages.error(request, conflict.message)
    else:
        said = ngettext("%(number)s dead letter is sent again.", "%(number)s dead letters are sent again.", count)
        none = gettext("There were none since then.")
        messages.success(request, said % {"number": format_number(count)} if count else none)
    return redirect("hook", row.pk)


@page(check_manage_hooks)
@never_cache
@require_safe
def hook_delivery(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """Show one message on its way: what it says, and every attempt."""
    row = _delivery(delivery_id)
    context = {
        "row": row,
        "endpoint": row.endpoint,
        "tries": attempts_of(row),
        "payload": json.dumps(json.loads(row.message.body), indent=2, ensure_ascii=False),
    }
    return render(request, "funnel/hook_delivery.html", context)


@page(check_manage_hooks)
@require_POST
def hook_delivery_replay(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """Send one message once more."""
    row = _delivery(delivery_id)
    try:
        replay_delivery(delivery_id=row.pk, by=person_of(request), now=timezone.now())
    except HookConflict as conflict:
        messages.error(request, conflict.message)
    else:
        messages.success(request, gettext("It is sent again, under its own id."))
    return redirect("hook-delivery", row.pk)


def _page(
    request: HttpRequest,
    row: HookEndpoint,
    *,
    secret: str = "",
    rotated: bool = False,
    replay: ReplayForm | None = None,
) -> HttpResponse:
    state = request.GET.get("state", "")
    if state not in _SHOWN:
        raise Http404("No such list.")
    given = request.GET.get("before", "")
    before = min(int(given), _LARGEST_ID) if given.isascii() and given.isdigit() and len(given) < 20 else 0
    found = page_of_deliveries(row, state=state, before=before)
    counts = counts_of_endpoints([row])[row.pk]
    url = reverse("hook", args=[row.pk])
    query = f"state={state}&" if state else ""
    context: dict[str, Any] = {
        "row": row,
        "secret": secret,
        "rotated": rotated,
        "deliveries": found.deliveries,
        "state": state,
        "tabs": _tabs(url, state, counts),
        "dead": counts.dead,
        "replay": replay or ReplayForm(initial={"since": timezone.now() - timedelta(days=1)}),
        "summary": gettext("The latest")
        if not before
        else gettext("Older ones")
        if found.before
        else gettext("The oldest"),
        "next_url": f"{url}?{query}before={found.before}" if found.before else "",
        "first_url": f"{url}?{query}".rstrip("?&") if before else "",
        "live": not before and request.method != "POST",
    }
    wrong = replay is not None and bool(replay.errors)
    return render(request, "funnel/hook.html", context, status=422 if wrong else 200)


def _tabs(url: str, state: str, counts: EndpointCounts) -> list[Tab]:
    numbers = {DeliveryState.WAITING: counts.waiting, DeliveryState.DEAD: counts.dead}
    return [
        Tab(
            label=gettext(label),
            url=f"{url}?state={key}" if key else url,
            current=key == state,
            count=min(numbers[DeliveryState(key)], COUNTED) if key else None,
            more=bool(key) and numbers[DeliveryState(key)] > COUNTED,
            icon=_ICONS[key],
        )
        for key, label in _SHOWN.items()
    ]


def _endpoint(hook_id: int) -> HookEndpoint:
    return get_object_or_404(endpoints_in_full(), pk=min(hook_id, _LARGEST_ID))


def _delivery(delivery_id: int) -> HookDelivery:
    return get_object_or_404(deliveries_in_full(), pk=min(delivery_id, _LARGEST_ID))
