"""Addresses that nothing is sent to: how many, whether one is among them, adding and lifting one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from config.web.pages import page, person_of
from contacts.enums import SuppressionReason
from contacts.forms.consent import AddressForm, LiftForm, SuppressForm
from contacts.ingest.identifiers import normalise_email
from contacts.ingest.incoming import Refused
from contacts.permissions import can_lift_suppressions, check_lift_suppressions, check_suppress_addresses
from contacts.services.consent_facts import suppress_address
from contacts.services.suppression import (
    NEVER_LIFTED_BY_HAND,
    NotLiftable,
    count_suppressions,
    lift_suppression,
    suppressed_among,
)


@page(check_suppress_addresses)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def suppressions(request: HttpRequest) -> HttpResponse:
    """Show how many there are by reason; look one up or add one, by POST, so that no address gets into a log."""
    adding = request.method == "POST" and request.POST.get("do") == "suppress"
    looking = request.method == "POST" and not adding
    add = SuppressForm(request.POST) if adding else SuppressForm()
    look = AddressForm(request.POST, auto_id="look_%s") if looking else AddressForm(auto_id="look_%s")
    found, asked = None, ""
    if adding and add.is_valid() and _suppress(request, add):
        return redirect("suppressions")
    if looking and look.is_valid():
        try:
            asked = normalise_email(look.cleaned_data["email"], "email")
            found = suppressed_among([asked]).get(asked)
        except Refused as refused:
            look.add_error("email", refused.message)
    counts = count_suppressions()
    context = {
        "add": add,
        "look": look,
        "asked": asked,
        "found": found,
        "lift": LiftForm(initial={"email": asked}, auto_id="lift_%s"),
        "may_lift": can_lift_suppressions(request.user) and found and found.reason not in NEVER_LIFTED_BY_HAND,
        "rows": [(SuppressionReason(reason).label, number) for reason, number in counts.items()],
        "total": sum(counts.values()),
    }
    status = 422 if add.errors or look.errors else 200
    return render(request, "contacts/suppressions.html", context, status=status)


@page(check_lift_suppressions)
@require_POST
def suppression_lift(request: HttpRequest) -> HttpResponse:
    """Let mail through to an address again, with the reason that is kept."""
    form = LiftForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Name the address, and say why mail may be sent there again."))
        return redirect("suppressions")
    given = form.cleaned_data
    try:
        lift_suppression(address=given["email"], because=given["because"], by=person_of(request), now=timezone.now())
    except (Refused, NotLiftable) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(
            request, gettext("Mail may be sent there again. What they had agreed to does not come back with it.")
        )
    return redirect("suppressions")


def _suppress(request: HttpRequest, form: SuppressForm) -> bool:
    try:
        suppress_address(
            address=form.cleaned_data["email"],
            reason=form.cleaned_data["reason"],
            by=person_of(request),
            now=timezone.now(),
        )
    except Refused as refused:
        form.add_error("email", refused.message)
        return False
    messages.success(request, gettext("Nothing is sent to this address any more."))
    return True
