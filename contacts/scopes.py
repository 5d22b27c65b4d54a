"""What a caller of the API may do: a source has its scopes, a person those of their roles."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from contacts.enums import Scope
from contacts.models import Source
from contacts.permissions import scopes_of

if TYPE_CHECKING:
    # At run time REST framework's views import this module while they are still being imported themselves.
    from rest_framework.views import APIView


def source_of(request: Request) -> Source | None:
    """Return the source that calls, None when it is a person."""
    return request.auth if isinstance(request.auth, Source) else None


def person_of(request: Request) -> User | None:
    """Return the person who calls (by session or personal token), None when it is a source or nobody."""
    return request.user if request.user.is_authenticated else None


def scopes_of_request(request: Request) -> frozenset[str]:
    """Return everything the caller may do."""
    source = source_of(request)
    if source is not None:
        return frozenset(source.scopes)
    return scopes_of(request.user)


def check_scope(request: Request, scope: Scope) -> None:
    """Let the caller pass who has ``scope``.

    Raises:
        NotAuthenticated: 401, nobody calls.
        PermissionDenied: 403 ``missing_scope``.
    """
    if source_of(request) is None and person_of(request) is None:
        raise NotAuthenticated
    if scope.value not in scopes_of_request(request):
        raise PermissionDenied(f"This needs the scope {scope.value}.", "missing_scope")


class HasScope(BasePermission):
    """Checks the scope that the view names for the call: ``scopes = {"GET": Scope.CONTACTS_READ, ...}``.

    An action of a view set may be named instead of a method and goes before it. What is not named is for nobody.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Answer, or raise what `check_scope` raises."""
        scopes: Mapping[str, Scope] = getattr(view, "scopes", {})
        method = "GET" if request.method in {"HEAD", "OPTIONS"} else str(request.method)
        scope = scopes.get(str(getattr(view, "action", None))) or scopes.get(method)
        if scope is not None:
            check_scope(request, scope)
            return True
        if source_of(request) is None and person_of(request) is None:
            raise NotAuthenticated
        # A method that the view does not have is a 405; REST framework finds that out after asking here.
        return not hasattr(view, method.lower())

    def has_object_permission(self, request: Request, view: "APIView", obj: Any) -> bool:
        """Answer yes: rules about single rows are the services' (contacts/permissions.py)."""
        return True
