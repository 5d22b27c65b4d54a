"""Invariant 9: the rollups equal their recomputation from the transitions in force. Reads only."""

# ruff: noqa: S608  put together of constants

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from contacts.services.verification import EVERYBODY, PATIENCE, Among, Violation
from funnel.models import Counting
from funnel.services.counting.keeping import places_of
from funnel.services.counting.statements import (
    ADDS,
    CELL,
    CELLS,
    DAYS,
    MOVE_COLUMNS,
    MOVES,
    PAIRS,
    REACHED,
    REACHED_COLUMNS,
    SUMS,
)
from scoring.definition import DefinitionDocument
from scoring.models import Publication
from scoring.selectors import published_definition

# Where much is wrong, the first of it tells enough.
_MOST: Final = 100
# With a sample of contacts, the cells of so many days are added up again.
_DAYS: Final = 20

# Adding up some days reads all moves: with a sample, only where they are fewer than this.
_FEW_MOVES: Final = 500_000
_ESTIMATE: Final = "SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'funnel_passage'::regclass"

_UNATTENDED: Final = "SELECT count(*), min(queued_at) FROM funnel_recount WHERE queued_at < %(before)s"


def _differing(stored: str, fresh: str) -> str:
    """Contacts of which rows are in one relation and not in the other, as far as they are not waiting to be counted."""
    return f"""
    SELECT contact_id FROM ((({stored}) EXCEPT ({fresh})) UNION ALL (({fresh}) EXCEPT ({stored}))) AS differing
    WHERE NOT EXISTS (SELECT FROM funnel_recount WHERE funnel_recount.contact_id = differing.contact_id)
    GROUP BY contact_id ORDER BY contact_id LIMIT {_MOST}
    """


# {chosen} says which contacts.
_MOVES_DIFFER: Final = _differing(f"SELECT {MOVE_COLUMNS} FROM funnel_passage WHERE {{chosen}}", MOVES)
_REACHED_DIFFER: Final = _differing(
    f"SELECT {REACHED_COLUMNS} FROM funnel_reached WHERE {{chosen}}",
    REACHED.format(moves=f"(SELECT {MOVE_COLUMNS} FROM funnel_passage WHERE {{chosen}})"),
)

# Waits have no order in a day's cell; in a month's, buckets that are empty at the end say nothing.
_WAITS: Final = """
CASE WHEN {grain} = 'd' THEN array_to_string(ARRAY(SELECT unnest({waits}) ORDER BY 1), ',')
     ELSE coalesce(nullif(regexp_replace(array_to_string({waits}, ','), '(,0)+$', ''), '0'), '') END
"""
_CELLS_DIFFER: Final = f"""
WITH pairs AS MATERIALIZED ({PAIRS.format(reached="funnel_reached")}),
added AS MATERIALIZED (
    SELECT * FROM ({ADDS.format(moves="funnel_passage", reached="funnel_reached", pairs="pairs", sign="1")}) AS added
    WHERE %(days)s::date[] IS NULL OR day = ANY(%(days)s)
),
days AS MATERIALIZED ({DAYS.format(adds="added")}),
fresh AS ({CELLS.format(days="days")}),
stored AS (
    SELECT * FROM funnel_tally WHERE %(days)s::date[] IS NULL OR (grain = 'd' AND day = ANY(%(days)s))
)
SELECT {CELL}, {", ".join(f"stored.{name}, fresh.{name}" for name in SUMS)}
FROM (SELECT * FROM fresh WHERE %(days)s::date[] IS NULL OR grain = 'd') AS fresh
FULL JOIN stored USING ({CELL})
WHERE {" OR ".join(f"coalesce(stored.{name}, 0) <> coalesce(fresh.{name}, 0)" for name in SUMS)}
   OR stored.ages IS DISTINCT FROM fresh.ages AND (0 <> ANY (stored.ages) OR 0 <> ANY (fresh.ages))
   OR {_WAITS.format(grain="grain", waits="stored.waits")} IS DISTINCT FROM
      {_WAITS.format(grain="grain", waits="fresh.waits")} AND coalesce(stored.waited, fresh.waited) <> 0
ORDER BY {CELL} LIMIT {_MOST}
"""
_MONTHS_DIFFER: Final = f"""
SELECT facet, 'm', origin, target, value, month, {", ".join(f"month.{name}, days.{name}" for name in SUMS)}
FROM (
    SELECT facet, origin, target, value, date_trunc('month', day)::date AS month,
           {", ".join(f"sum({name}) AS {name}" for name in SUMS)}
    FROM funnel_tally WHERE grain = 'd' GROUP BY 1, 2, 3, 4, 5
) AS days
FULL JOIN (
    SELECT facet, origin, target, value, day AS month, {", ".join(SUMS)} FROM funnel_tally WHERE grain = 'm'
) AS month USING (facet, origin, target, value, month)
WHERE {" OR ".join(f"coalesce(month.{name}, 0) <> coalesce(days.{name}, 0)" for name in SUMS)}
ORDER BY 1, 3, 4, 5, 6 LIMIT {_MOST}
"""


