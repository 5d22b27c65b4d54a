"""The one place where handoffs move: the row, the owner's chain, the fact, the clock and what is told, together.

A move is one conditional UPDATE whose row count decides. Nothing is read first and written later: the rows are chosen
and changed by one statement, which looks at each again after it has waited for somebody else's move.

Locks: the handoffs in id order, then (by the facts) their contacts, then standings.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from contacts.ingest.incoming import IncomingEvent
from contacts.models import Standing
from contacts.services.record import internal_source, record_events
from contacts.services.rows import as_json
from funnel.enums import HandoffState
from funnel.models import Handoff, HandoffMove
from funnel.moves import HELD_STATES, OFFER, Clock, Holder, Move, fact_id
from funnel.routing import Routed
from funnel.services.announcing import Told, announce
from funnel.services.winding import Unwound, wind_clocks


@dataclass(frozen=True, slots=True)
class Once:
    """A value for a column that has none yet; where there is one, it stays."""

    value: Any


@dataclass(frozen=True, slots=True)
class Which:
    """Handoffs by a condition in SQL over ``funnel_handoff`` and its values: for moves that are made by the hundred.

    ``first_by``: only the first of them in this order (SQL); with ``skip_locked``, the first that nobody else moves.
    """

    condition: str
    values: Sequence[Any]
    first_by: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A handoff that moved just now.

    ``contact_id`` is whose it is; ``fact_contact_id`` whose it was before a merge: its facts are theirs. ``from_rep``
    and ``to_rep`` are ids: who had it (or whom it was kept for) before and after. ``due_at``: when the clock that ran
    until now would have run out. ``stage``: what it was offered for; ``attempted_at``: the first attempt since its
    claim.
    """

    handoff_id: int
    contact_id: int
    fact_contact_id: int
    number: int
    from_state: HandoffState | None
    to_state: HandoffState
    from_rep: int | None
    to_rep: int | None
    due_at: datetime | None
    escalation: int
    stage: str
    attempted_at: datetime | None


def make_moves(
    move: Move,
    rows: "QuerySet[Handoff] | Which",
    *,
    now: datetime,
    by: User | None = None,
    to_rep: int | None = None,
    kept_for: Mapping[int, Routed] | None = None,
    reason: str = "",
    note: str = "",
    changes: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    traits: Mapping[str, Any] | None = None,
    told: Collection[int] | None = None,
    skip_locked: bool = False,
) -> list[Moved]:
    """Make ``move`` on those of ``rows`` that may make it, in one number of statements however many they are.

    Args:
        move: what is done; state, rep, clock and closing time follow from it.
        rows: filtered handoffs, without joins: the conditions are asked of each row as it is when it moves.
        now: when.
        by: who; None: no person.
        to_rep: the user who takes it, where the move says that somebody does.
        kept_for: by handoff id, for whom each is kept from now on and why, where the move says so.
        reason: a ``ReturnReason`` or ``ReleaseReason``, kept with the move and said in the fact.
        note: what was said, kept with the move and said in the fact.
        changes: further columns to set, by their names in the table; a ``Once`` only where nothing is set yet.
        properties: what else the fact says.
        traits: what the fact teaches about the contact.
        told: ids of the contacts of whose moves people and machines are told; None: of all.
        skip_locked: leave out what somebody else is moving at this moment instead of waiting for them.

    Returns:
        what moved, in id order; a handoff that is not in it did not move.
    """
    columns = {**_columns(move, now=now, by=by, to_rep=to_rep, kept_for=kept_for or {}), **(changes or {})}
    # What fails in here fails as a whole, and so does what it is part of: a savepoint would be for nothing.
    with transaction.atomic(savepoint=False):
        moved = _change(move, rows, columns=columns, skip_locked=skip_locked)
        if not moved:
            return []
        _note(move, moved, now=now, by=by, reason=reason, note=note)
        said = {**(properties or {}), **({"reason": reason} if reason else {}), **({"note": note} if note else {})}
        _record_facts(move, moved, now=now, by=by, properties=said, traits=traits or {})
        # After the facts, which lock the contact: the judgement takes contact, then standing.
        _follow_owner(move, moved)
        if move.clock in _STARTS:
            wind_clocks(_unwound(moved), now=now)
        _tell(move, moved, now=now, by=by, reason=reason, told=told)
        return moved


def make_offers(handoffs: Sequence[Handoff], *, now: datetime, told: Collection[int] | None = None) -> list[Moved]:
    """Open these unsaved offers, each kept for its ``assigned_to``; ``told`` as for ``make_moves``.

    A contact that has an open handoff gets none: the constraint decides. Returns what was offered, in id order.
    """
    with transaction.atomic():
        Handoff.objects.bulk_create(handoffs, ignore_conflicts=True)
        unmoved = Handoff.objects.filter(~Exists(HandoffMove.objects.filter(handoff=OuterRef("pk"))))
        opened = unmoved.filter(
            contact_id__in=[handoff.contact_id for handoff in handoffs], state=HandoffState.OFFERED
        ).order_by("pk")
        moved = [
            Moved(
                handoff_id=row.pk,
                contact_id=row.contact_id,
                fact_contact_id=row.contact_id,
                number=0,
                from_state=None,
                to_state=HandoffState.OFFERED,
                from_rep=None,
                to_rep=row.assigned_to_id,
                due_at=None,
                escalation=row.escalation,
                stage=row.stage,
                attempted_at=None,
            )
            for row in opened
        ]
        _note(OFFER, moved, now=now)
        wind_clocks(_unwound(moved), now=now)
        _tell(OFFER, moved, now=now, told=told)
        return moved


