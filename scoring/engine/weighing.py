"""Weighing: which events of a contact count, and what age leaves of each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.engine.coding import Layer
from scoring.engine.compiled import Compiled
from scoring.engine.facts import BoolArray, Facts, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Weights:
    """What single events weigh: their rows in the facts, the signal that counts them, millipoints after decay.

    ``decay`` is the factor 0..1 that age leaves of an event.
    """

    rows: IntArray
    signal: npt.NDArray[np.int16]
    millipoints: IntArray
    decay: FloatArray


def weigh_events(compiled: Compiled, facts: Facts, event_moment: IntArray, chosen: BoolArray) -> list[Weights]:
    """Weigh the chosen events, each rounded by itself so that any order or batch adds up to the same.

    Exponential decay: points * 2 ** (-age / half_life).
    """
    found = []
    for layer in compiled.layers:
        signal = layer.signal_of[facts.event_code]
        rows = np.flatnonzero((signal >= 0) & chosen)
        if not layer.is_plain:
            rows = _counted_rows(layer, facts, rows)
        signal = signal[rows]
        age = event_moment[rows] - facts.event_at[rows]
        decay = np.exp2(-age / compiled.half_lives[signal])
        found.append(Weights(rows, signal, weigh(compiled.points, signal, decay), decay))
    return found


def weigh(points: FloatArray, signal: npt.NDArray[np.int16], decay: FloatArray) -> IntArray:
    """What events of these signals weigh by a scale's points, each rounded by itself."""
    return np.rint(points[signal] * decay).astype(np.int64)


def _counted_rows(layer: Layer, facts: Facts, rows: IntArray) -> IntArray:
    """Of each contact's rows the first or latest so many in time; of each property value or period, where asked.

    Of events of one instant those with the smaller code go first, so that the order of arrival does not show.
    """
    keys: list[npt.NDArray[Any]] = [facts.event_code[rows], facts.event_at[rows]]
    groups: list[IntArray] = [facts.event_contact[rows]]
    if layer.per_value:
        groups.insert(0, facts.event_value[rows])
    if layer.period:
        groups.insert(0, facts.event_at[rows] // layer.period)
    order: IntArray = np.lexsort([*keys, *groups])
    begins = np.zeros(len(rows), dtype=np.bool_)
    begins[:1] = True
    for group in groups:
        ordered = group[order]
        begins[1:] |= ordered[1:] != ordered[:-1]
    place = np.arange(len(rows))
    number = np.cumsum(begins) - 1
    starts = np.flatnonzero(begins)
    if layer.first:
        chosen = place - starts[number] < layer.first
    else:
        chosen = np.append(starts[1:], len(rows))[number] - place <= layer.latest
    return np.asarray(rows[order[chosen]], dtype=np.int64)
