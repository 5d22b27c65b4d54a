"""The arrays that go into and come out of a judgement.

Times are microseconds since 1970 UTC (int64), scores thousandths of a point (int64), contacts are indexes 0..C-1.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
SmallArray = npt.NDArray[np.int16]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

NEVER: int = 2**62
UNKNOWN_PAST: int = -(2**62)

MINUTE: int = 60_000_000
DAY: int = 24 * 60 * MINUTE


def _none() -> IntArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a batch of contacts.

    Events are ordered by contact and time (``ordered`` False: some follow out of order, judged all the same).
    ``event_code`` is a kind id, or the code of a match of its own (see ``Compiled.property_matches``), for which
    the same event has a further row. ``event_id`` may be empty where no ledger is asked for. ``event_value`` tells
    property values apart for ``once_per``; it is empty where no signal asks, and matters on those signals' rows only.
    Profiles are ordered by contact and time; each contact has at least one, the first at UNKNOWN_PAST.
    ``first_seen`` is the moment of a contact without any dated fact, else NEVER.
    """

    contacts: int
    event_contact: IntArray
    event_at: IntArray
    event_code: SmallArray
    event_id: IntArray
    profile_contact: IntArray
    profile_at: IntArray
    profile_fit: IntArray
    profile_answers: BoolArray
    first_seen: IntArray
    ordered: bool = True
    event_value: IntArray = field(default_factory=_none)

    def of_contacts(self, chosen: IntArray) -> "Facts":
        """The facts of the chosen contacts (ascending indexes), renumbered 0..len(chosen)-1."""
        number = np.full(self.contacts, -1, dtype=np.int64)
        number[chosen] = np.arange(len(chosen))
        events = number[self.event_contact] >= 0
        profiles = number[self.profile_contact] >= 0
        return Facts(
            contacts=len(chosen),
            event_contact=number[self.event_contact[events]],
            event_at=self.event_at[events],
            event_code=self.event_code[events],
            event_id=self.event_id[events] if len(self.event_id) else self.event_id,
            profile_contact=number[self.profile_contact[profiles]],
            profile_at=self.profile_at[profiles],
            profile_fit=self.profile_fit[profiles],
            profile_answers=self.profile_answers[profiles],
            first_seen=self.first_seen[chosen],
            ordered=self.ordered,
            event_value=self.event_value[events] if len(self.event_value) else self.event_value,
        )


@dataclass(slots=True)
class Prior:
    """Where each contact stood before: ranks of the definition's stages, -1 for not judged yet."""

    stage: SmallArray
    furthest: SmallArray

    @classmethod
    def none(cls, contacts: int) -> "Prior":
        """No contact was judged before."""
        return cls(np.full(contacts, -1, dtype=np.int16), np.full(contacts, -1, dtype=np.int16))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The judgement of each contact at its moment.

    ``enter`` and ``keep`` tell for each contact and stage whether the criteria hold; ``truths`` for each leaf
    of the compiled definition; ``counted`` the number behind a count leaf; ``last_counted`` its latest event.
    ``log_odds`` is what the learned score says, in millionths; None where the definition has none that is switched on.
    """

    stage: SmallArray
    furthest: SmallArray
    engagement: IntArray
    fit: IntArray
    review_at: IntArray
    enter: BoolArray
    keep: BoolArray
    truths: dict[int, BoolArray]
    counted: dict[int, IntArray]
    last_counted: dict[int, IntArray]
    log_odds: IntArray | None = None

    @property
    def likelihood(self) -> FloatArray | None:
        """The learned score as a likelihood, 0 to 1; None where the definition has none that is switched on."""
        return None if self.log_odds is None else likelihood_of(self.log_odds)


def likelihood_of(log_odds: IntArray) -> FloatArray:
    """The likelihood that log-odds in millionths stand for: 1 / (1 + exp(-x)), written so that nothing overflows."""
    return np.asarray(0.5 * (1 + np.tanh(log_odds / 2_000_000)), dtype=np.float64)
