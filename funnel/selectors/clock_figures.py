"""How often the clocks of handoffs were met, over all and by rep: from their moves, and the deadline each move met."""

# ruff: noqa: S608  put together of constants

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import connection

from funnel.analytics import Period, Segment
from funnel.selectors.handoff_scope import segment_sql, share
from funnel.selectors.people import name_of


@dataclass(frozen=True, slots=True)
class Attainment:
    """How often a clock was met.

    ``missed`` ran out, ``running`` has yet to, and of the ``void`` ones something else ended the clock or none ran.
    ``median`` and ``p90`` are how long the met and the missed took that came to an end, in seconds of the wall clock.
    """

    met: int = 0
    missed: int = 0
    running: int = 0
    void: int = 0
    median: float | None = None
    p90: float | None = None

    @property
    def attained(self) -> float | None:
        """The share that was met of those that were met or missed."""
        return share(self.met, self.met + self.missed)


@dataclass(frozen=True, slots=True)
class RepFigures:
    """What one rep did with the handoffs that they took in the period; ``in_hand``: they hold them still."""

    rep_id: int
    name: str
    taken: int
    claims: Attainment
    attempts: Attainment
    accepted: int
    decided: int
    returned: int
    won: int
    released: int
    in_hand: int

    @property
    def acceptance(self) -> float | None:
        """The share of those with their verdict that they accepted."""
        return share(self.accepted, self.decided)


def _counts(figures: Mapping[str, str], *names: str) -> str:
    """The columns that count these figures."""
    return ", ".join(f"count(*) FILTER (WHERE {figures[name]})" for name in names)


# A clock that ran out while nobody looked is missed, however its wait ended: what counts is the deadline.
_WAITS: Final = """
SELECT begun.id AS begun_id, begun.at AS since, ended.name AS name, ended.at AS until,
       CASE WHEN ended.id IS NULL THEN handoff.due_at ELSE ended.due_at END AS deadline,
       ended.id IS NULL AS goes_on, coalesce(ended.to_state IN ('claimed', 'accepted'), false) AS taken
FROM funnel_handoffmove AS begun
JOIN funnel_handoff AS handoff ON handoff.id = begun.handoff_id
LEFT JOIN LATERAL (
    SELECT later.id, later.name, later.at, later.due_at, later.to_state FROM funnel_handoffmove AS later
    WHERE later.handoff_id = begun.handoff_id AND later.number > begun.number
      AND later.from_state = 'offered' AND later.to_state <> 'offered'
    ORDER BY later.number LIMIT 1
) AS ended ON true
WHERE begun.name IN ('offer', 'release', 'resume') AND begun.to_state = 'offered'
  AND begun.at >= %(begin)s AND begun.at < %(end)s {segment}
"""
JUDGED_WAITS: Final = """
wait AS ({waits}),
judged AS (
    SELECT *, coalesce(name = 'expire' OR coalesce(until, %(now)s) > deadline, false) AS missed,
           date_part('epoch', coalesce(until, %(now)s) - since) AS seconds FROM wait
)
"""
# What is counted of judged waits, and of holds: by figure the condition.
CLAIM_FIGURES: Final = {
    "met": "taken AND NOT missed AND deadline IS NOT NULL",
    "missed": "missed",
    "running": "goes_on AND NOT missed",
    "void": "NOT goes_on AND NOT missed AND (NOT taken OR deadline IS NULL)",
}
_CLAIMS: Final = f"""
WITH {JUDGED_WAITS}
SELECT {_counts(CLAIM_FIGURES, "met", "missed", "running", "void")},
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE taken),
       percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE taken),
       coalesce(sum(seconds), 0)
FROM judged
"""
# From one rep taking it until it is no longer theirs. Without a deadline at its end, the clock had been stopped by an
# attempt, where one was ever set.
_HOLDS: Final = """
SELECT held.id AS begun_id, held.to_rep_id AS rep_id, held.name AS taken_by, held.at AS since,
       held.due_at AS claim_deadline,
       ended.id IS NULL AS goes_on, ended.name AS name, ended.reason AS reason, waited.at AS waited_since,
       handoff.attempted_at AS attempted_at,
       EXISTS (SELECT 1 FROM funnel_handoffmove AS word WHERE word.handoff_id = held.handoff_id AND word.name = 'accept'
           AND word.number > held.number AND (ended.id IS NULL OR word.number < ended.number)) AS accepted,
       CASE WHEN ended.name = 'release' AND ended.reason = 'no_attempt' THEN 'missed'
            WHEN coalesce(ended.at, %(now)s) > CASE WHEN ended.id IS NULL THEN handoff.due_at ELSE ended.due_at END
                THEN 'missed'
            WHEN (ended.id IS NULL OR ended.to_state NOT IN ('offered', 'claimed', 'accepted'))
                AND handoff.attempted_at >= held.at THEN 'met'
            WHEN ended.to_state IN ('offered', 'claimed', 'accepted') AND ended.due_at IS NULL THEN 'met'
            WHEN ended.id IS NULL AND handoff.due_at IS NOT NULL THEN 'running' ELSE 'void' END AS attempt
FROM funnel_handoffmove AS held
JOIN funnel_handoff AS handoff ON handoff.id = held.handoff_id
LEFT JOIN LATERAL (
    SELECT later.* FROM funnel_handoffmove AS later
    WHERE later.handoff_id = held.handoff_id AND later.number > held.number
      AND (later.to_state NOT IN ('claimed', 'accepted') OR later.to_rep_id <> held.to_rep_id)
    ORDER BY later.number LIMIT 1
) AS ended ON true
LEFT JOIN LATERAL (
    SELECT earlier.at FROM funnel_handoffmove AS earlier
    WHERE held.from_state = 'offered' AND earlier.handoff_id = held.handoff_id AND earlier.number < held.number
      AND earlier.to_state = 'offered' AND earlier.from_state <> 'offered'
    ORDER BY earlier.number DESC LIMIT 1
) AS waited ON true
WHERE held.name IN ('claim', 'take over', 'reassign', 'resume') AND held.to_state IN ('claimed', 'accepted')
  AND held.at >= %(begin)s AND held.at < %(end)s {segment}
"""
HOLDS: Final = "hold AS ({holds})"
HOLD_FIGURES: Final = {
    "attempt_met": "attempt = 'met'",
    "attempt_missed": "attempt = 'missed'",
    "attempt_running": "attempt = 'running'",
    "attempt_void": "attempt = 'void'",
    "taken": "true",
    "accepted": "accepted OR name IN ('win', 'close as won')",
    "decided": "accepted OR name IN ('win', 'close as won', 'return')",
    "returned": "name = 'return'",
    "won": "name IN ('win', 'close as won')",
    "released": "name = 'release'",
    "in_hand": "goes_on",
}
_ATTEMPTED_AFTER: Final = """
(ORDER BY date_part('epoch', attempted_at - since)) FILTER (WHERE attempt = 'met' AND attempted_at >= since)
"""
_REPS: Final = f"""
WITH {HOLDS}
SELECT grouping(rep_id), rep_id,
       {_counts(HOLD_FIGURES, "attempt_met", "attempt_missed", "attempt_running", "attempt_void")},
       percentile_cont(0.5) WITHIN GROUP {_ATTEMPTED_AFTER}, percentile_cont(0.9) WITHIN GROUP {_ATTEMPTED_AFTER},
       {_counts(HOLD_FIGURES, "taken")},
       count(*) FILTER (WHERE waited_since IS NOT NULL AND since <= claim_deadline),
       count(*) FILTER (WHERE waited_since IS NOT NULL AND since > claim_deadline),
       count(*) FILTER (WHERE waited_since IS NULL OR claim_deadline IS NULL),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', since - waited_since)),
       percentile_cont(0.9) WITHIN GROUP (ORDER BY date_part('epoch', since - waited_since)),
       {_counts(HOLD_FIGURES, "accepted", "decided", "returned", "won", "released", "in_hand")}
FROM hold WHERE rep_id IS NOT NULL GROUP BY GROUPING SETS ((), (rep_id))
"""


