"""Taking a score apart: one line for each event that weighs, one for each cap; together they are the score."""

from dataclasses import dataclass

import numpy as np

from scoring.engine.compiled import Compiled
from scoring.engine.facts import Facts
from scoring.engine.judging import weigh_events


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One addend of an engagement score, in millipoints.

    ``event_id`` -1 on a cap line. ``raw`` is what the rule gives, ``decay`` the factor 0..1 that age leaves of it.
    """

    event_id: int
    occurred_at: int
    signal: str
    label: str
    raw: int
    decay: float
    millipoints: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """The lines of one contact's engagement score at one moment; they add up to ``total`` exactly."""

    lines: tuple[LedgerLine, ...]
    total: int


def take_apart(compiled: Compiled, facts: Facts, at: int) -> Ledger:
    """The ledger of a single contact's facts at a moment, newest event first, cap lines last.

    Raises:
        ValueError: when the facts are of more or fewer than one contact.
    """
    if facts.contacts != 1:
        raise ValueError("a ledger is of exactly one contact")
    moment = np.full(len(facts.event_at), at, dtype=np.int64)
    signals = compiled.document.signals
    lines: list[LedgerLine] = []
    sums = [0] * len(compiled.caps)
    for weights in weigh_events(compiled, facts, moment, facts.event_at <= moment):
        for row, index, millipoints in zip(weights.rows, weights.signal, weights.millipoints, strict=True):
            signal = signals[index]
            age = at - int(facts.event_at[row])
            lines.append(
                LedgerLine(
                    event_id=int(facts.event_id[row]),
                    occurred_at=int(facts.event_at[row]),
                    signal=signal.key,
                    label=signal.label,
                    raw=int(compiled.points[index]),
                    decay=float(np.exp2(-age / compiled.half_lives[index])),
                    millipoints=int(millipoints),
                )
            )
            if compiled.group_of[index] >= 0:
                sums[compiled.group_of[index]] += int(millipoints)
    lines.sort(key=lambda line: (-line.occurred_at, line.signal, line.event_id))
    for group, cap, total in zip(compiled.document.groups, compiled.caps, sums, strict=True):
        if group.cap is not None and total > cap:
            label = f"{group.label}: capped at {group.cap:g}"
            lines.append(LedgerLine(-1, at, group.key, label, 0, 1.0, int(cap) - total))
    return Ledger(tuple(lines), sum(line.millipoints for line in lines))
