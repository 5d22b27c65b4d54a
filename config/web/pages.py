"""What every page view shares: who may see it, links that keep the query, and going back where one came from."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeAlias

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

P = ParamSpec("P")
View: TypeAlias = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def page(check: Callable[[Any], None]) -> Callable[[View[P]], View[P]]:
    """Make a view a page: people who are not signed in go to sign in, ``check`` decides about the others.

    ``check`` is a permission function that raises ``PermissionDenied``.
    """

    def decorate(view: View[P]) -> View[P]:
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _sign_in_first(request)
            check(request.user)
            return view(request, *args, **kwargs)

        return update_wrapper(guarded, view)

    return decorate


def _sign_in_first(request: HttpRequest) -> HttpResponseBase:
    """Lead to the sign-in page and from there back; a part of a page leads the whole page there."""
    details: HtmxDetails | None = getattr(request, "htmx", None)
    if details:
        back = details.current_url_abs_path or "/"
        return HttpResponseClientRedirect(redirect_to_login(back).url)
    return redirect_to_login(request.get_full_path())


def person_of(request: HttpRequest) -> User:
    """Return who is signed in; for views behind ``page``, where somebody is."""
    if not isinstance(request.user, User):
        raise TypeError("a page view needs somebody signed in")
    return request.user


def link_with(query: QueryDict, **changes: str | None) -> str:
    """Return the query string with ``changes``; ``None`` removes a key, and so does the place in a list.

    ``after`` and ``before`` name a place in the list that the old query gave, so a changed query starts afresh.
    """
    fresh = query.copy()
    for name in ("after", "before"):
        fresh.pop(name, None)
    for name, value in changes.items():
        if value is None:
            fresh.pop(name, None)
        else:
            fresh[name] = value
    text = fresh.urlencode()
    return f"?{text}" if text else "?"


def safe_next(request: HttpRequest, default: str) -> str:
    """Return the form's ``next`` where it stays on this site, else ``default``."""
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return target
    return default


def add_errors(form: forms.Form, error: ValidationError) -> None:
    """Put what a service refused beside the field it names."""
    problems: dict[str, Any] = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    for name, texts in problems.items():
        form.add_error(name if name in form.fields else None, texts)