def verify_rollups(among: Among = EVERYBODY, *, now: datetime, patience: timedelta = PATIENCE) -> Iterator[Violation]:
    """Invariant 9: counted moves and stages reached are those of the transitions, and the cells add up.

    ``among``: only these contacts' moves, and the cells of a few days drawn at random. Contacts that wait to be counted
    are left out, unless they have waited for longer than ``patience``.
    """
    yield from verify_counted(among, now=now, patience=patience)
    yield from verify_cells(now=now, patience=patience, days=None if among.is_everybody else _DAYS)


def verify_counted(among: Among = EVERYBODY, *, now: datetime, patience: timedelta = PATIENCE) -> Iterator[Violation]:
    """Invariant 9, contact by contact: moves and stages reached are those of the transitions."""
    _, document = published_definition()
    if _other_stages(document) is not None:
        return
    given = {**places_of(document), **among.given}
    chosen = among.where("contact_id")
    for (contact_id,) in _select(_MOVES_DIFFER.format(chosen=chosen), given):
        yield Violation(9, "is counted with other moves than its transitions tell", contact_id)
    for (contact_id,) in _select(_REACHED_DIFFER.format(chosen=chosen), given):
        yield Violation(9, "is counted as having reached other stages, or under another source or country", contact_id)


def verify_cells(*, now: datetime, patience: timedelta = PATIENCE, days: int | None = None) -> Iterator[Violation]:
    """Invariant 9, the sums: nothing waits long to be counted, and each cell is what the moves add up to.

    ``days``: the months as sums of their days, and the cells of so many days, drawn at random; of an installation with
    very many moves no cells.
    """
    _, document = published_definition()
    others = _other_stages(document)
    if others is not None:
        # All that is counted is of the stages before; the drain makes it anew.
        if Publication.objects.filter(retracted_at=None).latest("effective_at").effective_at < now - patience:
            yield Violation(9, f"the figures are still counted by the stages {', '.join(others)}")
        return
    unattended, oldest = _select(_UNATTENDED, {"before": now - patience})[0]
    if unattended:
        yield Violation(9, f"{unattended} changes wait to be counted, the first since {oldest:%Y-%m-%d %H:%M:%S}")
    if days is None:
        differing = _select(_CELLS_DIFFER, {"days": None})
    else:
        differing = _select(_MONTHS_DIFFER, {})
        if _select(_ESTIMATE, {})[0][0] < _FEW_MOVES:
            known = "SELECT DISTINCT day FROM funnel_tally WHERE facet = 0 AND grain = 'd'"
            drawn = _select(f"SELECT day FROM ({known}) AS days ORDER BY random() LIMIT {days}", {})
            differing += _select(_CELLS_DIFFER, {"days": [day for (day,) in drawn]})
    for facet, grain, origin, target, value, day, *sums in differing:
        told = ", ".join(
            f"{name} {stored or 0} instead of {fresh or 0}"
            for name, stored, fresh in zip(SUMS, sums[::2], sums[1::2], strict=True)
            if (stored or 0) != (fresh or 0)
        )
        where = f"the {'day' if grain == 'd' else 'month'} {day}, stages {origin} to {target}, facet {facet} {value!r}"
        yield Violation(9, f"{where} is kept with {told or 'other waits or ages'}")


def _other_stages(document: DefinitionDocument) -> list[str] | None:
    """The stages by which is counted, where the definition has others; None where nothing is the matter."""
    counted = Counting.objects.first()
    differs = counted is not None and counted.stages != [stage.key for stage in document.stages]
    return counted.stages if counted is not None and differs else None


def _select(statement: str, given: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        rows: list[Any] = cursor.fetchall()
    return rows
