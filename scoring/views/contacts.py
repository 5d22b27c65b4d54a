"""The contact list."""

from typing import Final

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from config.web.formats import format_number
from config.web.icons import stage_icon
from config.web.pages import link_with, page
from config.web.ui import Chip, Tab
from contacts.permissions import can_export, check_view_contacts
from contacts.selectors.browse import (
    COUNT_CAP,
    NOBODY,
    SEARCH_CAP,
    ContactPage,
    Query,
    Sort,
    browse_contacts,
    possible_owners,
    source_channels,
)
from scoring.selectors import stage_labels

_SORTS: Final = ((Sort.SCORE, "Engagement"), (Sort.RECENT, "Last activity"))


@page(check_view_contacts)
@require_safe
def contacts(request: HttpRequest) -> HttpResponse:
    """List contacts by stage: tabs with counts, search, filters, sort, keyset paging."""
    labels = stage_labels()
    query = Query.read(request.GET)
    found = browse_contacts(query, stages=list(labels))
    people = possible_owners()
    context = {
        "query": query,
        "rows": found.rows,
        "labels": labels,
        "tabs": _tabs(request, query, found, labels),
        "chips": _chips(request, query, people),
        "clear_url": link_with(request.GET, q=None, owner=None, source=None),
        "owners": [(NOBODY, "Marketing"), *((str(one.pk), one.get_full_name() or one.email) for one in people)],
        "channels": source_channels(),
        "sort_urls": {sort.value: link_with(request.GET, sort=sort.value) for sort, _ in _SORTS},
        "summary": _summary(query, found),
        "next_url": f"{link_with(request.GET)}&after={found.next}" if found.next else "",
        "first_url": link_with(request.GET) if query.after else "",
        "candidates_capped": found.candidates_capped,
        "export_url": reverse("export-contacts") + link_with(request.GET) if can_export(request.user) else "",
        "search_cap": SEARCH_CAP,
    }
    return render(request, "scoring/contacts.html", context)


def _tabs(request: HttpRequest, query: Query, found: ContactPage, labels: dict[str, str]) -> list[Tab]:
    everyone = found.total
    tabs = [Tab("All", link_with(request.GET, stage=None), query.stage not in labels, everyone.count, everyone.more)]
    for item in found.counts:
        url = link_with(request.GET, stage=item.key)
        tabs.append(
            Tab(
                labels[item.key],
                url,
                query.stage == item.key,
                item.count,
                item.more,
                stage=item.key,
                icon=stage_icon(item.key),
            )
        )
    return tabs


def _chips(request: HttpRequest, query: Query, people: list[User]) -> list[Chip]:
    chips = []
    if query.text:
        chips.append(Chip("Search", query.text, link_with(request.GET, q=None)))
    if query.owner:
        names = {str(one.pk): one.get_full_name() or one.email for one in people} | {NOBODY: "Marketing"}
        chips.append(Chip("Owner", names.get(query.owner, "somebody else"), link_with(request.GET, owner=None)))
    if query.source:
        chips.append(Chip("Source", query.source, link_with(request.GET, source=None)))
    return chips


def _summary(query: Query, found: ContactPage) -> str:
    """Say how much is shown of how much."""
    chosen = next((item for item in found.counts if item.key == query.stage), found.total)
    total = f"{format_number(COUNT_CAP)}+" if chosen.more and chosen.key else format_number(chosen.count)
    if chosen.more and not chosen.key:
        total = f"{format_number(chosen.count)}+"
    return f"{format_number(len(found.rows))} of {total}"
