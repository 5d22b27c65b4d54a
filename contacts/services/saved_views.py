"""Saved views of the list of contacts, and the columns that somebody looks at."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from contacts.models import ListColumns, SavedView
from contacts.permissions import check_view_contacts
from contacts.selectors.views import COLUMNS, VIEW_PARAMETERS

MAX_NAME: Final = 60
MOST_VIEWS: Final = 100


class BadView(ValueError):
    """The view cannot be kept so; the message says why, for people."""


def save_view(
    *, by: User, name: str, query: Mapping[str, str], columns: Sequence[str] = (), shared: bool = False
) -> SavedView:
    """Keep a way to look at the list under a name of its owner's.

    ``query``: parameters of the list's address; those that are no filter and no order are left out.

    Raises:
        PermissionDenied: ``by`` may not see contacts.
        BadView: there is no name, it is taken or too long, or there are too many views.
    """
    check_view_contacts(by)
    if SavedView.objects.filter(owner=by).count() >= MOST_VIEWS:
        raise BadView(gettext("You have %(most)s views; delete one first.") % {"most": MOST_VIEWS})
    view = SavedView(owner=by, name=_name(name), query=_query(query), columns=_columns(columns), shared=shared)
    return _kept(view)


def change_view(*, view_id: int, by: User, **changes: Any) -> SavedView:
    """Change a view of one's own: ``name``, ``shared``, ``query``, ``columns``.

    Raises:
        SavedView.DoesNotExist: there is none of this person's.
        BadView: the name is taken, empty or too long.
    """
    read: dict[str, Callable[[Any], Any]] = {"name": _name, "query": _query, "columns": _columns, "shared": bool}
    with transaction.atomic():
        view = SavedView.objects.select_for_update().get(pk=view_id, owner=by)
        for field, value in changes.items():
            setattr(view, field, read[field](value))
        return _kept(view)


def delete_view(*, view_id: int, by: User) -> SavedView:
    """Delete a view of one's own; what is returned can be saved again. Raises SavedView.DoesNotExist."""
    with transaction.atomic():
        view = SavedView.objects.select_for_update().get(pk=view_id, owner=by)
        view.delete()
    return view


def choose_columns(*, by: User, columns: Sequence[str]) -> list[str]:
    """Remember which columns somebody looks at, in the order of the list's columns; none: those by default."""
    chosen = _columns(columns)
    ListColumns.objects.update_or_create(user=by, defaults={"columns": chosen})
    return chosen


def _kept(view: SavedView) -> SavedView:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError:
        raise BadView(gettext("You have a view of this name already.")) from None
    return view


def _name(name: str) -> str:
    tidy = " ".join(name.replace("\0", "").split())
    if not tidy:
        raise BadView(gettext("Name the view."))
    if len(tidy) > MAX_NAME:
        raise BadView(gettext("A name holds at most %(most)s characters.") % {"most": MAX_NAME})
    return tidy


def _query(query: Mapping[str, str]) -> dict[str, str]:
    return {name: query[name].replace("\0", "")[:300] for name in VIEW_PARAMETERS if query.get(name)}


def _columns(columns: Sequence[str]) -> list[str]:
    return [key for key in COLUMNS if key in columns]
