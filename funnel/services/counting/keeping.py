"""Counting contacts whose moves or facets changed, one batch after the other.

What a contact added to the cells is taken out of them and what it adds now is put in: only the difference is written,
so counting twice, one after the other, changes nothing. Which contacts are to be counted is an outbox that triggers
fill, with whatever is to be counted.

Locks: whoever counts holds one lock that is everybody's, and no contact: nobody who records, judges or merges ever
waits for counting. What others change meanwhile is not seen before they commit, and comes with its own row of the
outbox. A drain that does not get the lock leaves the outbox to whoever has it: they would queue for the cells of today
in any case, and one large batch costs less than two small ones.
"""

# ruff: noqa: S608  put together of constants

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from funnel.services.counting.statements import (
    ADD_CELLS,
    ADDS,
    DAYS,
    MOVE_COLUMNS,
    MOVES,
    NET,
    PAIRS,
    REACHED,
    REACHED_COLUMNS,
)
from scoring.definition import STAGE_KEYS, DefinitionDocument
from scoring.selectors import published_definition

# Names the lock among all advisory locks of the database ("FUNN" in ASCII).
_LOCK: Final = 0x46554E4E
# Contacts at a time: of more the same cells are written once.
BATCH: Final = 2_000

_OF_THESE: Final = "contact_id = ANY(%(ids)s)"
_NOTHING: Final = f"SELECT {REACHED_COLUMNS} FROM funnel_reached WHERE false"

# Everything reads what was stored before the statement began; no row is both deleted and written.
_COUNT: Final = f"""
WITH old_moves AS MATERIALIZED (SELECT {MOVE_COLUMNS} FROM funnel_passage WHERE {_OF_THESE}),
old AS MATERIALIZED (SELECT {REACHED_COLUMNS} FROM funnel_reached WHERE {_OF_THESE}),
fresh_moves AS MATERIALIZED ({{moves}}),
fresh AS MATERIALIZED ({{reached}}),
moves_gone AS (
    DELETE FROM funnel_passage AS passage WHERE {_OF_THESE} AND NOT EXISTS (
        SELECT FROM fresh_moves WHERE fresh_moves.contact_id = passage.contact_id AND fresh_moves.at = passage.at)
),
moves_made AS (
    INSERT INTO funnel_passage ({MOVE_COLUMNS}) SELECT * FROM fresh_moves EXCEPT SELECT * FROM old_moves
    ON CONFLICT (contact_id, at) DO UPDATE SET origin = excluded.origin, target = excluded.target
),
gone AS (DELETE FROM funnel_reached WHERE {_OF_THESE} AND contact_id NOT IN (SELECT contact_id FROM fresh)),
came AS (
    INSERT INTO funnel_reached ({REACHED_COLUMNS}) SELECT * FROM fresh EXCEPT SELECT * FROM old
    ON CONFLICT (contact_id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in REACHED_COLUMNS.split(", ")[1:])}
),
old_pairs AS MATERIALIZED ({PAIRS.format(reached="old")}),
fresh_pairs AS MATERIALIZED ({PAIRS.format(reached="fresh")}),
added AS ({ADDS.format(moves="fresh_moves", reached="fresh", pairs="fresh_pairs", sign="1")}
    UNION ALL {ADDS.format(moves="old_moves", reached="old", pairs="old_pairs", sign="-1")}),
net AS MATERIALIZED ({NET.format(adds="added")}),
days AS MATERIALIZED ({DAYS.format(adds="net")})
{ADD_CELLS.format(days="days")}
"""
_COUNT_ANEW: Final = _COUNT.format(moves=MOVES.format(chosen=_OF_THESE), reached=REACHED.format(moves="fresh_moves"))
_FORGET: Final = _COUNT.format(moves=f"SELECT {MOVE_COLUMNS} FROM funnel_passage WHERE false", reached=_NOTHING)
_COUNT_ALL: Final = (
    f"INSERT INTO funnel_passage ({MOVE_COLUMNS}) {MOVES.format(chosen='true')}",
    f"INSERT INTO funnel_reached ({REACHED_COLUMNS}) {REACHED.format(moves='funnel_passage')}",
    "ANALYZE funnel_passage, funnel_reached",
    f"""
    WITH pairs AS MATERIALIZED ({PAIRS.format(reached="funnel_reached")}),
    added AS MATERIALIZED (
        {ADDS.format(moves="funnel_passage", reached="funnel_reached", pairs="pairs", sign="1")}),
    days AS MATERIALIZED ({DAYS.format(adds="added")})
    {ADD_CELLS.format(days="days")}
    """,
    "ANALYZE funnel_tally",
)

