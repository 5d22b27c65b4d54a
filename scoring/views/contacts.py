"""The contact list: stage tabs with counts, search, filters, saved views, columns, sort, keyset paging."""

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_safe

from config.web.formats import format_number
from config.web.icons import stage_icon
from config.web.live import is_live, live_answer
from config.web.pages import link_with, page, person_of
from config.web.ui import MenuItem, Tab
from contacts.models import SavedView
from contacts.permissions import can_act_on_contacts, can_export, check_view_contacts
from contacts.selectors.browse import (
    COUNT_CAP,
    FALLS_LOOKED_AT,
    SEARCH_CAP,
    ContactPage,
    ListedContact,
    Query,
    Sort,
    StageCount,
    browse_contacts,
    count_query,
    possible_owners,
)
from contacts.selectors.views import COLUMNS, columns_of, known_columns, tags_of, views_of
from scoring.selectors import stage_labels
from scoring.views.contact_filters import chips_of, filter_fields, names_of

COLUMN_LABELS: Final[dict[str, str]] = {
    "stage": gettext_noop("Stage"),
    "engagement": gettext_noop("Engagement"),
    "fit": gettext_noop("Fit"),
    "owner": gettext_noop("Owner"),
    "company": gettext_noop("Company"),
    "job_title": gettext_noop("Job title"),
    "phone": gettext_noop("Phone"),
    "country": gettext_noop("Country"),
    "source": gettext_noop("Source"),
    "motion": gettext_noop("Motion"),
    "campaign": gettext_noop("Campaign"),
    "tags": gettext_noop("Tags"),
    "means": gettext_noop("Means"),
    "authority": gettext_noop("Authority"),
    "since": gettext_noop("In stage since"),
    "furthest": gettext_noop("Furthest stage"),
    "created": gettext_noop("Created"),
    "activity": gettext_noop("Last activity"),
}
_SORTS: Final = {
    "name": Sort.NAME,
    "engagement": Sort.SCORE,
    "fit": Sort.FIT,
    "activity": Sort.RECENT,
    "since": Sort.SINCE,
    "created": Sort.NEWEST,
}
# By what the list can be ordered, and the words for the order that is the natural one and for the other.
_ORDERS: Final = {
    "engagement": (gettext_noop("Highest engagement first"), gettext_noop("Lowest engagement first")),
    "fit": (gettext_noop("Best fit first"), gettext_noop("Worst fit first")),
    "activity": (gettext_noop("Last active first"), gettext_noop("Longest inactive first")),
    "since": (gettext_noop("Latest in their stage first"), gettext_noop("Longest in their stage first")),
    "created": (gettext_noop("Newest first"), gettext_noop("Oldest first")),
    "name": (gettext_noop("Name, A to Z"), gettext_noop("Name, Z to A")),
}
_NUMBERS: Final = frozenset({"engagement", "fit"})
# On a narrow screen the name, with its stage, and these two.
_NARROW: Final = frozenset({"engagement", "activity"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: how it is headed, and the link that sorts by it (``""``: none does)."""

    key: str
    label: str
    is_number: bool
    only_wide: bool
    sort_url: str = ""
    order: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A contact of the list with its tags."""

    contact: ListedContact
    tags: list[str]


@page(check_view_contacts)
@require_safe
def contacts(request: HttpRequest) -> HttpResponseBase:
    """List contacts; a script that keeps the tabs' counts fresh is answered with these alone."""
    labels = stage_labels()
    query = Query.read(request.GET.dict())
    if is_live(request):
        counts = count_query(query, stages=list(labels))
        tabs = _tabs(request, query, counts, labels)
        return live_answer(request, render_to_string("scoring/contact_tabs.html", {"tabs": tabs}))
    person = person_of(request)
    found = browse_contacts(query, stages=list(labels))
    people = possible_owners()
    names = names_of(query, people, labels)
    views = views_of(person)
    view = next((one for one in views if str(one.pk) == request.GET.get("view")), None)
    columns = known_columns(request.GET.get("columns", "").split(",")) or (view and known_columns(view.columns))
    columns = columns or columns_of(person)
    tags = tags_of([row.pk for row in found.rows])
    may_export = can_export(request.user)
    context: dict[str, Any] = {
        "query": query,
        "rows": [Row(row, tags.get(row.pk, [])) for row in found.rows],
        "labels": labels,
        "tabs": _tabs(request, query, found.counts, labels),
        "chips": chips_of(request.GET, query, names),
        "clear_url": _cleared(request.GET, query),
        "fields": filter_fields(query, people, labels),
        "sort_fields": [(name, request.GET[name]) for name in ("view", "columns") if name in request.GET],
        "name_column": _column(request, query, "name", gettext("Name")),
        "columns": tuple(_column(request, query, key, gettext(COLUMN_LABELS[key])) for key in columns),
        "column_choices": tuple((key, gettext(COLUMN_LABELS[key]), key in columns) for key in COLUMNS),
        "summary": _summary(query, found),
        **_orders(request, query),
        "next_url": _next(request, found),
        "first_url": link_with(request.GET) if query.after else "",
        "candidates_capped": found.candidates_capped,
        "looked_at": found.looked_at,
        "may_act": can_act_on_contacts(request.user),
        "may_export": may_export,
        "export_url": reverse("export-contacts") + link_with(request.GET) if may_export else "",
        "export_columns_url": _export_of_columns(request, columns) if may_export else "",
        "search_cap": SEARCH_CAP,
        "falls_cap": FALLS_LOOKED_AT,
        "is_filtered": bool(query.in_force() or query.problems),
        **_views(request, query, views, view),
    }
    return render(request, "scoring/contacts.html", context)


def _views(request: HttpRequest, query: Query, views: list[SavedView], view: SavedView | None) -> dict[str, Any]:
    """The saved views as tabs, the one that is open, and whether it was changed since it was saved."""
    tabs = []
    for one in views:
        kept = QueryDict(mutable=True)
        kept.update({**one.query, "view": str(one.pk)})
        tabs.append((one, f"?{kept.urlencode()}", view is not None and one.pk == view.pk))
    address = request.GET.copy()
    for name in ("after", "page"):
        address.pop(name, None)
    said = {name: value for name, value in address.dict().items() if name not in {"view", "columns"} and value}
    person = person_of(request)
    return {
        "views": tabs,
        "view": view,
        "view_is_mine": view is not None and view.owner_id == person.pk,
        "view_changed": view is not None and (said != view.query or "columns" in request.GET),
        "address": address.urlencode(),
        "may_save": bool(
            query.in_force() or query.sort is not Sort.SCORE or query.backwards or "columns" in request.GET
        ),
    }


def _tabs(request: HttpRequest, query: Query, counts: tuple[StageCount, ...], labels: dict[str, str]) -> list[Tab]:
    everyone = ContactPage((), "", counts).total
    tabs = [
        Tab(
            gettext("All"),
            link_with(request.GET, stage=None),
            query.stage not in labels,
            everyone.count,
            everyone.more,
        )
    ]
    for item in counts:
        url = link_with(request.GET, stage=item.key)
        is_here = query.stage == item.key
        icon = stage_icon(item.key)
        tabs.append(Tab(labels[item.key], url, is_here, item.count, item.more, stage=item.key, icon=icon))
    return tabs


def _column(request: HttpRequest, query: Query, key: str, label: str) -> Column:
    """A column's head; the link of the one that the list is sorted by turns the order round."""
    sort = _SORTS.get(key)
    url, order = "", ""
    if sort is not None:
        is_here = query.sort is sort
        url = link_with(request.GET, sort=sort.value, reverse="1" if is_here and not query.backwards else None)
        order = ("descending" if query.descending else "ascending") if is_here else ""
    return Column(key, label, key in _NUMBERS, key != "name" and key not in _NARROW, url, order)


def _orders(request: HttpRequest, query: Query) -> dict[str, Any]:
    """The orders as a menu, each with its opposite; its label is the one in force."""
    label, items = "", []
    for key, words in _ORDERS.items():
        sort = _SORTS[key]
        for backwards, word in enumerate(words):
            is_here = query.sort is sort and query.backwards == bool(backwards)
            label = gettext(word) if is_here else label
            value = None if sort is Sort.SCORE else sort.value
            url = link_with(request.GET, sort=value, reverse="1" if backwards else None)
            items.append(MenuItem(gettext(word), url, "check" if is_here else "", current=is_here))
    return {"sort_label": label, "sort_items": items}


def _cleared(given: QueryDict, query: Query) -> str:
    """The list with its stage, order and columns, and no filter."""
    kept = QueryDict(mutable=True)
    for name in ("stage", "sort", "reverse", "columns"):
        if given.get(name):
            kept[name] = str(given[name])
    return f"?{kept.urlencode()}" if kept else "?"


def _next(request: HttpRequest, found: ContactPage) -> str:
    if not found.next:
        return ""
    query = request.GET.copy()
    query["after"] = found.next
    return f"?{query.urlencode()}"


def _export_of_columns(request: HttpRequest, columns: list[str]) -> str:
    return reverse("export-contacts") + link_with(request.GET, columns=",".join(columns))


def _summary(query: Query, found: ContactPage) -> str:
    """Say how much is shown of how much."""
    chosen = next((item for item in found.counts if item.key == query.stage), found.total)
    number = COUNT_CAP if chosen.more and chosen.key and chosen.count >= COUNT_CAP else chosen.count
    total = f"{format_number(number)}+" if chosen.more else format_number(number)
    return gettext("%(shown)s of %(total)s") % {"shown": format_number(len(found.rows)), "total": total}
