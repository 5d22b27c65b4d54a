"""Pages of API lists: by key, never by offset, so that any page costs the same (API.md, "Lists")."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import F, Field, Model
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.db.models.lookups import GreaterThan, LessThan
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from config.web.errors import ApiError

CURSOR: Final = "cursor"
LIMIT: Final = "limit"
_MAX_CURSOR_LENGTH: Final = 1_000
_MAX_INTEGER: Final = 2**63 - 1


class KeysetPagination(BasePagination):
    """Answers ``{"results": [...], "next": "<url or null>"}``.

    The view's ``ordering`` names the fields of the key, all ascending or all descending (``-``), the last one unique.
    ``?limit=`` (1 to 1,000, else 100) sets the page's size, ``?cursor=`` comes from ``next``.
    """

    page_size: int = 100
    max_page_size: int = 1_000
    default_ordering: tuple[str, ...] = ("id",)

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        """Return one page.

        Raises:
            ApiError: 400 ``invalid_cursor`` or ``invalid`` (limit).
        """
        ordering = tuple(getattr(view, "ordering", self.default_ordering))
        names = [field.lstrip("-") for field in ordering]
        size = self._size(request)
        queryset = queryset.order_by(*ordering)
        cursor = request.query_params.get(CURSOR)
        if cursor:
            queryset = queryset.filter(_beyond(ordering, names, _read_cursor(cursor, queryset.model, names)))
        rows = list(queryset[: size + 1])
        self._next: str | None = None
        if len(rows) > size:
            rows.pop()
            self._next = replace_query_param(request.build_absolute_uri(), CURSOR, self.cursor_at(rows[-1], names))
        return rows

    @staticmethod
    def cursor_at(row: Any, names: Sequence[str]) -> str:
        """Return the cursor of the position right after ``row``."""
        values = [value if isinstance(value := getattr(row, name), int) else str(value) for name in names]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page's answer."""
        return Response({"results": data, "next": self._next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the page's answer for OpenAPI."""
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {"type": "string", "format": "uri", "nullable": True, "description": "The following page."},
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Describe the page's parameters for OpenAPI."""
        return [
            {
                "name": CURSOR,
                "in": "query",
                "required": False,
                "description": "Where to go on; taken from `next`.",
                "schema": {"type": "string"},
            },
            {
                "name": LIMIT,
                "in": "query",
                "required": False,
                "description": "How many a page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size},
            },
        ]

    def _size(self, request: Request) -> int:
        given = request.query_params.get(LIMIT)
        if given is None:
            return self.page_size
        if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= self.max_page_size:
            message = f"A whole number from 1 to {self.max_page_size}."
            raise ApiError(400, "invalid", f"{LIMIT}: {message}", {LIMIT: message})
        return int(given)


def _beyond(ordering: Sequence[str], names: Sequence[str], values: Sequence[Any]) -> Any:
    descending = ordering[0].startswith("-")
    if len(names) == 1:
        return (LessThan if descending else GreaterThan)(F(names[0]), values[0])
    comparison = TupleLessThan if descending else TupleGreaterThan
    return comparison(Tuple(*(F(name) for name in names)), tuple(values))


def _read_cursor(cursor: str, model: type[Model], names: Sequence[str]) -> list[Any]:
    try:
        keys = _keys_of(cursor, model, names)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error, ValidationError):
        raise ApiError(400, "invalid_cursor", "This cursor is not one of ours.", {CURSOR: "Not one of ours."}) from None
    return keys


def _keys_of(cursor: str, model: type[Model], names: Sequence[str]) -> list[Any]:
    if len(cursor) > _MAX_CURSOR_LENGTH:
        raise ValueError(cursor)
    values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if not isinstance(values, list) or len(values) != len(names):
        raise ValueError(cursor)
    keys = []
    for name, value in zip(names, values, strict=True):
        field = model._meta.get_field(name)  # noqa: SLF001  Django's public name for it
        key = field.to_python(value) if isinstance(field, Field) else None
        if key is None or (isinstance(key, int) and abs(key) > _MAX_INTEGER):
            raise ValueError(cursor)
        keys.append(key)
    return keys
