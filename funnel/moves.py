"""The handoff's state machine as data: what may follow what, who does it, and the fact that it leaves behind.

Services look a move up here and run it as one conditional UPDATE whose row count decides; docs/handoffs.md draws its
diagram from here.
"""

from dataclasses import dataclass
from enum import StrEnum

from funnel.enums import OPEN_STATES, HandoffState


class Actor(StrEnum):
    """Who makes a move."""

    SALES = "a sales rep, manager or administrator"
    ITS_REP = "its rep, a manager or an administrator"
    JUDGEMENT = "the judgement"
    MERGE = "a merge"
    PARTING = "the undoing of a merge"


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed move.

    ``fact`` is the kind of event recorded in the same transaction; "" where the fact is what caused the move.
    ``condition`` says in words what must hold beyond the state.
    """

    name: str
    sources: tuple[HandoffState, ...]
    target: HandoffState
    actor: Actor
    fact: str = ""
    condition: str = ""


CLAIM = Move(
    "claim",
    (HandoffState.OFFERED,),
    HandoffState.CLAIMED,
    Actor.SALES,
    fact="handoff_claimed",
    condition="the contact still stands in a handoff stage",
)
ACCEPT = Move(
    "accept",
    (HandoffState.CLAIMED,),
    HandoffState.ACCEPTED,
    Actor.ITS_REP,
    fact="handoff_accepted",
)
RETURN = Move(
    "return",
    (HandoffState.CLAIMED, HandoffState.ACCEPTED),
    HandoffState.RETURNED,
    Actor.ITS_REP,
    fact="handoff_returned",
    condition="with a reason",
)
WIN = Move(
    "win",
    (HandoffState.CLAIMED, HandoffState.ACCEPTED),
    HandoffState.WON,
    Actor.ITS_REP,
    fact="converted",
    condition="with a note",
)
WITHDRAW = Move(
    "withdraw",
    (HandoffState.OFFERED,),
    HandoffState.WITHDRAWN,
    Actor.JUDGEMENT,
    fact="handoff_withdrawn",
    condition="the contact left the handoff stage",
)
CLOSE_AS_WON = Move(
    "close as won",
    OPEN_STATES,
    HandoffState.WON,
    Actor.JUDGEMENT,
    condition="the contact became a customer",
)

SUSPEND = Move(
    "suspend",
    OPEN_STATES,
    HandoffState.SUSPENDED,
    Actor.MERGE,
    condition="of two open ones, when their contacts become one, the claimed stays, else the older",
)
# Each comes back to what it was.
RESUMES: dict[HandoffState, Move] = {
    state: Move(
        "resume", (HandoffState.SUSPENDED,), state, Actor.PARTING, condition=f"it was {state} before that merge"
    )
    for state in OPEN_STATES
}
GIVE_UP = Move(
    "give up",
    (HandoffState.SUSPENDED, *OPEN_STATES),
    HandoffState.WITHDRAWN,
    Actor.PARTING,
    fact="handoff_withdrawn",
    condition="another was opened meanwhile; the claimed stays, else the older",
)

MOVES: tuple[Move, ...] = (
    CLAIM,
    ACCEPT,
    RETURN,
    WIN,
    WITHDRAW,
    CLOSE_AS_WON,
    SUSPEND,
    *RESUMES.values(),
    GIVE_UP,
)


def fact_id(move: Move, handoff_id: int) -> str:
    """The message id of the fact that ``move`` leaves: a handoff makes each move at most once, so a repeat is one."""
    return f"handoff:{handoff_id}:{move.target}"


def diagram() -> str:
    """Return the state machine as a Mermaid ``stateDiagram-v2``, one arrow a move and source state."""
    lines = ["stateDiagram-v2", f"    [*] --> {HandoffState.OFFERED}: the contact enters a handoff stage"]
    for move in MOVES:
        words = f"{move.name} ({move.condition})" if move.condition else move.name
        lines += [f"    {source} --> {move.target}: {words}" for source in move.sources]
    reached = {move.target for move in MOVES}
    left = {source for move in MOVES for source in move.sources}
    lines += [f"    {state} --> [*]" for state in HandoffState if state in reached and state not in left]
    return "\n".join(lines)


def table() -> str:
    """Return the moves as a Markdown table: move, from, to, who, condition, fact."""
    lines = ["| Move | From | To | Who | When | Fact recorded |", "|---|---|---|---|---|---|"]
    for move in MOVES:
        sources = ", ".join(f"`{source}`" for source in move.sources)
        itself = "purchase or conversion" if move.actor is Actor.JUDGEMENT else "merge"
        fact = f"`{move.fact}`" if move.fact else f"(the {itself} itself)"
        lines.append(f"| {move.name} | {sources} | `{move.target}` | {move.actor} | {move.condition} | {fact} |")
    return "\n".join(lines)
