"""What was done with a handoff, move by move: who had it when, and who passed it on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db.models import QuerySet

from funnel.enums import MoveName
from funnel.models import HandoffMove
from funnel.selectors.people import name_of

LIMIT: Final = 200

_ICONS: Final = {
    MoveName.OFFER: "inbox",
    MoveName.ASSIGN: "user-round-check",
    MoveName.CLAIM: "hand",
    MoveName.ACCEPT: "handshake",
    MoveName.OUTCOME: "notebook-pen",
    MoveName.RELEASE: "undo-2",
    MoveName.REASSIGN: "arrow-right-left",
    MoveName.TAKE_OVER: "arrow-right-left",
    MoveName.RETURN: "corner-up-left",
    MoveName.WIN: "trophy",
    MoveName.EXPIRE: "alarm-clock",
    MoveName.WITHDRAW: "undo-2",
    MoveName.CLOSE_AS_WON: "trophy",
    MoveName.SUSPEND: "pause",
    MoveName.RESUME: "play",
    MoveName.GIVE_UP: "undo-2",
}


@dataclass(frozen=True, slots=True)
class MoveStep:
    """A move in words: ``what`` was done (``Claimed by Rhea Rep``), and ``detail``: why, and what was noted."""

    at: datetime
    what: str
    icon: str
    detail: str
    handoff_id: int


def moves_with_people(moves: "QuerySet[HandoffMove]") -> "QuerySet[HandoffMove]":
    """Return moves with everybody they name loaded."""
    return moves.select_related("by", "from_rep", "to_rep")


def chain_of(handoff_id: int) -> tuple[MoveStep, ...]:
    """Return what was done with a handoff, the latest first; one query."""
    moves = HandoffMove.objects.filter(handoff=handoff_id).order_by("-number")
    return in_words(moves_with_people(moves)[:LIMIT])


def in_words(moves: Iterable[HandoffMove]) -> tuple[MoveStep, ...]:
    """Say of each move (of ``moves_with_people``) what it was."""
    return tuple(
        MoveStep(
            at=move.at,
            what=_what(move),
            icon=_ICONS[MoveName(move.name)],
            detail=_detail(move),
            handoff_id=move.handoff_id,
        )
        for move in moves
    )


def _what(move: HandoffMove) -> str:
    name = MoveName(move.name)
    label = name.label[:1].upper() + name.label[1:]
    if name in (MoveName.OFFER, MoveName.ASSIGN):
        kept = _named(move.to_rep, "kept for ")
        return f"Offered, {kept}" if kept and name is MoveName.OFFER else kept[:1].upper() + kept[1:] or "Offered"
    if name is MoveName.REASSIGN:
        passed = f"{label}{_named(move.from_rep, ' from ')}{_named(move.to_rep, ' to ')}"
        return f"{passed}{_named(move.by, ' by ')}"
    if name is MoveName.TAKE_OVER:
        return f"{label}{_named(move.from_rep, ' from ')}{_named(move.by, ' by ')}"
    if move.by is None and name is MoveName.RELEASE:
        return f"Taken back{_named(move.from_rep, ' from ')}"
    return f"{label}{_named(move.by, ' by ')}"


def _detail(move: HandoffMove) -> str:
    # That a person released it says the line itself.
    reason = "" if move.reason == "by_hand" else move.get_reason_display()
    return ": ".join(filter(None, (reason, move.note)))


def _named(person: User | None, before: str) -> str:
    return f"{before}{name_of(person)}" if person is not None else ""
