"""Reads of runs: how far they are, what came of them, and who is behind each cell of a matrix."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from contacts.selectors.work import work_view
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

    What ``work_view`` says of any work, and ``kind``, ``definition`` and ``other`` ("key@version" or None),
    ``revision``, ``parameters``. Load ``run`` with ``runs_with_names()`` to spare queries.
    """
    return {
        **work_view(run, now=now),
        "kind": run.kind,
        "definition": _named(run.definition),
        "other": _named(run.other) if run.other else None,
        "revision": run.revision,
        "parameters": run.parameters,
    }


def runs_with_names() -> "QuerySet[Run]":
    """Runs with all that ``run_view`` shows, in one query."""
    return Run.objects.select_related("definition", "other", "requested_by")


def _named(definition: Definition) -> str:
    return f"{definition.key}@{definition.version}"
