"""Learned scores and notices, for pages, the API and the shell."""

from scoring.models import Notice


def open_notices() -> list[Notice]:
    """The notices that nobody has dismissed, newest first, with their definitions."""
    return list(Notice.objects.filter(dismissed_at=None).select_related("definition").order_by("-id"))
