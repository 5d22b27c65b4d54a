"""Starting the clock of a handoff: when it warns and when its time is up."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from funnel.enums import HandoffState
from funnel.moves import HELD_STATES
from funnel.services.clocks import Deadlines, attempt_deadlines, claim_deadlines

_ASK: Final = """
SELECT id, state, stage, coalesce(claimed_by_id, assigned_to_id), attempted_at FROM funnel_handoff
WHERE id = ANY(%s) ORDER BY id
"""
_SET: Final = """
UPDATE funnel_handoff AS handoff
SET waiting_since = %(now)s, warned_at = NULL, warn_at = clock.warn_at, due_at = clock.due_at
FROM unnest(%(ids)s::bigint[], %(warns)s::timestamptz[], %(dues)s::timestamptz[]) AS clock(id, warn_at, due_at)
WHERE handoff.id = clock.id
"""


class Unwound(NamedTuple):
    """A handoff whose clock is to be started: ``rep_id`` has it, or it is kept for them."""

    id: int
    state: str
    stage: str
    rep_id: int | None
    attempted_at: datetime | None

    @property
    def assigned_to_id(self) -> int | None:
        """Whom an offer is kept for."""
        return self.rep_id


def start_clocks(*, handoff_ids: Sequence[int], now: datetime) -> int:
    """Wind the clocks of these handoffs, as they are in the table; return how many were started."""
    with connection.cursor() as cursor:
        cursor.execute(_ASK, [list(handoff_ids)])
        return wind_clocks([Unwound(*row) for row in cursor.fetchall()], now=now)


def wind_clocks(rows: Sequence[Unwound], *, now: datetime) -> int:
    """Start the clocks that these handoffs need from ``now`` on, by their state; return how many were started.

    An offer's runs until it is claimed, that of a claimed one until the first attempt; where that was made, none runs.
    """
    offered = [row for row in rows if row.state == HandoffState.OFFERED]
    held = [row for row in rows if row.state in HELD_STATES and row.attempted_at is None]
    clocks: dict[int, Deadlines] = dict(
        zip((row.id for row in offered), claim_deadlines(offered, since=now), strict=True)
    )
    reps = [row.rep_id for row in held if row.rep_id is not None]
    clocks |= zip((row.id for row in held), attempt_deadlines(reps, since=now), strict=True)
    if clocks:
        with connection.cursor() as cursor:
            given: dict[str, Any] = {
                "now": now,
                "ids": list(clocks),
                "warns": [clock.warn_at for clock in clocks.values()],
                "dues": [clock.due_at for clock in clocks.values()],
            }
            cursor.execute(_SET, given)
    return len(clocks)
