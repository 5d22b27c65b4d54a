"""Saving, changing and deleting views of the list of contacts, and choosing its columns."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from config.web.pages import page, person_of
from config.web.ui import UNDO
from contacts.models import SavedView
from contacts.permissions import check_view_contacts
from contacts.selectors.views import known_columns
from contacts.services.saved_views import BadView, change_view, choose_columns, delete_view, save_view


@page(check_view_contacts)
@require_POST
def view_save(request: HttpRequest) -> HttpResponse:
    """Save the list as it is shown, ``view`` being the query of its address, under ``name``; ``shared=1``: for all."""
    query = QueryDict(request.POST.get("view", "").lstrip("?"))
    columns = known_columns(query.get("columns", "").split(","))
    try:
        view = save_view(
            by=person_of(request),
            name=request.POST.get("name", ""),
            query=query.dict(),
            columns=columns or known_columns(request.POST.get("columns", "").split(",")),
            shared=request.POST.get("shared") == "1",
        )
    except BadView as error:
        messages.error(request, str(error))
        return redirect(_list(query))
    messages.success(request, gettext("Saved as “%(name)s”.") % {"name": view.name})
    return redirect(view_address(view))


@page(check_view_contacts)
@require_POST
def view_change(request: HttpRequest, view_id: int) -> HttpResponse:
    """Rename (``name``), share or keep to oneself (``shared``), or save the list's present query into a view."""
    query = QueryDict(request.POST.get("view", "").lstrip("?"))
    changes: dict[str, object] = {}
    if "name" in request.POST:
        changes = {"name": request.POST["name"], "shared": request.POST.get("shared") == "1"}
    if request.POST.get("update") == "1":
        changes["query"] = query.dict()
        if columns := known_columns(query.get("columns", "").split(",")):
            changes["columns"] = columns
    try:
        view = change_view(view_id=view_id, by=person_of(request), **changes)
    except SavedView.DoesNotExist:
        raise Http404("No such view.") from None
    except BadView as error:
        messages.error(request, str(error))
        return redirect(_list(query))
    messages.success(request, gettext("“%(name)s” was changed.") % {"name": view.name})
    return redirect(view_address(view))


@page(check_view_contacts)
@require_POST
def view_delete(request: HttpRequest, view_id: int) -> HttpResponse:
    """Delete a view of one's own; the message can take that back."""
    try:
        view = delete_view(view_id=view_id, by=person_of(request))
    except SavedView.DoesNotExist:
        raise Http404("No such view.") from None
    kept = QueryDict(mutable=True)
    kept.update({"name": view.name, "shared": "1" if view.shared else "", "columns": ",".join(view.columns)})
    query = QueryDict(mutable=True)
    query.update(view.query)
    kept["query"] = query.urlencode()
    undo = f"{UNDO}{reverse('contacts-view-restore')}?{kept.urlencode()}"
    messages.success(request, gettext("“%(name)s” was deleted.") % {"name": view.name}, extra_tags=undo)
    return redirect("contacts")


@page(check_view_contacts)
@require_POST
def view_restore(request: HttpRequest) -> HttpResponse:
    """Save a view that was just deleted once more; all that it was is in the address."""
    given = request.GET
    try:
        view = save_view(
            by=person_of(request),
            name=given.get("name", ""),
            query=QueryDict(given.get("query", "")).dict(),
            columns=known_columns(given.get("columns", "").split(",")),
            shared=given.get("shared") == "1",
        )
    except BadView as error:
        messages.error(request, str(error))
        return redirect("contacts")
    return redirect(view_address(view))


@page(check_view_contacts)
@require_POST
def list_columns(request: HttpRequest) -> HttpResponse:
    """Remember the columns that somebody ticked (``column``, several) and go back to the list; none: the usual ones."""
    query = QueryDict(request.POST.get("view", "").lstrip("?"), mutable=True)
    chosen = choose_columns(by=person_of(request), columns=request.POST.getlist("column"))
    query.pop("columns", None)
    if query.get("view"):
        # In a saved view its own columns come first; these are a change of it that can be saved.
        query["columns"] = ",".join(chosen)
    return redirect(_list(query))


def view_address(view: SavedView) -> str:
    """Return where a saved view is shown."""
    query = QueryDict(mutable=True)
    query.update({**view.query, "view": str(view.pk)})
    return _list(query)


def _list(query: QueryDict) -> str:
    text = query.urlencode()
    return f"{reverse('contacts')}?{text}" if text else reverse("contacts")
