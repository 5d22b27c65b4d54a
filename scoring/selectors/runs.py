"""Reads of runs: how far they are, what came of them, and who is behind each cell of a matrix."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from scoring.models import Definition, Run

_CELL = """
SELECT member FROM scoring_runcell AS cell CROSS JOIN LATERAL unnest(cell.contact_ids) AS member
WHERE cell.run_id = %(run)s AND cell.origin = %(origin)s AND cell.target = %(target)s
  AND cell.first_id >= coalesce((
      SELECT max(first_id) FROM scoring_runcell
      WHERE run_id = %(run)s AND origin = %(origin)s AND target = %(target)s AND first_id <= %(after)s), 0)
  AND member > %(after)s
ORDER BY cell.first_id, member LIMIT %(limit)s
"""


def cell_contacts(run_id: int, *, origin: str, target: str, after: int = 0, limit: int = 50) -> list[int]:
    """Ids of up to ``limit`` contacts of a cell, ascending, those after the id ``after``; empty for no such cell.

    One query; it reads no more of the cell than the parts that the page is in. A contact may have been erased or
    merged away since the run.
    """
    asked: dict[str, Any] = {"run": run_id, "origin": origin, "target": target, "after": after, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_CELL, asked)
        return [contact_id for (contact_id,) in cursor.fetchall()]


def run_view(run: Run, *, now: datetime | None = None) -> dict[str, Any]:
    """A run as page and API show it; JSON-ready but for times, which are datetimes.

    ``id`` (text), ``kind``, ``state``, ``definition`` and ``other`` ("key@version" or None), ``revision``, ``done``,
    ``total`` (0: not known yet), ``unit``, ``share`` (0..1, None while the total is unknown), ``rate`` (units a second
    so far, None before there are any), ``remaining`` (seconds it will still take at that rate, None when unknown or
    over), ``error``, ``result``, ``requested_at``, ``requested_by`` (name or None), ``started_at``, ``finished_at``,
    ``cancel_requested_at``, ``attempts``, ``parameters``. Load ``run`` with ``runs_with_names()`` to spare queries.
    """
    now = now or timezone.now()
    seconds = ((run.finished_at or now) - run.started_at).total_seconds() if run.started_at else 0.0
    rate = run.done / seconds if seconds > 0 and run.done else None
    left = max(run.total - run.done, 0)
    return {
        "id": str(run.pk),
        "kind": run.kind,
        "state": run.state,
        "definition": _named(run.definition),
        "other": _named(run.other) if run.other else None,
        "revision": run.revision,
        "done": run.done,
        "total": run.total,
        "unit": run.unit,
        "share": min(run.done / run.total, 1.0) if run.total else None,
        "rate": rate,
        "remaining": left / rate if rate and run.total and run.finished_at is None else None,
        "error": run.error,
        "result": run.result,
        "requested_at": run.requested_at,
        "requested_by": _person(run),
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "cancel_requested_at": run.cancel_requested_at,
        "attempts": run.attempts,
        "parameters": run.parameters,
    }


def runs_with_names() -> "QuerySet[Run]":
    """Runs with all that ``run_view`` shows, in one query."""
    return Run.objects.select_related("definition", "other", "requested_by")


def _named(definition: Definition) -> str:
    return f"{definition.key}@{definition.version}"


def _person(run: Run) -> str | None:
    by = run.requested_by
    return None if by is None else by.get_full_name() or by.email or by.get_username()
