"""Scores of many contacts on one scale, and bounds for when time alone next carries them over a threshold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.engine.compiled import UNBOUNDED, Scale
from scoring.engine.facts import NEVER, Facts, FloatArray, IntArray
from scoring.engine.weighing import Weights

# By how much a part fades, at least, until it is looked at again what the rest of it rounds to; and up to how many
# thousandths half of one is more than that.
_SOONEST, _LASTING = 2 ** (1 / 64), 45


class Scores:
    """The score of each contact, and a safe lower bound of when decay next carries it over a threshold.

    A score is a sum of parts: each group, and the signals of none (part 0). A part is lasting + clip(fading - negative,
    low, high): ``fading`` and ``negative`` are the sums of its positive and negative events that age wears down,
    ``lasting`` what never fades, ``low`` and ``high`` the group's floor and cap, less what lasts.
    """

    def __init__(
        self,
        scale: Scale,
        half_lives: FloatArray,
        facts: Facts,
        weighed: Iterable[tuple[Weights, IntArray]],
        thresholds: Sequence[int | IntArray],
        *,
        base: int | IntArray = 0,
        freshness: int = 0,
    ) -> None:
        """Add up.

        ``weighed``: layers of counted events with what each weighs on this scale. ``base``: what each contact has
        besides. ``freshness``: losing so much is a change as well; 0: it is none.
        """
        self._thresholds, self._freshness, self._floored = thresholds, freshness, scale.floor_at_zero
        parts = 1 + len(scale.caps)
        self._fading = np.zeros((parts, facts.contacts), dtype=np.int64)
        self._negative: IntArray | None = None
        self._lasting: IntArray | None = None
        self._shortest = np.full(facts.contacts, np.inf)
        self._longest = np.zeros(facts.contacts)
        self._base = base
        offsets = (scale.group_of.astype(np.int64) + 1) * facts.contacts
        for layer, values in weighed:
            self._add(facts.event_contact[layer.rows], layer.signal, values, offsets, half_lives)
        self._low = np.concatenate([[-UNBOUNDED], scale.floors])[:, None]
        self._high = np.concatenate([[UNBOUNDED], scale.caps])[:, None]
        self._net = self._fading
        self.total = self._add_up()

    def _add_up(self) -> IntArray:
        if self._negative is not None:
            self._net = self._fading - self._negative
        if self._lasting is not None:
            self._low, self._high = self._low - self._lasting, self._high - self._lasting
            self._base = self._base + self._lasting.sum(axis=0)
        within = self._net if len(self._net) == 1 else np.minimum(np.maximum(self._net, self._low), self._high)
        total: IntArray = within.sum(axis=0) + self._base
        return np.maximum(total, 0) if self._floored else total

    def _add(
        self,
        contact: IntArray,
        signal: "npt.NDArray[np.int16]",
        values: IntArray,
        offsets: IntArray,
        half_lives: FloatArray,
    ) -> None:
        """Add a layer's events to their parts, all parts at once: ``offsets`` of a signal lead to its part."""
        used = _distinct(signal)
        lengths = half_lives[used]
        cell = contact if len(self._fading) == 1 else contact + offsets[signal]
        if np.isinf(lengths).any():
            forever = np.isinf(half_lives)[signal]
            if self._lasting is None:
                self._lasting = np.zeros_like(self._fading)
            self._lasting += self._sums(cell[forever], values[forever])
            fades = ~forever
            contact, signal, values, cell = contact[fades], signal[fades], values[fades], cell[fades]
        if len(values) and values.min() < 0:
            if self._negative is None:
                self._negative = np.zeros_like(self._fading)
            self._negative -= self._sums(cell, np.minimum(values, 0))
            values = np.maximum(values, 0)
        self._fading += self._sums(cell, values)
        self._note_half_lives(contact, signal, half_lives, np.unique(lengths[np.isfinite(lengths)]))

    def _sums(self, cell: IntArray, values: IntArray) -> IntArray:
        """The sum of the values of each part and contact."""
        # bincount sums doubles: exact for integers below 2**53, nine quadrillion millipoints.
        sums = np.bincount(cell, weights=values, minlength=self._fading.size)
        return sums.astype(np.int64).reshape(self._fading.shape)

    def _note_half_lives(
        self, contact: IntArray, signal: "npt.NDArray[np.int16]", half_lives: FloatArray, lengths: FloatArray
    ) -> None:
        for length in lengths:
            mine = contact if len(lengths) == 1 else contact[half_lives[signal] == length]
            touched = np.bincount(mine, minlength=len(self._shortest)) > 0
            self._shortest[touched] = np.minimum(self._shortest[touched], length)
            self._longest[touched] = np.maximum(self._longest[touched], length)

    def next_change(self, at: IntArray) -> IntArray:
        """Earliest moment at which decay alone could cross a threshold, or lose what counts as stale; NEVER if none.

        With x half-lives of a contact's shortest, its score is at least ``falls.moves * 2 ** -x + falls.stays`` and at
        most ``-(rises.moves * 2 ** -x + rises.stays)``, equal at x = 0 (see ``_bounds``); solved for x.
        """
        falls, rises = self._bounds()
        with np.errstate(divide="ignore", invalid="ignore"):
            halves = np.full(len(at), np.inf)
            if self._freshness:
                stales = (falls.moves > self._freshness) & ((self.total > self._freshness) | (not self._floored))
                halves = np.where(stales, falls.until_lost(self._freshness), np.inf)
            for threshold in self._thresholds:
                # A score that cannot be below zero always meets a threshold that is not above it.
                real = threshold > 0 if self._floored else True
                down = (self.total >= threshold) & (falls.stays < threshold) & real
                halves = np.where(down, np.minimum(halves, falls.until(threshold)), halves)
                if rises is None:
                    continue
                up = (self.total < threshold) & (rises.moves > 0) & (rises.stays <= -threshold)
                halves = np.where(up, np.minimum(halves, rises.until(-threshold, meets=True)), halves)
            wait = np.maximum(halves, 0) * self._shortest
        return np.where(wait < NEVER // 2, at + np.where(wait < NEVER // 2, wait, 0).astype(np.int64), NEVER)

    def _bounds(self) -> "tuple[_Bound, _Bound | None]":
        """How each contact's score is bound from below, and with its sign turned over from above (None: cannot rise).

        Of a part g = clip(P - N, low, high), each of P and N keeps between 2 ** -x and all of itself. So

        * P - N <= low: g stays at low or above it; high + N <= 0: g stays at high;
        * otherwise g >= min(P, high + N) * 2 ** -x - N; and where P - N > high it stays at high until P has fallen to
          high + N. The bound from above is the same with the signs turned over.

        Parts within their bounds that all fade alike fade as one: their sum is v * 2 ** -x exactly.
        """
        if self._negative is None and (self._lasting is None or len(self._fading) == 1):
            # Nothing negative: a floor has nothing to hold, and nothing can rise.
            if len(self._fading) == 1:
                return _Bound(self._fading[0], self._base), None
            within = np.minimum(self._fading, self._high)
            return _Bound(
                within.sum(axis=0), self._base, *_capped(self._fading, self._high, self._fading > within)
            ), None
        positive = self._fading
        negative = np.zeros_like(positive) if self._negative is None else self._negative
        low, high = np.broadcast_to(self._low, positive.shape), np.broadcast_to(self._high, positive.shape)
        alike = (self._longest == self._shortest) | (self._longest == 0)
        pooled = alike & (low <= 0) & (high >= 0) & (low <= self._net) & (self._net <= high)
        pool = np.where(pooled, self._net, 0).sum(axis=0)
        return (
            _falling(positive, negative, low, high, ~pooled).plus(
                np.maximum(pool, 0), np.minimum(pool, 0) + self._base
            ),
            _falling(negative, positive, -high, -low, ~pooled).plus(
                np.maximum(-pool, 0), np.minimum(-pool, 0) - self._base
            ),
        )


@dataclass(frozen=True, slots=True)
class _Bound:
    """A sum that is at least ``moves * 2 ** -x + stays`` after x half-lives.

    For the first ``held`` half-lives ``capped`` of what moves stays as well, for parts beyond their cap have to come
    down to it first (None: there are none).
    """

    moves: IntArray
    stays: "int | IntArray"
    capped: IntArray | None = None
    held: FloatArray | None = None

    def plus(self, moves: IntArray, stays: "int | IntArray") -> "_Bound":
        """The same with more."""
        return _Bound(self.moves + moves, self.stays + stays, self.capped, self.held)

    def until(self, threshold: "int | IntArray", *, meets: bool = False) -> FloatArray:
        """After how many half-lives the sum may be below a threshold at the earliest; ``meets``: or no more than it."""
        above = threshold - self.stays
        halves = _halves(self.moves, above, meets=meets)
        if self.capped is None or self.held is None:
            return halves
        later = _halves(self.moves - self.capped, above - self.capped, meets=meets)
        return np.maximum(halves, np.minimum(later, self.held))

    def until_lost(self, amount: int) -> FloatArray:
        """After how many half-lives the sum may have lost so much at the earliest."""
        halves = _halves(self.moves, self.moves - amount)
        if self.capped is None or self.held is None:
            return halves
        moves = self.moves - self.capped
        return np.maximum(halves, np.minimum(_halves(moves, moves - amount), self.held))


def _halves(moves: IntArray, above: "int | IntArray", *, meets: bool = False) -> FloatArray:
    """After how many half-lives so much has come down to what it is ``above``; never, where it stays above.

    With ``meets``, what only approaches it is there all the same once what is missing rounds to nothing; and some
    thousandths that are no more than what they are above round to less at some time. When exactly, the rounded parts do
    not tell: it is looked at now and then, more often towards the end.
    """
    nearing = np.log2(np.clip(2 * moves - 1, _SOONEST, 2)) if meets else np.inf
    falling = np.where((moves == above) & (moves <= _LASTING), np.log2(_SOONEST), np.log2(moves / above))
    return np.where(above > 0, falling, np.where(above == 0, nearing, np.inf))


def _falling(
    positive: IntArray, negative: IntArray, low: IntArray, high: IntArray, chosen: "npt.NDArray[np.bool_]"
) -> _Bound:
    """How the chosen parts' sum is bound from below; see ``Scores._bounds``."""
    on_floor = positive - negative <= low
    above_cap = high + negative <= 0
    moving = chosen & ~on_floor & ~above_cap
    most = high + negative
    falls = np.where(moving, np.minimum(positive, most), 0)
    held = np.where(on_floor, low, np.where(above_cap, high, -negative))
    return _Bound(
        falls.sum(axis=0), np.where(chosen, held, 0).sum(axis=0), *_capped(positive, most, moving & (positive > most))
    )


def _capped(
    positive: IntArray, most: IntArray, beyond: "npt.NDArray[np.bool_]"
) -> tuple[IntArray | None, FloatArray | None]:
    """How much each contact's parts ``beyond`` their ``most`` hold together, and for how many half-lives all do."""
    if not beyond.any():
        return None, None
    with np.errstate(divide="ignore", invalid="ignore"):
        held = np.where(beyond, np.log2(positive / most), np.inf).min(axis=0)
    return np.where(beyond, most, 0).sum(axis=0), held


def _distinct(signal: npt.NDArray[np.int16]) -> IntArray:
    """The signals that occur, ascending."""
    return np.flatnonzero(np.bincount(signal)) if len(signal) else np.empty(0, dtype=np.int64)
