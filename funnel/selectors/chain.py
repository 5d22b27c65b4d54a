"""What was done with a handoff, move by move: who had it when, and who passed it on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext

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
    people = {"who": _named(move.by), "from": _named(move.from_rep), "to": _named(move.to_rep)}
    if name is MoveName.OFFER:
        return (gettext("Offered, kept for %(to)s") if people["to"] else gettext("Offered")) % people
    if name is MoveName.ASSIGN:
        return (gettext("Kept for %(to)s") if people["to"] else gettext("Offered")) % people
    if name is MoveName.RELEASE and move.by is None:
        return (gettext("Taken back from %(from)s") if people["from"] else gettext("Taken back")) % people
    if name is MoveName.REASSIGN:
        return _reassigned(people)
    if name is MoveName.TAKE_OVER and people["from"]:
        taken = gettext("Taken over from %(from)s by %(who)s") if people["who"] else gettext("Taken over from %(from)s")
        return taken % people
    label = name.label[:1].upper() + name.label[1:]
    return gettext("%(what)s by %(who)s") % {"what": label, **people} if people["who"] else label


def _reassigned(people: dict[str, str]) -> str:
    if people["from"] and people["to"] and people["who"]:
        said = gettext("Reassigned from %(from)s to %(to)s by %(who)s")
    elif people["from"] and people["to"]:
        said = gettext("Reassigned from %(from)s to %(to)s")
    elif people["to"] and people["who"]:
        said = gettext("Reassigned to %(to)s by %(who)s")
    else:
        said = gettext("Reassigned to %(to)s") if people["to"] else gettext("Reassigned")
    return said % people


def _detail(move: HandoffMove) -> str:
    # That a person released it says the line itself.
    reason = "" if move.reason == "by_hand" else move.get_reason_display()
    return ": ".join(filter(None, (reason, move.note)))


def _named(person: User | None) -> str:
    return name_of(person) if person is not None else ""
