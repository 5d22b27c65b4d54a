"""The turns behind the figures of clocks and reps: waits of an offer, and times that a rep had a handoff.

One handoff may have several of either, so what is listed is the move with which each began. What a figure counts is
said once, in ``clock_figures``.
"""

# ruff: noqa: S608  put together of constants

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from funnel.analytics import Period, Segment
from funnel.models import HandoffMove
from funnel.selectors.clock_figures import CLAIM_FIGURES, HOLD_FIGURES, HOLDS, JUDGED_WAITS, ask

# What can be asked for, by what the turns are of: "claim" waits for a claim; "hold" is a rep's time with a handoff.
TURN_FIGURES: Final[Mapping[str, Mapping[str, str]]] = {"claim": CLAIM_FIGURES, "hold": HOLD_FIGURES}
_STATEMENTS: Final = {
    "claim": f"WITH {JUDGED_WAITS} SELECT begun_id, since FROM judged AS turn WHERE true",
    "hold": f"WITH {HOLDS} SELECT begun_id, since FROM hold AS turn WHERE rep_id IS NOT NULL",
}
_PAGE: Final = """
{turns} AND ({figure}) AND (%(rep)s::bigint IS NULL OR {rep_id} = %(rep)s)
  AND (%(before)s::timestamptz IS NULL OR (since, begun_id) < (%(before)s, %(key)s))
ORDER BY since DESC, begun_id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Turns:
    """A page of turns, each by the move that began it (its handoff, contact and rep loaded), the latest first.

    ``next`` is the place of the last one, None on the last page.
    """

    moves: tuple[HandoffMove, ...]
    next: tuple[datetime, int] | None


def turns_behind(
    period: Period,
    segment: Segment,
    *,
    kind: str,
    figure: str,
    now: datetime,
    rep_id: int | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int = 50,
) -> Turns:
    """The turns that a figure counts: ``kind`` and ``figure`` are keys of ``TURN_FIGURES``; two queries.

    ``rep_id``: only those of one rep (of holds). ``after``: those that come behind this place.
    """
    statement = _PAGE.format(
        turns=_STATEMENTS[kind],
        figure=TURN_FIGURES[kind][figure],
        rep_id="rep_id" if kind == "hold" else "NULL::bigint",
    )
    before, key = after or (None, None)
    rows = ask(
        statement, period, segment, now=now, given={"rep": rep_id, "before": before, "key": key, "limit": limit + 1}
    )
    known = HandoffMove.objects.select_related("handoff__contact__company", "to_rep").in_bulk(
        [begun_id for begun_id, _ in rows[:limit]]
    )
    following = (rows[limit - 1][1], rows[limit - 1][0]) if len(rows) > limit else None
    return Turns(tuple(known[begun_id] for begun_id, _ in rows[:limit]), following)
