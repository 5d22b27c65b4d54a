"""From matches to event codes: each set of events becomes a lookup table over small integers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from scoring.definition import DefinitionDocument, Match, Signal
from scoring.engine.facts import DAY, BoolArray

# Kind ids are small; a match on more than kinds gets a code above them all, for rows that carry it besides their kind.
FIRST_PROPERTY_CODE = 20_000


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What a match can ask of an event kind.

    ``sent_as``: of a kind that was mapped to another, its own name, which a match may still ask for; the rest is the
    other's. "" for all others.
    """

    id: int
    name: str
    initiator: str
    reach: str
    two_way: bool
    sent_as: str = ""


class CodedMatch(NamedTuple):
    """A match that kinds alone do not answer: a loader brings a further row with ``code`` for each event that meets it.

    ``value_of``: the property whose value those rows carry as ``event_value`` (for ``once_per``); "" for none.
    """

    code: int
    kind_ids: tuple[int, ...]
    match: Match
    value_of: str


@dataclass(frozen=True, slots=True)
class Layer:
    """Signals that no event code shares, weighed in one pass. ``signal_of`` maps a code to a signal or -1.

    Only the ``first`` or the ``latest`` so many events weigh, 0 for all: of each property value where ``per_value``,
    of each ``period`` (microseconds) where there is one.
    """

    signal_of: npt.NDArray[np.int16]
    first: int = 0
    latest: int = 0
    per_value: bool = False
    period: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether every event weighs."""
        return not (self.first or self.latest)


class Tables:
    """Builds lookup tables over codes, giving each distinct match on more than kinds a code of its own."""

    def __init__(self, document: DefinitionDocument, kinds: Iterable[KindFacts]) -> None:
        self._kinds = list(kinds)
        self._codes: dict[tuple[bytes, str], int] = {}
        self.property_matches: list[CodedMatch] = []
        for signal in document.signals:
            self._give_code(signal.match, signal.count.once_per)
        for evidence in document.evidence.values():
            for match in evidence.any_of:
                self._give_code(match, "")
        self._size = FIRST_PROPERTY_CODE + len(self._codes) + 1

    def _give_code(self, match: Match, value_of: str) -> None:
        if not (needs_code(match) or value_of):
            return
        key = msgspec.json.encode(match), value_of
        if key not in self._codes:
            self._codes[key] = FIRST_PROPERTY_CODE + len(self._codes)
            self.property_matches.append(CodedMatch(self._codes[key], self._kind_ids(match), match, value_of))

    def _kind_ids(self, match: Match) -> tuple[int, ...]:
        return tuple(
            kind.id
            for kind in self._kinds
            if (not match.kinds or kind.name in match.kinds or kind.sent_as in match.kinds)
            and (match.initiator is None or kind.initiator == match.initiator)
            and (match.reach is None or kind.reach == match.reach)
            and (match.two_way is None or kind.two_way == match.two_way)
        )

    def codes(self, match: Match, value_of: str = "") -> list[int]:
        """The codes of the rows that meet the match."""
        if needs_code(match) or value_of:
            return [self._codes[msgspec.json.encode(match), value_of]]
        return list(self._kind_ids(match))

    def table(self, matches: Iterable[Match]) -> BoolArray:
        """Whether a row with each code meets any of the matches."""
        table = np.zeros(self._size, dtype=np.bool_)
        for match in matches:
            table[self.codes(match)] = True
        return table

    def layers(self, signals: Iterable[Signal]) -> list[Layer]:
        """Put each signal into the first layer with its counting where its codes are still free."""
        layers: list[Layer] = []
        for index, signal in enumerate(signals):
            if round(signal.points * 1000) == 0:
                continue
            codes = self.codes(signal.match, signal.count.once_per)
            fresh = self._empty_layer(signal)
            for layer in layers:
                if fresh.is_plain and layer.is_plain and (layer.signal_of[codes] < 0).all():
                    break
            else:
                layer = fresh
                layers.append(layer)
            layer.signal_of[codes] = index
        return layers

    def _empty_layer(self, signal: Signal) -> Layer:
        nobody = np.full(self._size, -1, dtype=np.int16)
        count = signal.count
        if count.once or count.once_per:
            return Layer(nobody, first=1, per_value=bool(count.once_per))
        if count.at_most is not None and count.within_days is not None:
            return Layer(nobody, first=count.at_most, period=round(count.within_days * DAY))
        return Layer(nobody, latest=count.latest or 0)


def needs_code(match: Match) -> bool:
    """Whether an event's kind alone does not tell if it meets the match."""
    return bool(match.properties or match.channels or match.sources)
