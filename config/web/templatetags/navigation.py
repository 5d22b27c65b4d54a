"""The frame of every page: brand, navigation, account menu, theme button."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from django import template
from django.urls import Resolver404, get_urlconf, resolve

from config.web.places import PlaceCount, counted_at, may_see

register = template.Library()


@dataclass(frozen=True, slots=True)
class Place:
    """One destination of the main navigation; ``prefixes`` are the paths that count as being there."""

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
            Place("overview", "Overview", "/", "layout-dashboard", "g o"),
            Place("funnel", "Funnel", "/funnel/", "chart-no-axes-column", "g f", ("/funnel/",)),
            Place("contacts", "Contacts", "/contacts/", "users", "g c", ("/contacts/",)),
            Place("companies", "Companies", "/companies/", "building-2", "", ("/companies/",)),
            Place("notifications", "Notifications", "/notifications/", "bell", "g n", ("/notifications/",)),
        ),
    ),
    (
        "Sales",
        (
            Place("queue", "Queue", "/queue/", "inbox", "g q", ("/queue/", "/handoffs/")),
            Place("mine", "My prospects", "/mine/", "handshake", "g m", ("/mine/",)),
            Place("my-hours", "My hours", "/team/people/me/", "calendar-clock", "", ("/team/people/me/",)),
            Place("sales-settings", "Reps", "/team/sales/", "users-round", "", ("/team/sales/", "/team/calendars/")),
            Place("routing", "Routing", "/routing/", "signpost", "", ("/routing/",)),
        ),
    ),
    (
        "Rules",
        (
            Place("definitions", "Definitions", "/definitions/", "book-open-check", "g d", ("/definitions/",)),
            Place("sequences", "Sequences", "/sequences/", "list-ordered", "", ("/sequences/",)),
        ),
    ),
    (
        "Data",
        (
            Place("imports", "Imports", "/imports/", "upload", "", ("/imports/",)),
            Place("duplicates", "Duplicates", "/duplicates/", "copy", "", ("/duplicates/", "/merges/")),
            Place("suspects", "Bots", "/suspects/", "bot", "", ("/suspects/",)),
            Place("suppressions", "Suppressed", "/suppressions/", "mail-x", "", ("/suppressions/",)),
        ),
    ),
    (
        "Installation",
        (
            Place("sources", "Sources", "/sources/", "plug", "", ("/sources/", "/forms/")),
            Place("hooks", "Webhooks", "/hooks/", "webhook", "", ("/hooks/",)),
            Place("jobs", "Jobs", "/jobs/", "list-checks", "", ("/jobs/",)),
            Place("team", "Team", "/team/", "users-round"),
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
    groups = []
    for title, places in _PLACES:
        shown = [
            replace(
                place,
                current=path == place.url or any(path.startswith(prefix) for prefix in place.prefixes),
                count=counted_at(place.key, user),
            )
            for place in places
            if _exists(place.url, get_urlconf()) and may_see(place.key, user)
        ]
        if shown:
            groups.append((title, shown))
    return groups


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


@register.inclusion_tag("components/sidebar.html", takes_context=True)
def sidebar(context: template.Context) -> dict[str, Any]:
    """The navigation of wide screens."""
    return _frame(context)


@register.inclusion_tag("components/topbar.html", takes_context=True)
def topbar(context: template.Context) -> dict[str, Any]:
    """The navigation of narrow screens; it unfolds without a script."""
    return _frame(context)


@register.inclusion_tag("components/brand.html")
def brand() -> dict[str, str]:
    """The mark and the name, leading home."""
    return {"home": "/"}


@register.inclusion_tag("components/theme_toggle.html")
def theme_toggle() -> dict[str, Any]:
    """The button that goes through system, light and dark."""
    return {}
