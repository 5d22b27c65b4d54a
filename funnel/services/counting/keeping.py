"""Counting contacts whose moves or facets changed, in the transaction that consumes the change.

What a contact added to the cells is taken out of them and what it adds now is put in: only the difference is written,
so counting twice changes nothing. Which contacts are to be counted is an outbox that triggers fill.

Locks: the contacts (whoever counts holds them), then cells in one order, at the end of the transaction. Whoever counts
shares a lock that counting everything anew takes alone; a drain does not wait for that, it leaves the outbox as it is.
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
# Several counters at once look at the same oldest rows; a wider window lets each find contacts of its own.
_WINDOW: Final = 4

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

# Whoever was merged away or erased is counted, too: as nobody.
_LOCK_CONTACTS: Final = """
SELECT id FROM contacts_contact WHERE id = ANY(%s) ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
# Of contacts that are no more, nothing but what was counted can be held.
_LOCK_GONE: Final = """
SELECT contact_id FROM funnel_reached WHERE contact_id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT FROM contacts_contact WHERE id = contact_id)
ORDER BY contact_id FOR UPDATE SKIP LOCKED
"""
_FORGET_NOBODY: Final = """
DELETE FROM funnel_recount AS recount WHERE contact_id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT FROM contacts_contact WHERE id = recount.contact_id)
  AND NOT EXISTS (SELECT FROM funnel_reached WHERE contact_id = recount.contact_id)
"""


def count_contacts(*, contact_ids: Sequence[int], now: datetime) -> int:
    """Bring the rollups in line with the transitions in force of these contacts, which the caller has locked.

    Returns how many were counted: all, or none while everything is counted anew or has to be, for the definition has
    other stages now; the outbox remembers them. A fixed number of statements. The last thing to do in a transaction:
    the cells of today are everybody's.
    """
    if not contact_ids:
        return 0
    with connection.cursor() as cursor:
        document = _share_counting(cursor)
        if document is None:
            return 0
        _count(cursor, contact_ids, document)
    return len(contact_ids)


def count_due(*, now: datetime, limit: int = 1000) -> int:
    """Count up to ``limit`` contacts of the outbox; all there are where the definition has other stages now.

    Returns the number of contacts done; 0 means that nothing is left (or that others are at it).
    """
    with transaction.atomic(), connection.cursor() as cursor:
        document = _share_counting(cursor)
        if document is not None:
            return _count_some(cursor, document, limit)
    return _recount_other_stages(now=now)


def forget_contacts(*, contact_ids: Sequence[int]) -> None:
    """Take these contacts, which the caller has locked, out of the rollups, whatever their transitions say.

    Waits while everything is counted anew.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])
        cursor.execute("DELETE FROM funnel_recount WHERE contact_id = ANY(%s)", [list(contact_ids)])
        cursor.execute(_FORGET, {"ids": list(contact_ids)})


def recount_all(*, now: datetime) -> int:
    """Count everything anew, in one transaction that others read past; return the number of contacts with moves."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
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
            {"stages": list(_stages(document)), "now": now},
        )
    return int(counted)


def _recount_other_stages(*, now: datetime) -> int:
    """Count everything anew where the definition has other stages now, unless others are at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0] or _counted_stages() in (None, _stages(published_definition()[1])):
            return 0
        return recount_all(now=now)


def places_of(document: DefinitionDocument) -> dict[str, Any]:
    """Which place each stage key has in the definition's order: parameters of MOVES."""
    keys = ["", *STAGE_KEYS]
    return {"keys": keys, "places": [document.stage_rank(key) for key in keys]}


def _count_some(cursor: CursorWrapper, document: DefinitionDocument, limit: int) -> int:
    cursor.execute(
        "SELECT DISTINCT contact_id FROM (SELECT contact_id FROM funnel_recount ORDER BY id LIMIT %s) AS oldest",
        [max(limit * _WINDOW, 1)],
    )
    asked = [contact_id for (contact_id,) in cursor.fetchall()]
    if not asked:
        return 0
    cursor.execute(_LOCK_CONTACTS, [asked, limit])
    locked = [contact_id for (contact_id,) in cursor.fetchall()]
    if len(locked) < min(len(asked), limit):
        cursor.execute(_FORGET_NOBODY, {"ids": asked})
        cursor.execute(_LOCK_GONE, {"ids": asked})
        locked += [contact_id for (contact_id,) in cursor.fetchall()]
    if locked:
        _count(cursor, locked, document)
    return len(locked)


def _count(cursor: CursorWrapper, contact_ids: Sequence[int], document: DefinitionDocument) -> None:
    ids = list(contact_ids)
    # Before the transitions are read: what is recorded after that has a row of its own.
    cursor.execute("DELETE FROM funnel_recount WHERE contact_id = ANY(%s)", [ids])
    cursor.execute(_COUNT_ANEW, {"ids": ids, **places_of(document)})


def _share_counting(cursor: CursorWrapper) -> DefinitionDocument | None:
    """The definition to count by; None where nobody may count one by one now."""
    # The statement is long and its rows are few: compiling it would take longer than running it.
    cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s), set_config('jit', 'off', true)", [_LOCK])
    if not cursor.fetchone()[0]:
        return None
    _, document = published_definition()
    counted = _counted_stages()
    if counted is None:
        # Nothing was ever counted, so any order will do. Of two who say so at once one waits for the other.
        cursor.execute(
            "INSERT INTO funnel_counting (id, stages) VALUES (1, %s) ON CONFLICT DO NOTHING",
            [list(_stages(document))],
        )
        counted = _counted_stages()
    return document if counted == _stages(document) else None


def _counted_stages() -> tuple[str, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT stages FROM funnel_counting WHERE id = 1")
        found = cursor.fetchone()
    return tuple(found[0]) if found else None


def _stages(document: DefinitionDocument) -> tuple[str, ...]:
    return tuple(stage.key for stage in document.stages)
