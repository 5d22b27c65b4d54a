"""The page, its parts and its downloads."""

from collections.abc import Mapping
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, gettext_noop
from django.views.decorators.http import require_safe
from django_htmx.middleware import HtmxDetails

from config.web.errors import error_body
from config.web.formats import format_date
from config.web.pages import link_with, page
from config.web.replica import from_replica
from config.web.ui import Chip, Tab
from contacts.enums import Direction, Motion
from contacts.permissions import check_view_contacts
from contacts.selectors.browse import source_channels
from funnel.selectors.figures import FACETS
from funnel.selectors.tables import PARTS, PRESETS, TABLES, UNKNOWN, Asked, Tables, read_asked
from funnel.services.figures_csv import stream_figures
from funnel.views.analytics.sections import LATER, MOVES, is_at_once, section
from funnel.views.analytics.showing import behind_url, part_url
from scoring.models import Definition
from scoring.selectors import published_definition

# All that follows from transitions, as one part: where it has to be counted from the moves themselves.
_ALL_MOVES: Final = "moves"
# What the page of a definition shows of the rules: those of its own, as many as fit in a card.
_OF_DEFINITION: Final = "definition"
_RULES_IN_CARD: Final = 5
_SEGMENT_NAMES: Final = {
    "source": gettext_noop("Source"),
    "motion": gettext_noop("Motion"),
    "direction": gettext_noop("Direction"),
    "campaign": gettext_noop("Campaign"),
    "country": gettext_noop("Country"),
    "industry": gettext_noop("Industry"),
    "company": gettext_noop("Company"),
    "employees_at_least": gettext_noop("Employees from"),
    "employees_at_most": gettext_noop("Employees to"),
}
_WORDS: Final[Mapping[str, Any]] = {
    **dict(Motion.choices),
    **dict(Direction.choices),
    UNKNOWN: gettext_lazy("not known"),
}


@page(check_view_contacts)
@require_safe
@from_replica
def funnel(request: HttpRequest) -> HttpResponse:
    """Show the funnel's figures; what rollups do not answer at once is loaded after the page."""
    definition, labels = _in_force()
    now = timezone.now()
    asked, wrong = read_asked(request.GET, stages=list(labels), today=now.date())
    at_once = [name for name in MOVES if is_at_once(name, asked)]
    tables = Tables(asked, now=now)
    later = [*([name for name in MOVES if name not in at_once] if at_once else [_ALL_MOVES]), *LATER]
    context = {
        **head(request, asked, labels),
        "definition": definition,
        "wrong": wrong,
        "sections": [section(name, tables, labels, definition) for name in at_once],
        "later": [{"name": name, "title": _title(name), "url": part_url(name, asked)} for name in later],
        "anchors": [(name, _title(name)) for name in (*MOVES, *LATER)],
    }
    return render(request, "funnel/analytics/page.html", context)


@page(check_view_contacts)
@require_safe
@from_replica
def funnel_part(request: HttpRequest, name: str) -> HttpResponse:
    """One part: alone as the page asks for it, in a page of its own for whoever follows its link."""
    if name not in (*PARTS, _ALL_MOVES, _OF_DEFINITION):
        raise Http404
    definition, labels = _in_force()
    now = timezone.now()
    asked, wrong = read_asked(request.GET, stages=list(labels), today=now.date())
    tables = Tables(asked, now=now)
    if name == _OF_DEFINITION:
        return _rules_of_definition(request, tables)
    names = MOVES if name == _ALL_MOVES else (name,)
    context = {
        "name": name,
        "title": _title(name),
        "labels": labels,
        "definition": definition,
        "sections": [section(one, tables, labels, definition) for one in names],
        **facet_tabs(request, asked),
        "back": "/funnel/" + link_with(request.GET),
    }
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    if htmx:
        return render(request, "funnel/analytics/part.html", context)
    return render(
        request, "funnel/analytics/part_page.html", {**context, **head(request, asked, labels), "wrong": wrong}
    )


