"""Long work as pages and the API show it while it goes and when it has ended."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from contacts.models import Work


def work_view(work: Work, *, now: datetime | None = None) -> dict[str, Any]:
    """A piece of work, JSON-ready but for times, which are datetimes.

    ``id`` (text), ``state``, ``done``, ``total`` (0: not known yet), ``unit``, ``share`` (0..1, None while the total is
    unknown), ``rate`` (units a second so far, None before there are any), ``remaining`` (seconds it will still take at
    that rate, None when unknown or over), ``error``, ``result``, ``requested_at``, ``requested_by`` (name or None),
    ``started_at``, ``finished_at``, ``cancel_requested_at``, ``attempts``. Load ``requested_by`` too.
    """
    now = now or timezone.now()
    seconds = ((work.finished_at or now) - work.started_at).total_seconds() if work.started_at else 0.0
    # What had been done before it was resumed says nothing about how fast it goes now.
    done_now = max(work.done - work.parameters.get("done_before", 0), 0)
    rate = done_now / seconds if seconds > 0 and done_now else None
    left = max(work.total - work.done, 0)
    return {
        "id": str(work.pk),
        "state": work.state,
        "done": work.done,
        "total": work.total,
        "unit": work.unit,
        "share": min(work.done / work.total, 1.0) if work.total else None,
        "rate": rate,
        "remaining": left / rate if rate and work.total and work.finished_at is None else None,
        "error": work.error,
        "result": work.result,
        "requested_at": work.requested_at,
        "requested_by": _person(work),
        "started_at": work.started_at,
        "finished_at": work.finished_at,
        "cancel_requested_at": work.cancel_requested_at,
        "attempts": work.attempts,
    }


def _person(work: Work) -> str | None:
    by = work.requested_by
    return None if by is None else by.get_full_name() or by.email or by.get_username()
