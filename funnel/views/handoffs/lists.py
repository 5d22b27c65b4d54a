"""The queue, and a rep's own prospects."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from config.web.live import is_live, live_answer, shown_parts
from config.web.pages import link_with, page, person_of
from config.web.ui import Tab
from funnel.permissions import check_see_handoffs, leads_sales
from funnel.selectors.cards import HandoffCard
from funnel.selectors.mine import MyHandoffs
from funnel.selectors.mine import mine as list_mine
from funnel.selectors.queue import COUNT_CAP, offers_lately
from funnel.selectors.queue import queue as list_queue
from scoring.selectors import stage_labels


@page(check_see_handoffs)
@require_safe
def queue(request: HttpRequest) -> HttpResponseBase:
    """List unclaimed handoffs, the closest deadline first; ``?kept=me``: those kept for oneself; ``?after=``: next.

    An open page asks for its parts (``config.web.live``); what became of the offers that it shows is among them.
    """
    after, person = request.GET.get("after", ""), person_of(request)
    only_kept = request.GET.get("kept", "") == "me"
    shown = shown_parts(request, "handoff-")
    found = list_queue(user=person, now=timezone.now(), after=after, only_kept=only_kept, shown=shown)
    tabs = [
        Tab(gettext("Everybody"), "/queue/", not only_kept, found.waiting, found.waiting >= COUNT_CAP, "inbox"),
        Tab(
            gettext("Kept for me"),
            "/queue/?kept=me",
            only_kept,
            found.kept,
            found.kept >= COUNT_CAP,
            "user-round-check",
        ),
    ]
    context = {
        "cards": found.cards,
        "gone": found.gone,
        "labels": stage_labels(),
        "tabs": tabs,
        "only_kept": only_kept,
        "starving": found.starving,
        "lately": offers_lately() if not (found.cards or after or only_kept) else None,
        "may_lead": leads_sales(person),
        "next_url": link_with(request.GET, after=found.next) if found.next else "",
        "first_url": link_with(request.GET) if after else "",
    }
    if is_live(request):
        return live_answer(request, render_to_string("funnel/queue_parts.html", context, request))
    return render(request, "funnel/queue.html", context)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of one's own prospects; ``gone`` are cards that an open page still shows here."""

    key: str
    title: str
    hint: str
    icon: str
    cards: tuple[HandoffCard, ...]
    gone: tuple[HandoffCard, ...] = ()


@page(check_see_handoffs)
@require_safe
def mine(request: HttpRequest) -> HttpResponseBase:
    """Show what this person holds, by what each waits for. An open page asks for its parts."""
    found = list_mine(user=person_of(request), now=timezone.now())
    columns = _columns(found)
    context: dict[str, Any] = {
        "columns": columns,
        "closed": found.closed,
        "open": any(column.cards for column in columns),
        "labels": stage_labels(),
    }
    if is_live(request):
        context["columns"] = [_with_gone(request, column, found) for column in columns]
        return live_answer(request, render_to_string("funnel/mine_parts.html", context, request))
    return render(request, "funnel/mine.html", context)


def _columns(found: MyHandoffs) -> list[Column]:
    silent = ngettext(
        "Their date has passed, or nothing was said for %(days)s day.",
        "Their date has passed, or nothing was said for %(days)s days.",
        found.stale_days,
    ) % {"days": found.stale_days}
    return [
        Column(
            "claimed", gettext("Claimed"), gettext("Get in touch before the clock runs out."), "hand", found.claimed
        ),
        Column(
            "talking",
            gettext("In conversation"),
            gettext("Stays open until an outcome is recorded."),
            "handshake",
            found.talking,
        ),
        Column("waiting", gettext("Waiting"), gettext("Until the date that was agreed."), "hourglass", found.waiting),
        Column("due", gettext("Outcome due"), silent, "bell-ring", found.due),
    ]


def _with_gone(request: HttpRequest, column: Column, found: MyHandoffs) -> Column:
    """Add what the open page shows in this column and what is elsewhere now; who has it instead is for its own page."""
    here = {card.handoff.pk for card in column.cards}
    gone = set(shown_parts(request, f"{column.key}-")) - here
    known = (*found.claimed, *found.talking, *found.waiting, *found.due, *found.closed)
    left = tuple(card for card in known if card.handoff.pk in gone)
    return Column(column.key, column.title, column.hint, column.icon, column.cards, left)


def queue_row(
    request: HttpRequest, card: HandoffCard, *, refused: str = "", said: str = "", tone: str = ""
) -> HttpResponse:
    """Answer an act on a row of the queue with the row itself, and say in a toast what came of it."""
    context = {"card": card, "labels": stage_labels(), "refused": refused, "fresh": True, "said": said, "tone": tone}
    return render(request, "funnel/claimed.html", context)