def _rules_of_definition(request: HttpRequest, tables: Tables) -> HttpResponse:
    """The rules of one definition (``?definition=KEY``) whose offers came back, the surely worst first, as a card."""
    key = request.GET.get("definition", "")
    rows = [row for row in tables.table("rules").rows if row.cells["definition"] == key and row.cells["returned"]]
    found = [(row.cells, behind_url(row.behind["returned"], tables.asked)) for row in rows[:_RULES_IN_CARD]]
    context = {"rows": found, "period_text": period_text(tables.asked), "url": part_url("rules", tables.asked)}
    return render(request, "funnel/analytics/rules_card.html", context)


@page(check_view_contacts)
@require_safe
@from_replica
def funnel_csv(request: HttpRequest, table: str) -> HttpResponseBase:
    """One table as CSV; what cannot be read of the question is a 400, for nobody looks at a file's head."""
    if table not in TABLES:
        raise Http404
    _, labels = _in_force()
    now = timezone.now()
    asked, wrong = read_asked(request.GET, stages=list(labels), today=now.date())
    if wrong:
        message = "; ".join(f"{name}: {what}" for name, what in wrong.items())
        return JsonResponse(error_body("invalid", message, wrong), status=400)
    headers = {
        "Content-Disposition": f'attachment; filename="funnel-{table}-{asked.period.first}-{asked.period.last}.csv"',
        "Cache-Control": "private, no-store",
    }
    if request.method == "HEAD":
        return HttpResponse(content_type="text/csv; charset=utf-8", headers=headers)
    found = Tables(asked, now=now).table(table)
    return StreamingHttpResponse(
        stream_figures(found, labels=labels), content_type="text/csv; charset=utf-8", headers=headers
    )


def head(request: HttpRequest, asked: Asked, labels: Mapping[str, str]) -> dict[str, Any]:
    """What the head of each of these pages shows: the question, in a form and as chips that can be taken away."""
    segment = {name: value for name in _SEGMENT_NAMES if (value := request.GET.get(name, "").strip())}
    chips = [
        Chip(gettext(_SEGMENT_NAMES[name]), str(_WORDS.get(value, value)), link_with(request.GET, **{name: None}))
        for name, value in segment.items()
    ]
    return {
        "asked": asked,
        "period_text": period_text(asked),
        "given": segment,
        "labels": labels,
        "stages": list(labels.items()),
        "presets": [(preset, gettext(label)) for preset, label in PRESETS.items()],
        "channels": source_channels(),
        "motions": [(value, label) for value, label in Motion.choices if value],
        "directions": [(value, label) for value, label in Direction.choices if value],
        "unknown": UNKNOWN,
        "chips": chips,
        "clear_url": link_with(request.GET, **dict.fromkeys(_SEGMENT_NAMES)) if chips else "",
        "more_open": any(segment.get(name) for name in list(_SEGMENT_NAMES)[2:]),
        **facet_tabs(request, asked),
    }


def facet_tabs(request: HttpRequest, asked: Asked) -> dict[str, Any]:
    """Tabs that choose the facet of the sources, on the page itself: a part has no address of its own there."""
    return {
        "facet_tabs": [
            Tab(
                gettext(_SEGMENT_NAMES[facet]),
                f"/funnel/{link_with(request.GET, by=facet)}#sources",
                facet == asked.facet,
            )
            for facet in FACETS
        ]
    }


def period_text(asked: Asked) -> str:
    """The period in words."""
    if asked.preset == "all":
        return gettext("all time")
    first, last = (format_date(day) for day in (asked.period.first, asked.period.last))
    return first if first == last else f"{first} \N{EN DASH} {last}"


def _in_force() -> tuple[Definition, dict[str, str]]:
    definition, document = published_definition()
    return definition, {stage.key: stage.label for stage in document.stages}


def _title(name: str) -> str:
    return gettext("Contacts") if name == _ALL_MOVES else gettext(PARTS[name][0])
