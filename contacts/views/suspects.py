"""Who did it: events of machines in groups, to be given back to people, and people's to be taken for machines'."""

from datetime import timedelta
from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from config.web.formats import format_number
from config.web.pages import link_with, page, person_of
from config.web.ui import Tab
from contacts.enums import SourceKind
from contacts.models import Source
from contacts.permissions import check_correct_events
from contacts.selectors.suspects import Query, groups_of, read_key, reasons_of
from contacts.services.suspects import MAX_AT_ONCE, reclassify_groups
from contacts.views.corrections import BOT

PERIODS: Final = (
    ("7", gettext_lazy("7 days")),
    ("30", gettext_lazy("30 days")),
    ("90", gettext_lazy("90 days")),
    ("3650", gettext_lazy("any time")),
)
_MOST_GROUPS: Final = 100
_SOURCES_SHOWN: Final = 200


@page(check_correct_events)
@require_http_methods(["GET", "HEAD", "POST"])
def suspects(request: HttpRequest) -> HttpResponse:
    """Show groups of suspect events (``?view=counted``: of those that count), or reclassify the chosen ones.

    ``?reason=`` (or ``agent=``), ``source=`` and ``days=`` narrow what is shown. Scores follow within seconds.
    """
    query = _query(request)
    if request.method == "POST":
        return _reclassify(request, query)
    found = groups_of(query, after=request.GET.get("after", ""))
    days = request.GET.get("days", "")
    context = {
        "query": query,
        "groups": [(group, group.key.written()) for group in found.groups],
        "labels": reasons_of(_query(request, label="")),
        "sources": Source.objects.exclude(kind=SourceKind.INTERNAL).order_by("name")[:_SOURCES_SHOWN],
        "periods": PERIODS,
        "days": days if days in dict(PERIODS) else "30",
        "next_url": link_with(request.GET, after=found.next) if found.next else "",
        "first_url": link_with(request.GET, after=None) if request.GET.get("after") else "",
        "tabs": [
            Tab(gettext("Suspect"), "?", current=query.suspect, icon="bot"),
            Tab(gettext("Counting"), "?view=counted", current=not query.suspect, icon="user-round"),
        ],
        "most": MAX_AT_ONCE,
    }
    return render(request, "contacts/suspects.html", context)


def _query(request: HttpRequest, *, label: str | None = None) -> Query:
    days = request.GET.get("days", "")
    since = timezone.now() - timedelta(days=int(days) if days in dict(PERIODS) else 30)
    source = request.GET.get("source", "")
    return Query(
        suspect=request.GET.get("view") != "counted",
        since=since,
        label=request.GET.get("reason", "")[:200].replace("\0", "") if label is None else label,
        source_id=int(source) if source.isdecimal() and len(source) < 19 else 0,
    )


def _reclassify(request: HttpRequest, query: Query) -> HttpResponse:
    chosen = [key for text in request.POST.getlist("group")[:_MOST_GROUPS] if (key := read_key(text)) is not None]
    back = redirect(request.get_full_path())
    if not chosen:
        messages.info(request, gettext("Choose at least one group."))
        return back
    outcome = reclassify_groups(
        query=query,
        keys=chosen,
        suspect_reason="" if query.suspect else BOT,
        by=person_of(request),
        now=timezone.now(),
    )
    number = outcome.events
    if query.suspect:
        said = ngettext(
            "%(number)s event given back to people. Scores follow within seconds.",
            "%(number)s events given back to people. Scores follow within seconds.",
            number,
        )
    else:
        said = ngettext(
            "%(number)s event marked as a machine's. Scores follow within seconds.",
            "%(number)s events marked as a machine's. Scores follow within seconds.",
            number,
        )
    messages.success(request, said % {"number": format_number(number)})
    if outcome.more:
        messages.info(request, gettext("There are more of them: do it once more."))
    return back
