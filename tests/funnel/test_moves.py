"""The state machine is data; its documentation follows it."""

import re
from pathlib import Path

from contacts.enums import SHIPPED_KINDS
from funnel.enums import OPEN_STATES, HandoffState, MoveName
from funnel.moves import MOVES, Actor, Clock, Holder, diagram, table

PAGE = Path(__file__).parents[2] / "docs" / "handoffs.md"
MARKED = re.compile(r"(<!-- generated: moves -->\n).*?(<!-- /generated -->)", re.DOTALL)


def test_the_documented_state_machine_is_the_one_that_runs() -> None:
    page = PAGE.read_text()
    generated = f"\n```mermaid\n{diagram()}\n```\n\n{table()}\n\n"
    fresh = MARKED.sub(lambda found: found[1] + generated + found[2], page)

    assert page == fresh, f"docs/handoffs.md is stale; between its marks it should read:\n{generated}"


def test_every_fact_of_a_move_is_a_system_kind() -> None:
    system = {kind.name for kind in SHIPPED_KINDS if kind.system}

    assert {move.fact for move in MOVES if move.fact} <= system


def test_no_move_leaves_a_closed_handoff_but_that_a_suspended_one_comes_back() -> None:
    assert all(set(move.sources) <= {*OPEN_STATES, HandoffState.SUSPENDED} for move in MOVES)
    back = [move for move in MOVES if HandoffState.SUSPENDED in move.sources]
    assert {target for move in back for target in move.arrows.values()} == {*OPEN_STATES, HandoffState.WITHDRAWN}
    assert {move.actor for move in back} == {Actor.PARTING, Actor.ERASURE}


def test_every_state_can_be_reached_and_every_name_is_used() -> None:
    reached = {HandoffState.OFFERED, *(target for move in MOVES for target in move.arrows.values())}

    assert reached == set(HandoffState)
    assert {move.name for move in MOVES} == set(MoveName)


def test_a_clock_runs_wherever_somebody_is_waited_for() -> None:
    """Whatever ends in the queue starts the clock until the claim, whatever somebody takes that until the attempt."""
    for move in MOVES:
        ends = set(move.arrows.values())
        if move.name is MoveName.OFFER or (ends == {HandoffState.OFFERED} and move.actor is not Actor.PARTING):
            assert move.clock is Clock.UNTIL_CLAIM, move.name
        if move.holder is Holder.TAKES:
            assert move.clock is Clock.UNTIL_ATTEMPT, move.name
        if move.arrows and move.ends:
            assert move.clock is Clock.STOPS, move.name


def test_whatever_changes_hands_is_told() -> None:
    silent = {move.name for move in MOVES if move.told is None}

    assert silent == {MoveName.OUTCOME, MoveName.SUSPEND, MoveName.RESUME, MoveName.GIVE_UP}
    assert [move.actor for move in MOVES if move.name is MoveName.GIVE_UP and not move.told] == [Actor.ERASURE]
