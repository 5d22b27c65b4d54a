"""Proving invariant 5: who holds which handoff, by what moves, and that nobody ready is left unoffered. Reads only."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from contacts.services.verification import EVERYBODY, PATIENCE, Among, Violation
from funnel.enums import OPEN_STATES, HandoffState
from funnel.moves import MOVES, OFFER
from funnel.selectors.stages import handoff_stages
from scoring.models import Publication

_SEVERAL_OPEN: Final = """
SELECT contact_id, array_agg(id ORDER BY id) FROM funnel_handoff
WHERE state = ANY(%(open)s) AND {among} GROUP BY contact_id HAVING count(*) > 1 ORDER BY contact_id
"""

# The owner's chain: each move begins where the one before it ended, in state and in who has it, and is one of those
# that the state machine allows.
_BROKEN_CHAINS: Final = """
WITH step AS (
    SELECT handoff.contact_id, handoff_id, number, name, from_state, to_state, from_rep_id, to_rep_id,
           row_number() OVER chain - 1 AS place, lag(to_state) OVER chain AS last_state,
           lag(to_rep_id) OVER chain AS last_rep_id
    FROM funnel_handoffmove JOIN funnel_handoff AS handoff ON handoff.id = handoff_id
    WHERE {among} WINDOW chain AS (PARTITION BY handoff_id ORDER BY number)
)
SELECT step.contact_id, step.handoff_id, step.number, step.name,
       CASE WHEN number <> place THEN 'comes after a gap'
            WHEN name || '|' || from_state || '|' || to_state <> ALL(%(arrows)s) OR (place = 0) <> (name = %(offer)s)
            THEN 'leads from ' || coalesce(nullif(from_state, ''), 'nothing') || ' to ' || to_state
                 || ', which is not allowed'
            WHEN from_state <> last_state THEN 'begins at ' || from_state || ', and the one before ended at '
                 || last_state
            ELSE 'begins with another rep than the one before ended with' END
FROM step
WHERE number <> place OR name || '|' || from_state || '|' || to_state <> ALL(%(arrows)s)
   OR (place = 0) <> (name = %(offer)s)
   OR place > 0 AND (from_state <> last_state OR from_rep_id IS DISTINCT FROM last_rep_id)
ORDER BY 1, 2, 3
"""

# What the row says is where its last move left it.
_STRAYED: Final = """
SELECT handoff.contact_id, handoff.id,
       CASE WHEN last.number IS NULL THEN 'has no moves'
            WHEN handoff.moves_made <> last.number THEN 'counts ' || handoff.moves_made || ' moves, and '
                 || last.number || ' are recorded'
            WHEN handoff.state <> last.to_state THEN 'is ' || handoff.state || ', and its last move left it '
                 || last.to_state
            ELSE 'is held by another than its last move left it with' END
FROM funnel_handoff AS handoff LEFT JOIN LATERAL (
    SELECT number, to_state, to_rep_id FROM funnel_handoffmove WHERE handoff_id = handoff.id
    ORDER BY number DESC LIMIT 1
) AS last ON true
WHERE {among} AND (last.number IS NULL OR handoff.moves_made <> last.number OR handoff.state <> last.to_state
   OR handoff.state = ANY(%(held)s)
      AND last.to_rep_id IS DISTINCT FROM coalesce(handoff.claimed_by_id, handoff.assigned_to_id))
ORDER BY 1, 2
"""

# A move and the fact that it left name each other, down to the moment and who did it. Of erased people no fact is left.
# Whoever parts from another may leave a fact with them that speaks of a handoff that goes along: where only some are
# looked at, those who ever merged are left out.
_FACTS: Final = """
WITH move AS (
    SELECT made.handoff_id::text AS handoff, said.kind, made.at, coalesce(made.by_id, 0) AS by_id, count(*) AS times
    FROM funnel_handoffmove AS made JOIN unnest(%(names)s::text[], %(kinds)s::text[]) AS said (name, kind) USING (name)
    JOIN funnel_handoff AS handoff ON handoff.id = made.handoff_id
    JOIN contacts_contact AS contact ON contact.id = handoff.contact_id AND contact.erased_at IS NULL
    WHERE {among} GROUP BY 1, 2, 3, 4
), fact AS (
    SELECT event.properties ->> 'handoff' AS handoff, kind.name AS kind, event.occurred_at AS at,
           coalesce(event.recorded_by_id, 0) AS by_id, count(*) AS times, min(event.contact_id) AS contact_id
    FROM ({events}) AS event JOIN contacts_kind AS kind ON kind.id = event.kind_id
    WHERE kind.name = ANY(%(kinds)s) AND event.properties ? 'handoff'
    GROUP BY 1, 2, 3, 4
)
SELECT coalesce(handoff.contact_id, fact.contact_id), handoff, kind, at, coalesce(move.times, 0),
       coalesce(fact.times, 0)
