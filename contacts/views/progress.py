"""What the progress of long work says: the same words for every sort of it."""

from datetime import timedelta
from typing import Any, Final

from django.utils.translation import gettext, gettext_noop

from config.web.formats import format_duration, format_number
from contacts.enums import WorkState
from contacts.models import Work
from contacts.selectors.work import work_view

# What long work counts, as it is stored.
_UNITS: Final = {
    "contacts": gettext_noop("contacts"),
    "rows": gettext_noop("rows"),
    "events": gettext_noop("events"),
    "pairs": gettext_noop("pairs"),
    "statements": gettext_noop("statements"),
}


def unit_words(unit: str) -> str:
    """Return what is counted in the reader's language; a unit that nobody translated as it is stored."""
    return gettext(_UNITS[unit]) if unit in _UNITS else unit


def work_shown(work: Work) -> dict[str, Any]:
    """Return ``view`` (see ``work_view``) and ``detail``, the line beside the bar of ``components/work.html``."""
    view = work_view(work)
    parts = []
    if view["total"]:
        said = {
            "done": format_number(view["done"]),
            "total": format_number(view["total"]),
            "unit": unit_words(view["unit"]),
        }
        parts.append(gettext("%(done)s of %(total)s %(unit)s") % said)
    if view["rate"]:
        parts.append(gettext("%(number)s a second") % {"number": format_number(round(view["rate"]))})
    if view["remaining"] is not None:
        length = format_duration(timedelta(seconds=view["remaining"]))
        parts.append(gettext("about %(length)s left") % {"length": length})
    waits = gettext("waiting for a worker") if work.state == WorkState.QUEUED else gettext("under way")
    if view["cancel_requested_at"] and work.finished_at is None:
        parts = [*parts[:1], gettext("stopping at the next step")]
    return {"view": view, "detail": ", ".join(parts) or waits}