_STARTS: Final = frozenset({Clock.UNTIL_CLAIM, Clock.UNTIL_ATTEMPT, Clock.AFRESH})


def _columns(
    move: Move, *, now: datetime, by: User | None, to_rep: int | None, kept_for: Mapping[int, Routed]
) -> dict[str, Any]:
    """What the move itself writes beside the state, by column."""
    columns: dict[str, Any] = {"closed_at": now if move.ends else None}
    if HandoffState.SUSPENDED not in move.arrows.values():
        columns |= {"suspended_by_id": None, "suspended_from": ""}
    if by is not None:
        columns["last_activity_at"] = now
    if move.clock is not Clock.RUNS_ON:
        columns |= {"warn_at": None, "due_at": None}
    if move.clock in _STARTS:
        columns |= {"waiting_since": None, "warned_at": None}
    if move.clock is Clock.UNTIL_ATTEMPT:
        columns["attempted_at"] = None
    if move.holder is Holder.TAKES:
        columns |= {"claimed_by_id": to_rep, "claimed_at": now}
    elif move.holder is Holder.KEPT_FOR:
        reps = json.dumps({handoff_id: kept.rep_id for handoff_id, kept in kept_for.items()})
        routings = json.dumps({handoff_id: kept.stored for handoff_id, kept in kept_for.items()})
        columns["assigned_to_id"] = _Raw("(%s::jsonb ->> was.id::text)::int", reps)
        columns["routing"] = _Raw("%s::jsonb -> was.id::text", routings)
    elif move.holder is Holder.NOBODY and not move.ends:
        # Back in the queue it is nobody's, and nothing of the last conversation is the next rep's.
        columns |= dict.fromkeys(
            ("claimed_by_id", "claimed_at", "accepted_at", "attempted_at", "assigned_to_id", "next_at")
        )
        columns |= {"outcome": "", "routing": _Raw("%s::jsonb", "{}")}
    return columns


@dataclass(frozen=True, slots=True)
class _Raw:
    """An SQL expression over ``was`` with one parameter."""

    sql: str
    value: Any


_MOVE: Final = """
WITH was (id, state, held_by, due_at) AS MATERIALIZED ({chosen})
UPDATE funnel_handoff AS handoff SET state = CASE was.state {arrows} END, moves_made = moves_made + 1, {columns}
FROM was WHERE handoff.id = was.id
RETURNING handoff.id, handoff.contact_id, coalesce(handoff.origin_contact_id, handoff.contact_id), handoff.moves_made,
          was.state, handoff.state, was.held_by, {holder}, was.due_at, handoff.escalation, handoff.stage,
          handoff.attempted_at
"""


_CHOSEN: Final = """
SELECT id, state, coalesce(claimed_by_id, assigned_to_id), due_at FROM funnel_handoff
WHERE {condition} AND state = ANY(%s) ORDER BY {order} {limit} FOR NO KEY UPDATE {skip}
"""


def _chosen(move: Move, rows: "QuerySet[Handoff] | Which", *, skip_locked: bool) -> tuple[str, Sequence[Any]]:
    """The statement that locks those of ``rows`` that may make the move, and its values."""
    if isinstance(rows, Which):
        sql = _CHOSEN.format(
            condition=rows.condition,
            order=rows.first_by or "id",
            limit="LIMIT 1" if rows.first_by else "",
            skip="SKIP LOCKED" if skip_locked else "",
        )
        return sql, [*rows.values, list(move.sources)]
    held_by = Coalesce("claimed_by", "assigned_to")
    chosen = rows.filter(state__in=move.sources).order_by("pk").values_list("pk", "state", held_by, "due_at")
    return chosen.select_for_update(no_key=True, skip_locked=skip_locked).query.sql_with_params()


def _change(
    move: Move, rows: "QuerySet[Handoff] | Which", *, columns: Mapping[str, Any], skip_locked: bool
) -> list[Moved]:
    """Run the move's one statement."""
    try:
        sql, params = _chosen(move, rows, skip_locked=skip_locked)
    except EmptyResultSet:
        return []
    written = [_written(column, value) for column, value in columns.items()]
    statement = _MOVE.format(
        chosen=sql,
        arrows=" ".join("WHEN %s THEN %s" for _ in move.arrows),
        columns=", ".join(text for text, _ in written),
        holder="NULL" if move.holder is Holder.NOBODY else "coalesce(handoff.claimed_by_id, handoff.assigned_to_id)",
    )
    arrows = [state.value for arrow in move.arrows.items() for state in arrow]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, *arrows, *(value for _, values in written for value in values)])
        found = cursor.fetchall()
    return [_moved(*row) for row in sorted(found)]


