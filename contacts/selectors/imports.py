"""Imports as their pages list them."""

from django.db.models import QuerySet

from contacts.models import ImportRun

PAGE_SIZE = 50


def imports_in_full() -> "QuerySet[ImportRun]":
    """Return imports with their job and who began them: one query."""
    return ImportRun.objects.select_related("job__requested_by", "started_by")


def latest_imports(*, before: int | None = None, limit: int = PAGE_SIZE) -> tuple[list[ImportRun], int | None]:
    """Return imports, latest first, those before the id ``before``, and the ``before`` of the next page. One query."""
    rows = imports_in_full().order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    shown = list(rows[: limit + 1])
    return shown[:limit], shown[limit - 1].pk if len(shown) > limit else None
