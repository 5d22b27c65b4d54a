"""A contact's timeline: what happened and what it changed, with what may be corrected."""

from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from config.web.pages import link_with, page
from config.web.ui import MenuItem, TimelineDay, TimelineItem
from contacts.enums import Initiator
from contacts.permissions import can_correct_events, check_view_contacts
from contacts.selectors.corrections import retractions_of
from scoring.selectors.timeline import TimelinePage, contact_timeline, kinds_of, sentence_case
from scoring.views.contact_head import contact_tabs, header_or_404
from scoring.wording import kind_phrase

_INITIATORS = ((Initiator.THEM, "The contact"), (Initiator.US, "We"), (Initiator.BOTH, "Both sides"))


@page(check_view_contacts)
@require_safe
def timeline(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Show what happened and what it changed; filters ``kind`` and ``initiator``, older pages by ``before``."""
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
    context = {
        "header": header,
        "tabs": contact_tabs(contact_id, "Timeline"),
        "page": found,
        "days": _correctable(request, contact_id, found, now),
        "kind": kind,
        "initiator": initiator,
        "initiators": [(value.value, name) for value, name in _INITIATORS],
        "kinds": [(name, sentence_case(kind_phrase(name))) for name in kinds_of(contact_id=contact_id)],
        "older": bool(before),
        "next_url": f"{link_with(request.GET)}&before={found.next}" if found.next else "",
        "first_url": link_with(request.GET) if before else "",
    }
    return render(request, "scoring/timeline.html", context)


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
        return (MenuItem("Restore", f"{path}/restore/{query}", "undo-2", post=True),)
    retract = MenuItem("Retract (mistake)", f"{path}/retract/{query}", "circle-x", danger=True, post=True)
    if not item.suspect:
        return (MenuItem("Mark as bot", f"{path}/bot/{query}", "bot", post=True), retract)
    reason = next((text for text, tone in item.badges if tone == "warn"), "")
    alike = MenuItem("All suspected like this", f"/suspects/?{urlencode({'reason': reason, 'days': 3650})}", "bot")
    return (MenuItem("Not a bot", f"{path}/human/{query}", "user-round", post=True), alike, retract)
