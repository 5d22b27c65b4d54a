"""Search: a page, and the answers of the palette that opens over any page."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from config.web.live import live_answer
from config.web.pages import page, person_of
from contacts.permissions import check_view_contacts
from contacts.selectors.search import MAX_TEXT
from funnel.selectors.searching import CONTACTS_IN_PALETTE, CONTACTS_ON_PAGE, search_everything
from scoring.selectors import stage_labels


@page(check_view_contacts)
@require_safe
def search(request: HttpRequest) -> HttpResponseBase:
    """Show what ``?q=`` finds: as a page, or (``part=1``) as the options of the palette, 304 where they are known."""
    in_palette = request.GET.get("part") == "1"
    text = request.GET.get("q", "").replace("\0", "").strip()[:MAX_TEXT]
    labels = stage_labels()
    groups, more = search_everything(
        text,
        user=person_of(request),
        labels=labels,
        contacts=CONTACTS_IN_PALETTE if in_palette else CONTACTS_ON_PAGE,
    )
    context = {
        "q": text,
        "groups": groups,
        "labels": labels,
        "more": more,
        "found": sum(len(group.options) for group in groups),
    }
    if in_palette:
        return live_answer(request, render_to_string("funnel/palette_options.html", context, request))
    return render(request, "funnel/search.html", context)