def claim_clock(period: Period, segment: Segment, *, now: datetime) -> tuple[Attainment, float]:
    """The clock from offer to claim, and how long all of its waits took together, in seconds; one query."""
    (met, missed, running, void, median, p90, total), *_ = ask(_CLAIMS, period, segment, now=now)
    return Attainment(met, missed, running, void, median, p90), float(total)


def attempt_clock(period: Period, segment: Segment, *, now: datetime) -> tuple[Attainment, int]:
    """The clock from claim to first attempt, and how often a handoff went back to the queue; two queries."""
    attempts, released, _ = hold_figures(period, segment, now=now)
    return attempts, released


def figures_by_rep(period: Period, segment: Segment, *, now: datetime) -> tuple[RepFigures, ...]:
    """Whoever took a handoff in the period, who took most first; two queries."""
    return hold_figures(period, segment, now=now)[2]


def hold_figures(period: Period, segment: Segment, *, now: datetime) -> tuple[Attainment, int, tuple[RepFigures, ...]]:
    """What became of what reps took in the period: the clock to the first attempt, releases, each rep; two queries."""
    rows = ask(_REPS, period, segment, now=now)
    people = User.objects.in_bulk([row[1] for row in rows if row[1] is not None])
    overall, released, reps = Attainment(), 0, []
    for is_sum, rep_id, *figures in rows:
        attempts, (taken, met, missed, void, median, p90), rest = figures[:6], figures[6:12], figures[12:]
        if is_sum:
            overall, released = Attainment(*attempts), rest[4]
            continue
        reps.append(
            RepFigures(
                rep_id=rep_id,
                name=name_of(people[rep_id]),
                taken=taken,
                claims=Attainment(met, missed, 0, void, median, p90),
                attempts=Attainment(*attempts),
                accepted=rest[0],
                decided=rest[1],
                returned=rest[2],
                won=rest[3],
                released=rest[4],
                in_hand=rest[5],
            )
        )
    return overall, released, tuple(sorted(reps, key=lambda rep: (-rep.taken, rep.name, rep.rep_id)))


def ask(
    sql: str,
    period: Period,
    segment: Segment,
    *,
    now: datetime | None = None,
    given: Mapping[str, Any] | None = None,
) -> Sequence[tuple[Any, ...]]:
    """Ask a query on ``handoff`` of a period and a segment, ``given`` its other parameters, and return all rows."""
    condition, values = segment_sql(segment)
    for name, part in (("waits", _WAITS), ("holds", _HOLDS), ("segment", condition)):
        sql = sql.replace(f"{{{name}}}", part)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"begin": period.start, "end": period.end, "now": now, **values, **(given or {})})
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    return rows