FROM move FULL JOIN fact USING (handoff, kind, at, by_id)
LEFT JOIN funnel_handoff AS handoff ON handoff.id::text = handoff
WHERE coalesce(move.times, 0) <> coalesce(fact.times, 0) AND {unmerged}
ORDER BY 1, 2, 4, 3
"""

_UNMERGED: Final = """
NOT EXISTS (SELECT FROM contacts_merge WHERE coalesce(handoff.contact_id, fact.contact_id) IN (winner_id, loser_id))
"""
_FACT_COLUMNS: Final = "contact_id, kind_id, occurred_at, recorded_by_id, properties"

# Whoever waits for judgement (a return that is not judged yet, say) is left to invariant 2.
_UNOFFERED: Final = """
SELECT standing.contact_id, standing.stage, latest.recorded_at
FROM contacts_standing AS standing
JOIN contacts_contact AS contact ON contact.id = standing.contact_id AND contact.present
LEFT JOIN LATERAL (
    SELECT recorded_at FROM scoring_transition
    WHERE contact_id = standing.contact_id AND superseded_at IS NULL ORDER BY effective_at DESC LIMIT 1
) AS latest ON true
WHERE {among} AND standing.stage = ANY(%(stages)s) AND coalesce(latest.recorded_at, '-infinity') < %(before)s
  AND NOT EXISTS (SELECT FROM funnel_handoff WHERE contact_id = standing.contact_id AND state = ANY(%(open)s))
  AND NOT EXISTS (SELECT FROM funnel_handoff WHERE contact_id = standing.contact_id AND closed_at >= %(before)s)
  AND NOT EXISTS (SELECT FROM contacts_due WHERE contact_id = standing.contact_id)
ORDER BY standing.contact_id
"""

# In these somebody has it, or it is kept for somebody.
_HELD: Final = (*OPEN_STATES, HandoffState.SUSPENDED, HandoffState.WON)


def verify_handoffs(among: Among = EVERYBODY, *, now: datetime, patience: timedelta = PATIENCE) -> Iterator[Violation]:
    """Invariant 5: at most one open handoff a contact, one chain of owners each, and nobody ready is left unoffered.

    A chain has no gap and every claim one winner; each move has left its fact, and no fact speaks of a move that was
    never made.
    """
    facts = {move.name.value: move.fact for move in MOVES if move.fact}
    given: dict[str, Any] = {
        "open": [state.value for state in OPEN_STATES],
        "held": [state.value for state in _HELD],
        "offer": OFFER.name.value,
        "arrows": [f"{OFFER.name.value}||{HandoffState.OFFERED.value}", *_arrows()],
        "names": list(facts),
        "kinds": list(facts.values()),
        "stages": sorted(handoff_stages()),
        "before": now - patience,
        **among.given,
    }
    of_handoffs = among.where("handoff.contact_id")
    for contact_id, handoffs in _rows(_SEVERAL_OPEN.format(among=among.where("contact_id")), given):
        yield Violation(5, f"has {len(handoffs)} open handoffs: {', '.join(map(str, handoffs))}", contact_id)
    for contact_id, handoff, number, name, fault in _rows(_BROKEN_CHAINS.format(among=of_handoffs), given):
        yield Violation(5, f"move {number} of handoff {handoff} ({name}) {fault}", contact_id)
    for contact_id, handoff, fault in _rows(_STRAYED.format(among=of_handoffs), given):
        yield Violation(5, f"handoff {handoff} {fault}", contact_id)
    facts_sql = _FACTS.format(
        among=of_handoffs,
        events=among.events(_FACT_COLUMNS),
        unmerged="true" if among.is_everybody else _UNMERGED,
    )
    for contact_id, handoff, kind, at, moves, said in _rows(facts_sql, given):
        fault = f"made {moves} moves that leave {kind} at {at:%Y-%m-%d %H:%M:%S}, and {said} are recorded"
        yield Violation(5, f"handoff {handoff or '(unnamed)'} {fault}", contact_id)
    if Publication.objects.filter(retracted_at=None, effective_at__gte=now - patience).exists():
        # Which stages are handed over has only just been said.
        return
    for contact_id, stage, since in _rows(_UNOFFERED.format(among=among.where("standing.contact_id")), given):
        told = f" since {since:%Y-%m-%d %H:%M:%S}" if since else ""
        yield Violation(5, f"stands at {stage}{told} without an open handoff", contact_id)


def _arrows() -> Iterator[str]:
    for move in MOVES:
        for source, target in move.arrows.items():
            yield f"{move.name.value}|{source.value}|{target.value}"


def _rows(sql: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
