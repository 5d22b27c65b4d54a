"""Query parameters of the API: a misspelt one is an error, never silently everything."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from config.web.pagination import CURSOR, LIMIT


def check_parameters(request: Request, allowed: Iterable[str] = ()) -> None:
    """Refuse query parameters that an endpoint does not know, and any that PostgreSQL cannot hold.

    Raises:
        ValidationError: 400 ``unknown_parameter``, naming each.
    """
    known = set(allowed)
    unknown = {
        name: ErrorDetail("There is no such parameter.", "unknown_parameter")
        for name in request.query_params
        if name not in known
    }
    if unknown:
        raise ValidationError(unknown)
    for name, values in request.query_params.lists():
        if any("\0" in value for value in values):
            raise ValidationError({name: "A NUL character is not allowed."})


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]  # django-filter ships no types
    """django-filter, for lists where an unknown parameter is a 400.

    A view may allow more than its filters and the page's own by ``extra_parameters``.
    """

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """Return the rows that meet the filters."""
        filterset_class = self.get_filterset_class(view, queryset)
        filters = filterset_class.base_filters if filterset_class else ()
        check_parameters(request, {*filters, *getattr(view, "extra_parameters", ()), CURSOR, LIMIT})
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered
