"""The state machine is data; its documentation follows it."""

import re
from pathlib import Path

from contacts.enums import SHIPPED_KINDS
from funnel.enums import OPEN_STATES, HandoffState
from funnel.moves import MOVES, Actor, diagram, table

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
    assert {move.target for move in back} == {*OPEN_STATES, HandoffState.WITHDRAWN}
    assert {move.actor for move in back} == {Actor.PARTING}


def test_every_state_but_expired_can_be_reached() -> None:
    reached = {HandoffState.OFFERED, *(move.target for move in MOVES)}

    assert set(HandoffState) - reached == {HandoffState.EXPIRED}
