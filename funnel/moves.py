"""The handoff's state machine as data: what may follow what, who does it, and what it leaves behind.

Services look a move up here and run it as one conditional UPDATE whose row count decides (funnel/services/making.py);
docs/handoffs.md draws its diagram from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from funnel.enums import OPEN_STATES, AnnouncementType, HandoffState, MoveName


class Actor(StrEnum):
    """Who makes a move."""

    SALES = "a sales rep, manager or administrator"
    ITS_REP = "its rep, a manager or an administrator"
    LEADER = "a manager or an administrator"
    JUDGEMENT = "the judgement"
    ROUTING = "the routing"
    CLOCK = "the clock"
    REP_OR_CLOCK = "its rep, a manager or an administrator; the clock"
    MERGE = "a merge"
    PARTING = "the undoing of a merge"
    ERASURE = "an erasure"


class Holder(StrEnum):
    """Who has the handoff after a move: the next link of its owner's chain."""

    STAYS = "whoever had it"
    NOBODY = "nobody"
    KEPT_FOR = "the rep it is kept for"
    TAKES = "the rep who takes it"


class Clock(StrEnum):
    """What a move does to the handoff's clock."""

    RUNS_ON = "runs on"
    UNTIL_CLAIM = "starts, until the claim"
    UNTIL_ATTEMPT = "starts, until the first attempt"
    STOPS = "stops"
    # Which one runs is told by the state that it came back to.
    AFRESH = "starts afresh"


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed move.

    ``arrows`` leads from each state that it may start in to the one it ends in. ``fact`` is the kind of event recorded
    in the same transaction; "" where the fact is what caused the move, or where nothing happened to the contact.
    ``condition`` says in words what must hold beyond the state; ``told`` is what is announced of it.
    """

    name: MoveName
    arrows: Mapping[HandoffState, HandoffState]
    actor: Actor
    fact: str = ""
    condition: str = ""
    holder: Holder = Holder.STAYS
    clock: Clock = Clock.RUNS_ON
    told: AnnouncementType | None = None

    @property
    def sources(self) -> tuple[HandoffState, ...]:
        """The states that it may start in."""
        return tuple(self.arrows)

    @property
    def ends(self) -> bool:
        """Whether it takes the handoff out of the open states."""
        return not set(self.arrows.values()) & set(OPEN_STATES)


def _to(target: HandoffState, *sources: HandoffState) -> Mapping[HandoffState, HandoffState]:
    return dict.fromkeys(sources, target)


def _staying(*states: HandoffState) -> Mapping[HandoffState, HandoffState]:
    return {state: state for state in states}


OFFERED, CLAIMED, ACCEPTED = OPEN_STATES
HELD_STATES = (CLAIMED, ACCEPTED)

# The first move of every handoff: there is no state before it.
OFFER = Move(
    MoveName.OFFER,
    {},
    Actor.JUDGEMENT,
    condition="the contact stands in a handoff stage and has no open one, or its last offer has just expired",
    holder=Holder.KEPT_FOR,
    clock=Clock.UNTIL_CLAIM,
    told=AnnouncementType.OFFERED,
)
ASSIGN = Move(
    MoveName.ASSIGN,
    _staying(OFFERED),
    Actor.ROUTING,
    condition="the rep it was kept for is away or has left",
    holder=Holder.KEPT_FOR,
    clock=Clock.UNTIL_CLAIM,
    told=AnnouncementType.REASSIGNED,
)
CLAIM = Move(
    MoveName.CLAIM,
    _to(CLAIMED, OFFERED),
    Actor.SALES,
    fact="handoff_claimed",
    condition="the contact stands in a handoff stage still, it is kept for nobody else, and its rep is below the limit",
    holder=Holder.TAKES,
    clock=Clock.UNTIL_ATTEMPT,
    told=AnnouncementType.CLAIMED,
)
ACCEPT = Move(
    MoveName.ACCEPT,
    _to(ACCEPTED, CLAIMED),
    Actor.ITS_REP,
    fact="handoff_accepted",
    told=AnnouncementType.ACCEPTED,
)
OUTCOME = Move(
    MoveName.OUTCOME,
    _staying(*HELD_STATES),
    Actor.ITS_REP,
    condition="an interim result, and what was agreed for when",
    clock=Clock.STOPS,
)
RELEASE = Move(
    MoveName.RELEASE,
    _to(OFFERED, *HELD_STATES),
    Actor.REP_OR_CLOCK,
    fact="handoff_released",
    condition="by hand, no attempt in time, or its rep is away or has left",
    holder=Holder.NOBODY,
    clock=Clock.UNTIL_CLAIM,
    told=AnnouncementType.RELEASED,
)
_TAKEN = {OFFERED: CLAIMED, **_staying(*HELD_STATES)}
REASSIGN = Move(
    MoveName.REASSIGN,
    _TAKEN,
    Actor.LEADER,
    fact="handoff_reassigned",
    condition="to another rep, below their limit unless that is overridden",
    holder=Holder.TAKES,
    clock=Clock.UNTIL_ATTEMPT,
    told=AnnouncementType.REASSIGNED,
)
TAKE_OVER = Move(
    MoveName.TAKE_OVER,
    _TAKEN,
    Actor.LEADER,
    fact="handoff_reassigned",
    condition="to themselves",
    holder=Holder.TAKES,
    clock=Clock.UNTIL_ATTEMPT,
    told=AnnouncementType.REASSIGNED,
)
RETURN = Move(
    MoveName.RETURN,
    _to(HandoffState.RETURNED, *HELD_STATES),
    Actor.ITS_REP,
    fact="handoff_returned",
    condition="with a reason",
    holder=Holder.NOBODY,
    clock=Clock.STOPS,
    told=AnnouncementType.RETURNED,
)
WIN = Move(
    MoveName.WIN,
    _to(HandoffState.WON, *HELD_STATES),
    Actor.ITS_REP,
    fact="converted",
    condition="with a note",
    clock=Clock.STOPS,
    told=AnnouncementType.WON,
)
EXPIRE = Move(
    MoveName.EXPIRE,
    _to(HandoffState.EXPIRED, OFFERED),
    Actor.CLOCK,
    fact="handoff_expired",
    condition="nobody claimed it in time; the contact is offered again at once, one step further up",
    holder=Holder.NOBODY,
    clock=Clock.STOPS,
    told=AnnouncementType.EXPIRED,
)
WITHDRAW = Move(
    MoveName.WITHDRAW,
    _to(HandoffState.WITHDRAWN, OFFERED),
    Actor.JUDGEMENT,
    fact="handoff_withdrawn",
    condition="the contact left the handoff stage",
    holder=Holder.NOBODY,
    clock=Clock.STOPS,
    told=AnnouncementType.WITHDRAWN,
)
CLOSE_AS_WON = Move(
    MoveName.CLOSE_AS_WON,
    _to(HandoffState.WON, *OPEN_STATES),
    Actor.JUDGEMENT,
    condition="the contact became a customer",
    clock=Clock.STOPS,
    told=AnnouncementType.WON,
)

SUSPEND = Move(
    MoveName.SUSPEND,
    _to(HandoffState.SUSPENDED, *OPEN_STATES),
    Actor.MERGE,
    condition="of two open ones, when their contacts become one, the claimed stays, else the older",
    clock=Clock.STOPS,
)
# Each comes back to what it was.
RESUMES: dict[HandoffState, Move] = {
    state: Move(
        MoveName.RESUME,
        _to(state, HandoffState.SUSPENDED),
        Actor.PARTING,
        condition=f"it was {state} before that merge",
        clock=Clock.AFRESH,
    )
    for state in OPEN_STATES
}
GIVE_UP = Move(
    MoveName.GIVE_UP,
    _to(HandoffState.WITHDRAWN, HandoffState.SUSPENDED, *OPEN_STATES),
    Actor.PARTING,
    fact="handoff_withdrawn",
    condition="another was opened meanwhile; the claimed stays, else the older",
    holder=Holder.NOBODY,
    clock=Clock.STOPS,
    told=AnnouncementType.WITHDRAWN,
)
# Whoever is erased is in nobody's hands; no fact is left of them, and nobody is told of what became of their handoff.
ERASE = Move(
    MoveName.GIVE_UP,
    GIVE_UP.arrows,
    Actor.ERASURE,
    condition="the person was erased",
    holder=Holder.NOBODY,
    clock=Clock.STOPS,
)

MOVES: tuple[Move, ...] = (
    OFFER,
    ASSIGN,
    CLAIM,
    ACCEPT,
    OUTCOME,
    RELEASE,
    REASSIGN,
    TAKE_OVER,
    RETURN,
    WIN,
    EXPIRE,
    WITHDRAW,
    CLOSE_AS_WON,
    SUSPEND,
    *RESUMES.values(),
    GIVE_UP,
    ERASE,
)


def fact_id(move: Move, handoff_id: int, number: int) -> str:
    """The message id of the fact that the ``number``-th move of a handoff leaves: each is made once."""
    return f"handoff:{handoff_id}:{number}:{move.name}"


def diagram() -> str:
    """Return the state machine as a Mermaid ``stateDiagram-v2``, one arrow a move and source state."""
    lines = ["stateDiagram-v2"]
    for move in MOVES:
        words = f"{move.name} ({move.condition})" if move.condition else str(move.name)
        # In a diagram's text a semicolon ends the line.
        words = words.replace(";", ",")
        arrows = [(source.value, target) for source, target in move.arrows.items()] or [("[*]", HandoffState.OFFERED)]
        lines += [f"    {source} --> {target}: {words}" for source, target in arrows]
    reached = {target for move in MOVES for target in move.arrows.values()}
    left = {source for move in MOVES for source in move.sources}
    lines += [f"    {state} --> [*]" for state in HandoffState if state in reached and state not in left]
    return "\n".join(lines)


def table() -> str:
    """Return the moves as a Markdown table: move, from, to, who, condition, whose it is then, clock, fact."""
    lines = ["| Move | From | To | Who | When | Then held by | Its clock | Fact recorded |", "|" + "---|" * 8]
    for move in MOVES:
        sources = ", ".join(f"`{source}`" for source in move.sources) or "(nothing)"
        targets = ", ".join(f"`{target}`" for target in dict.fromkeys(move.arrows.values())) or "`offered`"
        if set(move.arrows.items()) == set(_staying(*move.sources).items()) and move.arrows:
            targets = "the same"
        elif move.arrows is _TAKEN:
            targets = "`claimed`; else the same"
        fact = f"`{move.fact}`" if move.fact else _WITHOUT_FACT.get(move.actor, "")
        cells = (move.name, sources, targets, move.actor, move.condition, move.holder, move.clock, fact)
        lines.append(f"| {' | '.join(map(str, cells))} |".replace("  ", " "))
    return "\n".join(lines)


_WITHOUT_FACT: Mapping[Actor, str] = {
    Actor.JUDGEMENT: "(what was judged)",
    Actor.ROUTING: "(none)",
    Actor.ITS_REP: "(the conversation's own)",
    Actor.MERGE: "(the merge itself)",
    Actor.PARTING: "(the merge itself)",
    Actor.ERASURE: "(none is left)",
}
