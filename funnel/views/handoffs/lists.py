"""The queue, and a rep's own prospects."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe
from django_htmx.middleware import HtmxDetails

from config.web.live import MOST_SHOWN, is_live, live_answer, shown_parts
from config.web.pages import link_with, page, person_of
from config.web.ui import Tab
from funnel.permissions import can_claim, check_see_handoffs, leads_sales
from funnel.selectors.cards import HandoffCard
from funnel.selectors.mine import CLOSED, COLUMNS, MyColumn, MyHandoffs
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
        "may_claim": can_claim(person),
        "next_url": link_with(request.GET, after=found.next) if found.next else "",
        "first_url": link_with(request.GET) if after else "",
    }
    if is_live(request):
        return live_answer(request, render_to_string("funnel/queue_parts.html", context, request))
    return render(request, "funnel/queue.html", context)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of one's own prospects, or those that ended.

    ``more_url`` leads to what comes after its cards; "" where nothing does, None where an open page knows better.
    """

    key: str
    title: str
    hint: str
    icon: str
    part: MyColumn
    more_url: str | None


@page(check_see_handoffs)
@require_safe
def mine(request: HttpRequest) -> HttpResponseBase:
    """Show what this person holds, by what each waits for: the beginning of each column.

    ``?column=`` (a key) shows that one alone, ``&after=`` from there on; as a part it answers the following cards. An
    open page asks for its parts.
    """
    chosen = request.GET.get("column", "")
    chosen = chosen if chosen in (*COLUMNS, CLOSED) else ""
    live = is_live(request)
    shown = {key: shown_parts(request, f"{key}-") for key in COLUMNS} if live else {}
    found = list_mine(
        user=person_of(request), now=timezone.now(), column=chosen, after=request.GET.get("after", ""), shown=shown
    )
    columns, closed = _columns(found), _closed(found)
    if live:
        # What is shown of those that ended is not told, and not all of the columns where it is much.
        closed = replace(closed, more_url=None)
        if sum(map(len, shown.values())) >= MOST_SHOWN:
            columns = [replace(column, more_url=None) for column in columns]
    context: dict[str, Any] = {
        "columns": [column for column in columns if chosen in ("", column.key)],
        "closed": closed if chosen in ("", CLOSED) else None,
        "open": any(column.part.total for column in columns),
        "chosen": chosen,
        "labels": stage_labels(),
    }
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    if live:
        return live_answer(request, render_to_string("funnel/mine_parts.html", context, request))
    if htmx and chosen:
        return render(request, "funnel/mine_more.html", context)
    return render(request, "funnel/mine.html", context)


def _columns(found: MyHandoffs) -> list[Column]:
    silent = ngettext(
        "Their date has passed, or nothing was said for %(days)s day.",
        "Their date has passed, or nothing was said for %(days)s days.",
        found.stale_days,
    ) % {"days": found.stale_days}
    said = (
        ("claimed", gettext("Claimed"), gettext("Get in touch before the clock runs out."), "hand"),
        ("talking", gettext("In conversation"), gettext("Stays open until an outcome is recorded."), "handshake"),
        ("waiting", gettext("Waiting"), gettext("Until the date that was agreed."), "hourglass"),
        ("due", gettext("Outcome due"), silent, "bell-ring"),
    )
    return [Column(*words, found.column(words[0]), _more_url(words[0], found)) for words in said]


def _closed(found: MyHandoffs) -> Column:
    return Column(CLOSED, gettext("Closed lately"), "", "", found.closed, _more_url(CLOSED, found))


def _more_url(key: str, found: MyHandoffs) -> str:
    """Where what comes after a column's cards is shown; empty where nothing does."""
    part = found.column(key)
    return f"{reverse('mine')}?{urlencode({'column': key, 'after': part.next})}" if part.next else ""


def queue_row(
    request: HttpRequest, card: HandoffCard, *, refused: str = "", said: str = "", tone: str = ""
) -> HttpResponse:
    """Answer an act on a row of the queue with the row itself, and say in a toast what came of it."""
    context = {"card": card, "labels": stage_labels(), "refused": refused, "fresh": True, "said": said, "tone": tone}
    return render(request, "funnel/claimed.html", context)
