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
from funnel.enums import HandoffState
from funnel.models import Handoff, HandoffMove
from funnel.moves import HELD_STATES, OFFER, Clock, Holder, Move, fact_id
from funnel.routing import Routed
from funnel.services.announcing import Told, announce
from funnel.services.winding import start_clocks


@dataclass(frozen=True, slots=True)
class Once:
    """A value for a column that has none yet; where there is one, it stays."""

    value: Any


@dataclass(frozen=True, slots=True)
class Moved:
    """A handoff that moved just now.

    ``contact_id`` is whose it is; ``fact_contact_id`` whose it was before a merge: its facts are theirs. ``from_rep``
    and ``to_rep`` are ids: who had it (or whom it was kept for) before and after. ``due_at``: when the clock that ran
    until now would have run out.
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


def make_moves(
    move: Move,
    rows: "QuerySet[Handoff]",
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
    with transaction.atomic():
        moved = _change(move, rows, columns=columns, skip_locked=skip_locked)
        if not moved:
            return []
        HandoffMove.objects.bulk_create(_move_row(move, one, now=now, by=by, reason=reason, note=note) for one in moved)
        said = {**(properties or {}), **({"reason": reason} if reason else {}), **({"note": note} if note else {})}
        _record_facts(move, moved, now=now, by=by, properties=said, traits=traits or {})
        # After the facts, which lock the contact: the judgement takes contact, then standing.
        _follow_owner(move, moved)
        if move.clock in _STARTS:
            start_clocks(handoff_ids=[one.handoff_id for one in moved], now=now)
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
            )
            for row in opened
        ]
        HandoffMove.objects.bulk_create(_move_row(OFFER, one, now=now) for one in moved)
        start_clocks(handoff_ids=[one.handoff_id for one in moved], now=now)
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
          was.state, handoff.state, was.held_by, {holder}, was.due_at, handoff.escalation
"""


def _change(move: Move, rows: "QuerySet[Handoff]", *, columns: Mapping[str, Any], skip_locked: bool) -> list[Moved]:
    """Run the move's one statement."""
    held_by = Coalesce("claimed_by", "assigned_to")
    chosen = rows.filter(state__in=move.sources).order_by("pk").values_list("pk", "state", held_by, "due_at")
    try:
        sql, params = chosen.select_for_update(no_key=True, skip_locked=skip_locked).query.sql_with_params()
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
    )


def _written(column: str, value: Any) -> tuple[str, list[Any]]:
    """One assignment and its parameters."""
    if isinstance(value, _Raw):
        return f"{column} = {value.sql}", [value.value]
    if isinstance(value, Once):
        return f"{column} = coalesce(handoff.{column}, %s)", [value.value]
    return f"{column} = %s", [value]


def _move_row(
    move: Move, one: Moved, *, now: datetime, by: User | None = None, reason: str = "", note: str = ""
) -> HandoffMove:
    return HandoffMove(
        handoff_id=one.handoff_id,
        number=one.number,
        name=move.name,
        from_state=one.from_state or "",
        to_state=one.to_state,
        by=by,
        from_rep_id=one.from_rep,
        to_rep_id=one.to_rep,
        at=now,
        due_at=one.due_at,
        reason=reason,
        note=note,
    )


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