# The contacts of the oldest rows, with all their rows.
_TAKE: Final = """
DELETE FROM funnel_recount WHERE contact_id IN (SELECT contact_id FROM funnel_recount ORDER BY id LIMIT %s)
RETURNING contact_id
"""


def count_due(*, now: datetime, limit: int = BATCH) -> int:
    """Count up to ``limit`` contacts of the outbox; all there are where the definition has other stages now.

    Returns the number of contacts done; 0 means that nothing is left (or that others are at it). A fixed number of
    statements, whatever their number.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        document = _definition_to_count_by(cursor)
        if document is None:
            return recount_all(now=now)
        # Before the transitions are read: what is recorded after that has a row of its own.
        cursor.execute(_TAKE, [limit])
        contact_ids = sorted({contact_id for (contact_id,) in cursor.fetchall()})
        if contact_ids:
            _count(cursor, contact_ids, document)
        return len(contact_ids)


def hold_counting() -> None:
    """Wait until nobody counts, and keep everybody from it until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def count_contacts(*, contact_ids: Sequence[int]) -> int:
    """Bring the rollups in line with the transitions in force of these contacts; the caller holds counting.

    Returns how many were counted: all, or none where the definition has other stages now and everything has to be
    counted anew.
    """
    with connection.cursor() as cursor:
        document = _definition_to_count_by(cursor)
        if not contact_ids or document is None:
            return 0
        cursor.execute("DELETE FROM funnel_recount WHERE contact_id = ANY(%s)", [list(contact_ids)])
        _count(cursor, contact_ids, document)
    return len(contact_ids)


def forget_contacts(*, contact_ids: Sequence[int]) -> None:
    """Take these contacts out of the rollups, whatever their transitions say; the caller holds counting."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM funnel_recount WHERE contact_id = ANY(%s)", [list(contact_ids)])
        cursor.execute(_FORGET, {"ids": list(contact_ids)})


def recount_all(*, now: datetime) -> int:
    """Count everything anew, in one transaction that others read past; return the number of contacts with moves."""
    with transaction.atomic(), connection.cursor() as cursor:
        hold_counting()
        _, document = published_definition()
        cursor.execute("SET LOCAL work_mem = '256MB'")
        # What is recorded from here on stays in the outbox, and may be counted twice without harm.
        for table in ("recount", "tally", "passage", "reached"):
            cursor.execute(f"DELETE FROM funnel_{table}")
        for statement in _COUNT_ALL:
            cursor.execute(statement, places_of(document))
        cursor.execute("SELECT count(*) FROM funnel_reached")
        (counted,) = cursor.fetchone()
        cursor.execute(
            "INSERT INTO funnel_counting (id, stages, counted_at) VALUES (1, %(stages)s, %(now)s) "
            "ON CONFLICT (id) DO UPDATE SET stages = excluded.stages, counted_at = excluded.counted_at",
            {"stages": [stage.key for stage in document.stages], "now": now},
        )
    return int(counted)


def places_of(document: DefinitionDocument) -> dict[str, Any]:
    """Which place each stage key has in the definition's order: parameters of MOVES."""
    keys = ["", *STAGE_KEYS]
    return {"keys": keys, "places": [document.stage_rank(key) for key in keys]}


def _count(cursor: CursorWrapper, contact_ids: Sequence[int], document: DefinitionDocument) -> None:
    # The statement is long and its rows are few: compiling it would take longer than running it.
    cursor.execute("SET LOCAL jit = off")
    cursor.execute(_COUNT_ANEW, {"ids": list(contact_ids), **places_of(document)})


def _definition_to_count_by(cursor: CursorWrapper) -> DefinitionDocument | None:
    """The definition in force; None where all that is counted is of other stages than it has."""
    _, document = published_definition()
    stages = [stage.key for stage in document.stages]
    cursor.execute("SELECT stages FROM funnel_counting WHERE id = 1")
    found = cursor.fetchone()
    if found is None:
        # Nothing was ever counted, so any order will do.
        cursor.execute("INSERT INTO funnel_counting (id, stages) VALUES (1, %s)", [stages])
    return document if found is None or found[0] == stages else None