def _moved(
    handoff_id: int,
    contact_id: int,
    fact_contact_id: int,
    number: int,
    from_state: str,
    to_state: str,
    from_rep: int | None,
    to_rep: int | None,
    due_at: datetime | None,
    escalation: int,
    stage: str,
    attempted_at: datetime | None,
) -> Moved:
    """A row that the move's statement returned."""
    return Moved(
        handoff_id=handoff_id,
        contact_id=contact_id,
        fact_contact_id=fact_contact_id,
        number=number,
        from_state=HandoffState(from_state),
        to_state=HandoffState(to_state),
        from_rep=from_rep,
        to_rep=to_rep,
        due_at=due_at,
        escalation=escalation,
        stage=stage,
        attempted_at=attempted_at,
    )


def _unwound(moved: Sequence[Moved]) -> list[Unwound]:
    """What the clocks of these go by."""
    return [Unwound(one.handoff_id, one.to_state, one.stage, one.to_rep, one.attempted_at) for one in moved]


def _written(column: str, value: Any) -> tuple[str, list[Any]]:
    """One assignment and its parameters."""
    if isinstance(value, _Raw):
        return f"{column} = {value.sql}", [value.value]
    if isinstance(value, Once):
        return f"{column} = coalesce(handoff.{column}, %s)", [value.value]
    return f"{column} = %s", [value]


_NOTE: Final = """
INSERT INTO funnel_handoffmove (
    handoff_id, number, name, from_state, to_state, by_id, from_rep_id, to_rep_id, at, due_at, reason, note)
SELECT one.handoff_id, one.number, %s, coalesce(one.from_state, ''), one.to_state, %s, one.from_rep, one.to_rep, %s,
    one.due_at, %s, %s
FROM json_to_recordset(%s::json) AS one (
    handoff_id bigint, number int, from_state text, to_state text, from_rep int, to_rep int, due_at timestamptz)
"""


def _note(
    move: Move, moved: Sequence[Moved], *, now: datetime, by: User | None = None, reason: str = "", note: str = ""
) -> None:
    """Write the next link of each one's chain."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [move.name, by.pk if by else None, now, reason, note, as_json(moved)])


def _follow_owner(move: Move, moved: Sequence[Moved]) -> None:
    """Write the owner's copy on the standings; nobody gives the contact back to Marketing."""
    if move.holder is Holder.TAKES:
        standings = Standing.objects.filter(contact_id__in=[one.contact_id for one in moved])
        standings.update(owner=moved[0].to_rep)
    elif move.holder is Holder.NOBODY:
        # Whose offer nobody had claimed has the owner it had before, if any.
        let_go = [one.contact_id for one in moved if one.from_state in HELD_STATES]
        if let_go:
            Standing.objects.filter(contact_id__in=let_go).update(owner=None)


def _record_facts(
    move: Move,
    moved: Sequence[Moved],
    *,
    now: datetime,
    by: User | None,
    properties: Mapping[str, Any],
    traits: Mapping[str, Any],
) -> None:
    """Record the fact that the move leaves of each, in one batch, of the contact whose handoff it is."""
    if not move.fact:
        return
    events = [
        IncomingEvent(
            index=index,
            message_id=fact_id(move, one.handoff_id, one.number),
            kind=move.fact,
            occurred_at=now,
            id=one.fact_contact_id,
            traits=dict(traits),
            properties={**properties, "handoff": str(one.handoff_id)},
        )
        for index, one in enumerate(moved)
    ]
    receipt = record_events(source=internal_source(), events=events, received_at=now, by=by, system=True)
    if receipt.rejected:
        raise ValueError(f"{move.fact} of handoff {moved[receipt.rejected[0].index]}: {receipt.rejected[0].message}")


def _tell(
    move: Move,
    moved: Sequence[Moved],
    *,
    now: datetime,
    by: User | None = None,
    reason: str = "",
    told: Collection[int] | None,
) -> None:
    if move.told is None:
        return
    announce(
        [
            Told(
                move.told,
                at=now,
                contact_id=one.contact_id,
                handoff_id=one.handoff_id,
                data=dict(_said(move, one, by=by, reason=reason)),
            )
            for one in moved
            if told is None or one.contact_id in told
        ]
    )


def _said(move: Move, one: Moved, *, by: User | None, reason: str) -> Iterator[tuple[str, Any]]:
    """What is announced of a move: ids and codes."""
    yield "move", str(move.name)
    yield "number", one.number
    yield "from", one.from_state or ""
    yield "to", one.to_state
    yield "by", by.pk if by else None
    yield "from_rep", one.from_rep
    yield "to_rep", one.to_rep
    yield "reason", reason
    yield "escalation", one.escalation
