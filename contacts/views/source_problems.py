"""What went wrong with what a source sends: rejected messages to mend and replay, warnings, kinds to map."""

import json
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.web.formats import format_number
from config.web.pages import page, person_of
from contacts.forms.sources import MappingForm, PayloadForm
from contacts.models import Kind, RejectedMessage
from contacts.permissions import check_manage_sources
from contacts.selectors.sources import kinds_of_source, rejected_of, warnings_of
from contacts.services.mapping import CannotMap, ignore_kind, map_kind, possible_targets, unmap_kind, weight_of_kind
from contacts.services.problems import forget_warnings
from contacts.services.record import TooBusy
from contacts.services.replaying import CannotReplay, check_replayable, replay_all, replay_message
from contacts.views.sources import head_of, paging, place_in, source_or_404

_LARGEST_ID = 2**63 - 1
_BUSY = gettext_noop("Too much is being written just now; try again in a moment.")


@page(check_manage_sources)
@require_safe
def source_rejected(request: HttpRequest, source_id: int) -> HttpResponse:
    """List a source's rejected messages, the latest first."""
    row = source_or_404(source_id)
    before = place_in(request)
    found = rejected_of(row, before=before)
    context = {
        **head_of(row, tab="source-rejected"),
        **paging(request, before, found.before),
        "found": found,
        "before": before,
    }
    return render(request, "contacts/source_rejected.html", context)


@page(check_manage_sources)
@require_POST
def replay_source(request: HttpRequest, source_id: int) -> HttpResponse:
    """Replay everything of a source that was rejected."""
    row = source_or_404(source_id)
    try:
        outcome = replay_all(source=row, by=person_of(request), now=timezone.now())
    except TooBusy:
        messages.error(request, gettext(_BUSY))
        return redirect("source-rejected", row.pk)
    if outcome.recorded:
        said = ngettext("%(number)s message was recorded.", "%(number)s messages were recorded.", outcome.recorded)
        messages.success(request, said % {"number": format_number(outcome.recorded)})
    if outcome.refused:
        said = ngettext(
            "%(number)s message was refused again, with the reason it has now.",
            "%(number)s messages were refused again, with the reason they have now.",
            outcome.refused,
        )
        messages.warning(request, said % {"number": format_number(outcome.refused)})
    if not outcome.recorded and not outcome.refused:
        messages.info(request, gettext("There is nothing that could be replayed."))
    return redirect("source-rejected", row.pk)


@page(check_manage_sources)
@require_http_methods(["GET", "HEAD", "POST"])
def source_message(request: HttpRequest, source_id: int, rejected_id: int) -> HttpResponse:
    """Show one rejected message; replay it, mended or as it is."""
    row = source_or_404(source_id)
    if rejected_id > _LARGEST_ID:
        raise Http404("No such message.")
    message = get_object_or_404(RejectedMessage.objects.select_related("replayed_by"), pk=rejected_id, source=row)
    form = PayloadForm(initial={"payload": _readable(message.payload)})
    if request.method == "POST":
        form = PayloadForm(request.POST)
        if form.is_valid():
            try:
                # The page shows it on several lines; what nobody changed is read as it came.
                given = form.cleaned_data["payload"].replace("\r\n", "\n")
                changed = given if given != _readable(message.payload) else None
                outcome = replay_message(
                    rejected_id=message.pk, payload=changed, by=person_of(request), now=timezone.now()
                )
            except CannotReplay as error:
                form.add_error("payload", str(error))
            except TooBusy:
                form.add_error("payload", gettext(_BUSY))
            else:
                if outcome.recorded:
                    messages.success(request, gettext("Recorded. The judgement follows within seconds."))
                    return redirect("source-rejected", row.pk)
                message.refresh_from_db()
                form.add_error("payload", gettext("Refused again: %(reason)s") % {"reason": message.message})
    context: dict[str, Any] = {
        **head_of(row, tab="source-rejected"),
        "message": message,
        "form": form,
        "obstacle": _obstacle(message),
    }
    return render(request, "contacts/source_message.html", context, status=422 if form.errors else 200)


@page(check_manage_sources)
@require_http_methods(["GET", "HEAD", "POST"])
def source_warnings(request: HttpRequest, source_id: int) -> HttpResponse:
    """List what was odd about a source's messages; forget it, once it has been dealt with."""
    row = source_or_404(source_id)
    if request.method == "POST":
        forget_warnings(source=row, by=person_of(request))
        messages.success(request, gettext("Forgotten. What goes on shows up again."))
        return redirect("source-warnings", row.pk)
    context = {**head_of(row, tab="source-warnings"), "warnings": warnings_of(row)}
    return render(request, "contacts/source_warnings.html", context)


@page(check_manage_sources)
@require_safe
def source_kinds(request: HttpRequest, source_id: int) -> HttpResponse:
    """List the kinds that a source introduced, and what they mean."""
    row = source_or_404(source_id)
    context = {**head_of(row, tab="source-kinds"), "kinds": kinds_of_source(row)}
    return render(request, "contacts/source_kinds.html", context)


@page(check_manage_sources)
@require_http_methods(["GET", "HEAD", "POST"])
def source_kind(request: HttpRequest, source_id: int, kind_id: int) -> HttpResponse:
    """Say what a kind means, and show beforehand how much history that changes."""
    row = source_or_404(source_id)
    kind = get_object_or_404(Kind.objects.select_related("maps_to"), pk=min(kind_id, 2**15 - 1), introduced_by=row)
    targets = possible_targets()
    form = MappingForm(initial={"target": kind.maps_to_id}, targets=targets)
    if request.method == "POST":
        action = request.POST.get("action", "map")
        form = MappingForm(request.POST, targets=targets)
        if action != "map" or form.is_valid():
            try:
                return _explain(request, kind, action, form)
            except CannotMap as error:
                form.add_error("target", str(error))
    context = {**head_of(row, tab="source-kinds"), "kind": kind, "form": form, "weight": weight_of_kind(kind=kind)}
    status = 422 if request.method == "POST" else 200
    return render(request, "contacts/source_kind.html", context, status=status)


def _explain(request: HttpRequest, kind: Kind, action: str, form: MappingForm) -> HttpResponse:
    person = person_of(request)
    if action == "ignore":
        ignore_kind(kind=kind, by=person)
        said = gettext("“%(kind)s” means nothing.") % {"kind": kind.name}
    elif action == "unmap":
        unmap_kind(kind=kind, by=person)
        said = gettext("“%(kind)s” waits for an explanation again, and weighs nothing.") % {"kind": kind.name}
    else:
        target: Kind = form.cleaned_data["target"]
        map_kind(kind=kind, target=target, by=person)
        said = gettext("“%(kind)s” counts as “%(target)s”. Everybody who has one is judged again.") % {
            "kind": kind.name,
            "target": target.name,
        }
    messages.success(request, said)
    return redirect("source-kinds", kind.introduced_by_id)


def _readable(payload: str) -> str:
    """Return JSON text on several lines where that says the same; anything else as it is."""
    try:
        value = json.loads(payload)
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError):
        return payload
    return text if "\0" not in text else payload


def _obstacle(message: RejectedMessage) -> str:
    """Return why a message cannot be read again as it is, "" where it can."""
    try:
        check_replayable(message)
    except CannotReplay as error:
        return str(error)
    return ""
