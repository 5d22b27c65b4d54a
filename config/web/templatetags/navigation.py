"""The frame of every page: brand, navigation, account menu, theme button."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from django import template
from django.urls import Resolver404, get_urlconf, resolve
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, gettext_noop

from config.web.components import remember_component, render_component
from config.web.places import PlaceCount, counted_at, may_see

register = template.Library()


@dataclass(frozen=True, slots=True)
class Place:
    """One destination of the main navigation; ``prefixes`` are the paths that count as being there.

    ``label`` is English in the table below and in the reader's language where it is shown.
    """

    key: str
    label: str
    url: str
    icon: str
    keys: str = ""
    prefixes: tuple[str, ...] = ()
    current: bool = False
    count: PlaceCount | None = None


_PLACES: Final = (
    (
        "",
        (
            Place("overview", gettext_noop("Overview"), "/", "layout-dashboard", "g o"),
            Place("funnel", gettext_noop("Funnel"), "/funnel/", "chart-no-axes-column", "g f", ("/funnel/",)),
            Place("contacts", gettext_noop("Contacts"), "/contacts/", "users", "g c", ("/contacts/",)),
            Place("companies", gettext_noop("Companies"), "/companies/", "building-2", "", ("/companies/",)),
            Place(
                "notifications", gettext_noop("Notifications"), "/notifications/", "bell", "g n", ("/notifications/",)
            ),
        ),
    ),
    (
        gettext_noop("Sales"),
        (
            Place("queue", gettext_noop("Queue"), "/queue/", "inbox", "g q", ("/queue/", "/handoffs/")),
            Place("mine", gettext_noop("My prospects"), "/mine/", "handshake", "g m", ("/mine/",)),
            Place(
                "my-hours", gettext_noop("My hours"), "/team/people/me/", "calendar-clock", "", ("/team/people/me/",)
            ),
            Place(
                "sales-settings",
                gettext_noop("Reps"),
                "/team/sales/",
                "users-round",
                "",
                ("/team/sales/", "/team/calendars/"),
            ),
            Place("routing", gettext_noop("Routing"), "/routing/", "signpost", "", ("/routing/",)),
        ),
    ),
    (
        gettext_noop("Rules"),
        (
            Place(
                "definitions",
                gettext_noop("Definitions"),
                "/definitions/",
                "book-open-check",
                "g d",
                ("/definitions/",),
            ),
            Place("sequences", gettext_noop("Sequences"), "/sequences/", "list-ordered", "", ("/sequences/",)),
        ),
    ),
    (
        gettext_noop("Data"),
        (
            Place("imports", gettext_noop("Imports"), "/imports/", "upload", "", ("/imports/",)),
            Place("duplicates", gettext_noop("Duplicates"), "/duplicates/", "copy", "", ("/duplicates/", "/merges/")),
            Place("suspects", gettext_noop("Bots"), "/suspects/", "bot", "", ("/suspects/",)),
            Place("suppressions", gettext_noop("Suppressed"), "/suppressions/", "mail-x", "", ("/suppressions/",)),
        ),
    ),
    (
        gettext_noop("Installation"),
        (
            Place("sources", gettext_noop("Sources"), "/sources/", "plug", "", ("/sources/", "/forms/")),
            Place("hooks", gettext_noop("Webhooks"), "/hooks/", "webhook", "", ("/hooks/",)),
            Place("jobs", gettext_noop("Jobs"), "/jobs/", "list-checks", "", ("/jobs/",)),
            Place("team", gettext_noop("Team"), "/team/", "users-round"),
            Place("status", gettext_noop("Status"), "/status/", "activity", "", ("/status/",)),
        ),
    ),
)


@lru_cache(maxsize=64)
def _exists(url: str, urlconf: str | None) -> bool:
    """Tell whether the installation serves an address; asked for every link of every page, so remembered."""
    try:
        resolve(url, urlconf)
    except Resolver404:
        return False
    return True


def _groups(path: str, user: Any) -> list[tuple[str, list[Place]]]:
    """Lay out the places this installation has for this person, the current one marked."""
    urlconf, language = get_urlconf(), get_language()
    groups = []
    for title, places in _PLACES:
        shown = [
            _shown(
                place,
                path == place.url or any(path.startswith(prefix) for prefix in place.prefixes),
                counted_at(place.key, user),
                language,
            )
            for place in places
            if _exists(place.url, urlconf) and may_see(place.key, user)
        ]
        if shown:
            groups.append((gettext(title) if title else "", shown))
    return groups


def _shown(place: Place, current: bool, count: PlaceCount | None, language: str | None) -> Place:
    plain = _labelled(place, current, language)
    return plain if count is None else replace(plain, count=count)


@lru_cache(maxsize=512)
def _labelled(place: Place, current: bool, _language: str | None) -> Place:
    return replace(place, label=gettext(place.label), current=current)


def places_of(user: Any) -> list[Place]:
    """Return where this person may go, in the order of the navigation, labels in their language."""
    return [place for _, places in _groups("", user) for place in places]


def _frame(context: template.Context) -> dict[str, Any]:
    request = context.get("request")
    user = getattr(request, "user", None)
    person = user if user is not None and user.is_authenticated else None
    # Sidebar and topbar show the same; what is counted beside the links is asked once a page.
    groups = vars(request).get("_ripen_places") if request is not None else None
    if groups is None:
        groups = _groups(request.path if request is not None else "", person)
        if request is not None:
            vars(request)["_ripen_places"] = groups
    return {
        "groups": groups,
        "counted": [place for _, places in groups for place in places if place.count is not None],
        "user": person,
        "name": (person.get_full_name() or person.get_username()) if person is not None else "",
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag
def nav_links(groups: Sequence[tuple[str, Sequence[Place]]], mark_places: bool = False) -> SafeString:
    """``{% nav_links groups %}``: the links by group; ``mark_places``: named, counted live, with their keys."""
    parts = []
    for title, places in groups:
        if title:
            parts.append(remember_component("nav_title", title=title))
        for place in places:
            # A number differs from page to page, the other links do not.
            render = remember_component if place.count is None else render_component
            parts.append(render("nav_link", place=place, mark_places=mark_places))
    return mark_safe("".join(parts))  # noqa: S308  rendered by templates, which escape


@register.inclusion_tag("components/sidebar.html", takes_context=True)
def sidebar(context: template.Context) -> dict[str, Any]:
    """The navigation of wide screens."""
    return _frame(context)


@register.inclusion_tag("components/topbar.html", takes_context=True)
def topbar(context: template.Context) -> dict[str, Any]:
    """The navigation of narrow screens; it unfolds without a script."""
    return _frame(context)


@register.simple_tag
def brand() -> SafeString:
    """The mark and the name, leading home."""
    return remember_component("brand", home="/")


@register.simple_tag
def theme_toggle() -> SafeString:
    """The button that goes through system, light and dark."""
    return remember_component("theme_toggle")
