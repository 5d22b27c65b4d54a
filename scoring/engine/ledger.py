"""Taking a score apart: a line for each event that weighs, one for each cap or floor; together they are the score."""

from dataclasses import dataclass

import numpy as np

from scoring.engine.compiled import Compiled
from scoring.engine.facts import Facts
from scoring.engine.weighing import weigh_events


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One addend of an engagement score, in millipoints.

    ``event_id`` -1 on the line of a cap or floor: ``signal`` is then its group, "" for the whole score.
    ``raw`` is what the rule gives, ``decay`` the factor 0..1 that age leaves of it.
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
    """The ledger of a single contact's facts at a moment, newest event first, caps and floors last.

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
        columns = (weights.rows, weights.signal, weights.millipoints, weights.decay)
        for row, index, millipoints, decay in zip(*(column.tolist() for column in columns), strict=True):
            signal = signals[index]
            lines.append(
                LedgerLine(
                    event_id=int(facts.event_id[row]),
                    occurred_at=int(facts.event_at[row]),
                    signal=signal.key,
                    label=signal.label,
                    raw=int(compiled.points[index]),
                    decay=decay,
                    millipoints=millipoints,
                )
            )
            if compiled.group_of[index] >= 0:
                sums[compiled.group_of[index]] += millipoints
    lines.sort(key=lambda line: (-line.occurred_at, line.signal, line.event_id))
    for group, floor, cap, total in zip(
        compiled.document.groups, compiled.floors.tolist(), compiled.caps.tolist(), sums, strict=True
    ):
        if total > cap:
            lines.append(_bound(at, group.key, f"{group.label}: capped at {group.cap:g}", cap - total))
        elif total < floor:
            lines.append(_bound(at, group.key, f"{group.label}: never below zero", floor - total))
    whole = sum(line.millipoints for line in lines)
    if compiled.engagement.floor_at_zero and whole < 0:
        lines.append(_bound(at, "", "Engagement: never below zero", -whole))
    return Ledger(tuple(lines), sum(line.millipoints for line in lines))


def _bound(at: int, key: str, label: str, millipoints: int) -> LedgerLine:
    return LedgerLine(-1, at, key, label, 0, 1.0, millipoints)
