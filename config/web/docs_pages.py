"""The pages of the documentation inside, for whoever is signed in."""

from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from config.web.docs import IMAGES, find_docs, grouped_docs, image_path, read_doc
from config.web.pages import page


def _anybody(user: Any) -> None:
    """Let everybody who is signed in read, whatever their role."""


@require_safe
@page(_anybody)
def docs(request: HttpRequest) -> HttpResponse:
    """List the pages by subject; with ``?q=`` the places that speak of it."""
    asked = request.GET.get("q", "").replace("\0", "").strip()[:100]
    context = {"asked": asked, "found": find_docs(asked) if asked else [], "groups": grouped_docs()}
    return render(request, "docs/list.html", context)


@require_safe
@page(_anybody)
def docs_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a page with its table of contents."""
    doc = read_doc(slug)
    if doc is None:
        raise Http404("There is no such page in the documentation.")
    return render(request, "docs/page.html", {"doc": doc, "groups": grouped_docs()})


@require_safe
@page(_anybody)
@cache_control(private=True, max_age=3600)
def docs_image(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send a picture of the documentation."""
    path = image_path(name)
    if path is None:
        raise Http404("There is no such picture in the documentation.")
    return FileResponse(path.open("rb"), content_type=IMAGES[path.suffix])
