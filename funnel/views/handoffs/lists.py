"""The queue, and a rep's own prospects."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from config.web.pages import link_with, page, person_of
from config.web.ui import Tab
from funnel.permissions import check_see_handoffs, leads_sales
from funnel.selectors.mine import mine as list_mine
from funnel.selectors.queue import COUNT_CAP
from funnel.selectors.queue import queue as list_queue
from scoring.selectors import stage_labels


@page(check_see_handoffs)
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """List unclaimed handoffs, the closest deadline first; ``?kept=me``: those kept for oneself; ``?after=``: next."""
    after, person = request.GET.get("after", ""), person_of(request)
    only_kept = request.GET.get("kept", "") == "me"
    found = list_queue(user=person, now=timezone.now(), after=after, only_kept=only_kept)
    tabs = [
        Tab("Everybody", "/queue/", not only_kept, found.waiting, found.waiting >= COUNT_CAP, "inbox"),
        Tab("Kept for me", "/queue/?kept=me", only_kept, found.kept, found.kept >= COUNT_CAP, "user-round-check"),
    ]
    context = {
        "cards": found.cards,
        "labels": stage_labels(),
        "tabs": tabs,
        "only_kept": only_kept,
        "starving": found.starving,
        "may_lead": leads_sales(person),
        "next_url": link_with(request.GET, after=found.next) if found.next else "",
        "first_url": link_with(request.GET) if after else "",
    }
    return render(request, "funnel/queue.html", context)


@page(check_see_handoffs)
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """Show what this person holds, by what each waits for."""
    found = list_mine(user=person_of(request), now=timezone.now())
    silent = f"Their date has passed, or nothing was said for {found.stale_days} days."
    columns = [
        ("Claimed", "Get in touch before the clock runs out.", "hand", found.claimed),
        ("In conversation", "Stays open until an outcome is recorded.", "handshake", found.talking),
        ("Waiting", "Until the date that was agreed.", "hourglass", found.waiting),
        ("Outcome due", silent, "bell-ring", found.due),
    ]
    context = {
        "columns": columns,
        "closed": found.closed,
        "open": any(cards for *_, cards in columns),
        "labels": stage_labels(),
    }
    return render(request, "funnel/mine.html", context)
