"""What the progress of long work says: the same words for every sort of it."""

from datetime import timedelta
from typing import Any

from config.web.formats import format_duration, format_number
from contacts.enums import WorkState
from contacts.models import Work
from contacts.selectors.work import work_view


def work_shown(work: Work) -> dict[str, Any]:
    """Return ``view`` (see ``work_view``) and ``detail``, the line beside the bar of ``components/work.html``."""
    view = work_view(work)
    unit = view["unit"]
    parts = [f"{format_number(view['done'])} of {format_number(view['total'])} {unit}"] if view["total"] else []
    if view["rate"]:
        parts.append(f"{format_number(round(view['rate']))} a second")
    if view["remaining"] is not None:
        parts.append(f"about {format_duration(timedelta(seconds=view['remaining']))} left")
    waits = "waiting for a worker" if work.state == WorkState.QUEUED else "under way"
    if view["cancel_requested_at"] and work.finished_at is None:
        parts = [*parts[:1], "stopping at the next step"]
    return {"view": view, "detail": ", ".join(parts) or waits}
