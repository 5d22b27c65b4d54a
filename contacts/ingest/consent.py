"""What somebody agreed to be written about: the ledger's entries folded into a state a purpose. Pure.

The state is a function of the entries and of the merges in force, whatever the order in which either arrived.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from contacts.enums import ConsentAction

GRANTED: Final = ConsentAction.GRANTED.value
WITHDRAWN: Final = ConsentAction.WITHDRAWN.value


class Said(NamedTuple):
    """One entry of the ledger: whose it was when it was said (``origin``), about which purpose (its key), and what."""

    origin: int
    purpose: str
    action: str
    basis: str
    at: datetime


class Joined(NamedTuple):
    """One merge in force: ``loser`` became part of ``winner`` at ``at``."""

    winner: int
    loser: int
    at: datetime


class State(NamedTuple):
    """What holds for a purpose: ``granted`` or ``withdrawn``, on which basis, since when."""

    action: str
    basis: str
    at: datetime

    @property
    def is_granted(self) -> bool:
        """Tell whether it was granted and not withdrawn since."""
        return self.action == GRANTED


def consent_state(entries: Iterable[Said], merges: Iterable[Joined] = ()) -> dict[str, State]:
    """Return the state of each purpose that anything was said about, for one contact and all that became part of it.

    Entries apply in the order of their time; where two were said at one moment, the withdrawal stands. When two
    contacts are merged their states are united conservatively: a withdrawal of either holds, whenever it was said. What
    is said after the merge, under either name, applies to both.
    """
    joined = sorted(merges, key=lambda merge: (merge.at, merge.winner, merge.loser))
    winners: dict[int, int] = {}
    states: dict[int, dict[str, State]] = {}

    def root(contact: int) -> int:
        while contact in winners:
            contact = winners[contact]
        return contact

    waiting = iter([*joined, None])
    merge = next(waiting)
    for entry in sorted(entries, key=_order):
        while merge is not None and merge.at < entry.at:
            _join(merge, states, winners, root(merge.winner), root(merge.loser))
            merge = next(waiting)
        of = states.setdefault(root(entry.origin), {})
        of[entry.purpose] = State(entry.action, entry.basis, entry.at)
    while merge is not None:
        _join(merge, states, winners, root(merge.winner), root(merge.loser))
        merge = next(waiting)
    united: dict[str, State] = {}
    # Normally one is left; what a merge that is not told of holds apart is united all the same.
    for state in states.values():
        united = unite(united, state)
    return united


def unite(one: Mapping[str, State], other: Mapping[str, State]) -> dict[str, State]:
    """Return what holds for two who turn out to be one person; a withdrawal of either wins, else the later grant."""
    united = dict(one)
    for purpose, state in other.items():
        united[purpose] = max(united.get(purpose, state), state, key=_weight)
    return united


def _join(merge: Joined, states: dict[int, dict[str, State]], winners: dict[int, int], winner: int, loser: int) -> None:
    if winner == loser:
        return
    states[winner] = unite(states.get(winner, {}), states.pop(loser, {}))
    winners[loser] = winner


def _order(entry: Said) -> tuple[datetime, bool, str, str, int]:
    return entry.at, entry.action == WITHDRAWN, entry.purpose, entry.basis, entry.origin


def _weight(state: State) -> tuple[bool, datetime, str]:
    return state.action == WITHDRAWN, state.at, state.basis
