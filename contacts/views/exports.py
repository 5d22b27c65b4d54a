"""Downloads of lists as CSV, streamed while they are read."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from config.web.pages import page, person_of
from contacts.models import Contact, Source
from contacts.permissions import check_export, check_manage_sources
from contacts.selectors.browse import Query
from contacts.selectors.views import known_columns
from contacts.services.exporting import export_companies, export_contacts, export_events, export_rejected


@page(check_export)
@require_safe
def contacts_csv(request: HttpRequest) -> HttpResponseBase:
    """All contacts of the list's view: the same stage, search and filters in the address.

    ``columns``: only these columns of the list; ``contact`` (several): only these contacts.
    """
    given = [int(one) for one in request.GET.getlist("contact") if one.isascii() and one.isdecimal() and len(one) <= 18]
    parts = export_contacts(
        query=Query.read(request.GET.dict()),
        by=person_of(request),
        columns=known_columns(request.GET.get("columns", "").split(",")),
        chosen=given if given and request.GET.get("all") != "1" else None,
    )
    return _download(request, parts, "contacts")


@page(check_export)
@require_safe
def contact_events_csv(request: HttpRequest, contact_id: int) -> HttpResponseBase:
    """All events of a contact, marked ones too."""
    contact = get_object_or_404(Contact, pk=contact_id, present=True)
    return _download(request, export_events(contact=contact, by=person_of(request)), f"events-of-{contact_id}")


@page(check_export)
@require_safe
def companies_csv(request: HttpRequest) -> HttpResponseBase:
    """All companies."""
    return _download(request, export_companies(by=person_of(request)), "companies")


@page(check_manage_sources)
@require_safe
def rejected_csv(request: HttpRequest, source_id: int) -> HttpResponseBase:
    """What a source sent and was refused, with the reasons."""
    source = get_object_or_404(Source, pk=source_id)
    return _download(request, export_rejected(source=source, by=person_of(request)), f"rejected-{source_id}")


def _download(request: HttpRequest, parts: Iterator[bytes], name: str) -> HttpResponseBase:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}-{timezone.localdate()}.csv"',
        "Cache-Control": "private, no-store",
        # A proxy that collects the whole file first would keep people waiting for the first byte.
        "X-Accel-Buffering": "no",
    }
    if request.method == "HEAD":
        return HttpResponse(content_type="text/csv; charset=utf-8", headers=headers)
    return StreamingHttpResponse(parts, content_type="text/csv; charset=utf-8", headers=headers)
