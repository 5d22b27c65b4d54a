"""A contact's timeline: what happened and what it changed, with what may be corrected."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_safe

from config.web.formats import format_score
from config.web.live import is_live, live_answer
from config.web.pages import link_with, page
from config.web.ui import MenuItem, TimelineDay, TimelineItem
from contacts.enums import Initiator
from contacts.models import Contact
from contacts.permissions import can_correct_events, check_view_contacts
from contacts.selectors.corrections import retractions_of
from scoring.selectors.timeline import TimelinePage, contact_timeline, kinds_of, sentence_case
from scoring.services.trend import Trend, engagement_trend
from scoring.views.contact_head import contact_tabs, header_or_404
from scoring.wording import kind_phrase

_INITIATORS = (
    (Initiator.THEM, gettext_lazy("The contact")),
    (Initiator.US, gettext_lazy("We")),
    (Initiator.BOTH, gettext_lazy("Both sides")),
)


@page(check_view_contacts)
@require_safe
def timeline(request: HttpRequest, contact_id: int) -> HttpResponseBase:
    """Show what happened and what it changed; filters ``kind`` and ``initiator``, older pages by ``before``.

    An open page asks here for what is new.
    """
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    kind, initiator, before = (request.GET.get(name, "").replace("\0", "") for name in ("kind", "initiator", "before"))
    found = contact_timeline(
        contact_id=contact_id,
        labels={stage.key: stage.label for stage in header.document.stages},
        now=now,
        kind=kind,
        initiator=initiator,
        before=before,
    )
    context = {"header": header, "days": _correctable(request, contact_id, found, now)}
    if is_live(request):
        return live_answer(request, render_to_string("scoring/timeline_days.html", context, request))
    context |= {
        "tabs": contact_tabs(contact_id, "timeline"),
        "page": found,
        "kind": kind,
        "initiator": initiator,
        "initiators": [(value.value, name) for value, name in _INITIATORS],
        "kinds": [(name, sentence_case(kind_phrase(name))) for name in kinds_of(contact_id=contact_id)],
        "older": bool(before),
        "next_url": f"{link_with(request.GET)}&before={found.next}" if found.next else "",
        "first_url": link_with(request.GET) if before else "",
    }
    return render(request, "scoring/timeline.html", context)


@page(check_view_contacts)
@require_safe
def head(request: HttpRequest, contact_id: int) -> HttpResponseBase:
    """Answer an open page of the contact with its head as it is now; anybody else is led to the contact."""
    if not is_live(request):
        return redirect("contact", contact_id)
    header = header_or_404(request, contact_id, timezone.now())
    return live_answer(request, render_to_string("contacts/contact_live.html", {"header": header}, request))


@page(check_view_contacts)
@require_safe
def trend(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Show how engagement went over the last 90 days; for the head of the contact's pages as a line alone."""
    now = timezone.now()
    if request.htmx:  # type: ignore[attr-defined]  # django-htmx adds it
        try:
            found = engagement_trend(contact_id=contact_id, now=now)
        except Contact.DoesNotExist as error:
            raise Http404("No such contact.") from error
        return render(request, "scoring/trend_line.html", {"contact_id": contact_id, **_trend(found)})
    header = header_or_404(request, contact_id, now)
    found = engagement_trend(contact_id=contact_id, now=now)
    context = {"header": header, "tabs": contact_tabs(contact_id, ""), **_trend(found)}
    context["rows"] = list(zip(found.moments, found.engagement, strict=True))[::-1]
    return render(request, "scoring/trend.html", context)


def _trend(found: Trend) -> dict[str, Any]:
    first, last = format_score(found.engagement[0]), format_score(found.engagement[-1])
    said = gettext("Engagement over the last 90 days: from %(first)s to %(last)s") % {"first": first, "last": last}
    # Whole tenths of a point, as the figure above it shows.
    tenths = found.engagement[-1] // 100 - found.engagement[0] // 100
    return {"trend": found, "said": said, "change": tenths * 100, "values": [float(v) for v in found.engagement]}


def _correctable(request: HttpRequest, contact_id: int, found: TimelinePage, now: datetime) -> list[TimelineDay]:
    """Say of retracted events who did it and why, and let those who may correct events do so; one query."""
    items = [item for group in found.days for item in group.items]
    reasons = retractions_of(event_ids=[item.event_id for item in items if item.retracted], now=now)
    may = can_correct_events(request.user)
    query = f"?{request.GET.urlencode()}" if request.GET else ""

    def corrected(item: TimelineItem) -> TimelineItem:
        if not item.event_id:
            return item
        told = [part for part in (item.detail, reasons.get(item.event_id, "")) if part]
        menu = _corrections(item, f"/contacts/{contact_id}/events/{item.event_id}", query) if may else ()
        return replace(item, detail=" \N{MIDDLE DOT} ".join(told), menu=menu)

    return [replace(group, items=tuple(corrected(item) for item in group.items)) for group in found.days]


def _corrections(item: TimelineItem, path: str, query: str) -> tuple[MenuItem, ...]:
    """What can be said of an event that is shown as it is."""
    if item.retracted:
        return (MenuItem(gettext("Restore"), f"{path}/restore/{query}", "undo-2", post=True),)
    retract = MenuItem(gettext("Retract (mistake)"), f"{path}/retract/{query}", "circle-x", danger=True, post=True)
    if not item.suspect:
        return (MenuItem(gettext("Mark as bot"), f"{path}/bot/{query}", "bot", post=True), retract)
    reason = next((text for text, tone in item.badges if tone == "warn"), "")
    such = urlencode({"reason": reason, "days": 3650})
    alike = MenuItem(gettext("All suspected like this"), f"/suspects/?{such}", "bot")
    return (MenuItem(gettext("Not a bot"), f"{path}/human/{query}", "user-round", post=True), alike, retract)
