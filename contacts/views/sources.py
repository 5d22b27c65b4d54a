"""Sources: what each sends, and its key. Keys are shown once, in the answer that made them."""

import json
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.web.pages import add_errors, page, person_of
from config.web.ui import Tab
from contacts.enums import SourceKind
from contacts.forms import SourceForm
from contacts.forms.sources import KindNamesForm, lines_of
from contacts.models import Source
from contacts.permissions import check_manage_sources
from contacts.selectors.snippets import Snippet, snippets_for
from contacts.selectors.sources import COUNTED, counts_of, feed_of, integrations
from contacts.services.callers import PEOPLE
from contacts.services.sources import create_source, revoke_key, rotate_key, set_kind_names

_LARGEST_ID = 2**63 - 1
_LONGEST_SHOWN = 120


@page(check_manage_sources)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sources(request: HttpRequest) -> HttpResponse:
    """List sources; create one and show its key once."""
    form = SourceForm()
    context: dict[str, Any] = {}
    if request.method == "POST":
        form = SourceForm(request.POST)
        if form.is_valid():
            try:
                made = create_source(by=person_of(request), **form.cleaned_data)
            except ValidationError as error:
                add_errors(form, error)
            else:
                context = {"key": made.key, "snippets": _snippets(made.source, key=made.key)}
                form = SourceForm()
    context |= {"form": form, "rows": integrations()}
    return render(request, "contacts/sources.html", context, status=422 if form.errors else 200)


@page(check_manage_sources)
@require_safe
def source(request: HttpRequest, source_id: int) -> HttpResponse:
    """Show what a source sends, the latest first."""
    row = source_or_404(source_id)
    before = place_in(request)
    feed = feed_of(row, before=before)
    context = {
        **head_of(row, tab="source"),
        **paging(request, before, feed.before),
        "rows": [(event, _shown(event.properties)) for event in feed.events],
        "feed": feed,
        "before": before,
        # What to paste, as long as nothing has come.
        "snippets": () if feed.events or feed.before or before or row.name == PEOPLE else _snippets(row),
    }
    return render(request, "contacts/source.html", context)


@page(check_manage_sources)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def source_key(request: HttpRequest, source_id: int) -> HttpResponse:
    """Show a source's key as far as it can be shown, and its names for events; set the names."""
    row = source_or_404(source_id)
    form = KindNamesForm(initial={"names": lines_of(row.kind_names)})
    if request.method == "POST":
        form = KindNamesForm(request.POST)
        if form.is_valid():
            try:
                set_kind_names(source=row, names=form.cleaned_data["names"], by=person_of(request))
            except ValidationError as error:
                add_errors(form, error)
            else:
                messages.success(request, gettext("The names hold from now on."))
                return redirect("source-key", row.pk)
    return _key_page(request, row, form)


@page(check_manage_sources)
@never_cache
@require_POST
def rotate_source_key(request: HttpRequest, source_id: int) -> HttpResponse:
    """Give a source a new key and show it once; the old one ends."""
    row = _keyed_or_404(source_id)
    new = rotate_key(source=row, by=person_of(request))
    return _key_page(request, new.source, KindNamesForm(initial={"names": lines_of(row.kind_names)}), key=new.key)


@page(check_manage_sources)
@require_POST
def revoke_source_key(request: HttpRequest, source_id: int) -> HttpResponse:
    """End a source's key."""
    row = _keyed_or_404(source_id)
    revoke_key(source=row, by=person_of(request), now=timezone.now())
    messages.success(request, gettext("The key opens nothing any more. What was sent under it stays."))
    return redirect("source-key", row.pk)


def _snippets(row: Source, *, key: str = "") -> tuple[Snippet, ...]:
    return snippets_for(base_url=settings.BASE_URL, key=key, public=row.kind == SourceKind.PUBLIC)


def _shown(properties: Any) -> str:
    """Return an event's properties as a line of JSON, cut to fit a table; "" where there are none."""
    text = json.dumps(properties, ensure_ascii=False) if properties else ""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _key_page(request: HttpRequest, row: Source, form: KindNamesForm, *, key: str = "") -> HttpResponse:
    context = {**head_of(row, tab="source-key"), "form": form, "key": key, "has_key": row.name != PEOPLE}
    return render(request, "contacts/source_key.html", context, status=422 if form.errors else 200)


def head_of(row: Source, *, tab: str) -> dict[str, Any]:
    """Return what every page of a source shows above its own part; ``tab`` is the name of the current address."""
    counts = counts_of(row)
    shown = {
        "source": (gettext("Events"), None, "activity"),
        "source-rejected": (gettext("Rejected"), counts.rejected, "circle-x"),
        "source-warnings": (gettext("Warnings"), counts.warnings, "triangle-alert"),
        "source-kinds": (gettext("Kinds"), counts.kinds, "tags"),
        "source-key": (gettext("Key and names"), None, "key-round"),
    }
    return {
        "source": row,
        "tabs": [
            Tab(
                label=label,
                url=reverse(name, args=[row.pk]),
                current=name == tab,
                count=None if count is None else min(count, COUNTED),
                more=count is not None and count > COUNTED,
                icon=icon,
            )
            for name, (label, count, icon) in shown.items()
        ],
    }


def source_or_404(source_id: int) -> Source:
    """Return a source that people manage; what Ripen records itself has no page."""
    if source_id > _LARGEST_ID:
        raise Http404("No such source.")
    return get_object_or_404(Source.objects.exclude(kind=SourceKind.INTERNAL), pk=source_id)


def _keyed_or_404(source_id: int) -> Source:
    row = source_or_404(source_id)
    if row.name == PEOPLE:
        raise Http404("What people send under their own tokens has no key.")
    return row


def paging(request: HttpRequest, before: int, further: int) -> dict[str, str]:
    """Return what the pagination of a list shows that stands at ``before`` and goes on below ``further`` (0: not)."""
    return {
        "summary": gettext("The latest") if not before else gettext("Older ones") if further else gettext("The oldest"),
        "next_url": f"{request.path}?before={further}" if further else "",
        "first_url": request.path if before else "",
    }


def place_in(request: HttpRequest) -> int:
    """Return the place in a list that the address names (``before``), 0 for the top."""
    given = request.GET.get("before", "")
    return min(int(given), _LARGEST_ID) if given.isascii() and given.isdigit() and len(given) < 20 else 0
