"""Taking a likelihood apart: what the learned score makes of each signal, group and fit rule of one contact."""

from dataclasses import dataclass

import numpy as np

from scoring.engine.compiled import MICRO, Compiled
from scoring.engine.facts import Facts, likelihood_of
from scoring.engine.judging import profile_rows
from scoring.engine.profile import learned_rules
from scoring.engine.weighing import weigh, weigh_events


@dataclass(frozen=True, slots=True)
class Factor:
    """One addend of the log-odds, in millionths.

    ``feature`` is the key of a signal, a group or a fit rule, "" for what everybody starts from. ``value`` is what it
    weighs: points now of a signal, points after cap and floor of a group, 1 for a fit rule that is met.
    """

    feature: str
    label: str
    value: float
    micro: int

    @property
    def log_odds(self) -> float:
        """What it adds to the log-odds."""
        return self.micro / MICRO


@dataclass(frozen=True, slots=True)
class Factors:
    """The addends of one contact's log-odds at one moment, the weightiest first; they add up to ``total`` exactly."""

    lines: tuple[Factor, ...]
    total: int

    @property
    def likelihood(self) -> float:
        """The likelihood that the factors come to, 0 to 1."""
        return float(likelihood_of(np.array([self.total]))[0])


def factors_of_likelihood(compiled: Compiled, facts: Facts, at: int) -> Factors | None:
    """The factors of a single contact's likelihood at a moment; None where no learned score is switched on.

    Raises:
        ValueError: when the facts are of more or fewer than one contact.
    """
    if facts.contacts != 1:
        raise ValueError("factors are of exactly one contact")
    learned, document = compiled.learned, compiled.document
    if learned is None:
        return None
    moment = np.full(len(facts.event_at), at, dtype=np.int64)
    points, micro = [0] * len(document.signals), [0] * len(document.signals)
    for layer in weigh_events(compiled, facts, moment, facts.event_at <= moment):
        odds = weigh(learned.scale.points, layer.signal, layer.decay)
        for signal, own, weight in zip(layer.signal.tolist(), layer.millipoints.tolist(), odds.tolist(), strict=True):
            points[signal] += own
            micro[signal] += weight
    lines = [
        Factor(signal.key, signal.label, points[index] / 1000, micro[index])
        for index, signal in enumerate(document.signals)
        if not signal.group and micro[index]
    ]
    for place, group in enumerate(document.groups):
        members = [index for index, signal in enumerate(document.signals) if signal.group == group.key]
        own = _clip(sum(points[index] for index in members), compiled.floors[place], compiled.caps[place])
        weight = sum(micro[index] for index in members)
        weight = _clip(weight, learned.scale.floors[place], learned.scale.caps[place])
        if weight:
            lines.append(Factor(group.key, group.label, own / 1000, weight))
    profile = profile_rows(facts, np.array([at], dtype=np.int64))
    for rule, (answer, weight) in zip(learned_rules(document), learned.rules, strict=True):
        if facts.profile_answers[profile[0], answer]:
            lines.append(Factor(rule.key, rule.label, 1.0, weight))
    lines.sort(key=lambda line: (-abs(line.micro), line.feature))
    lines.append(Factor("", "What everybody starts from", 1.0, learned.intercept))
    return Factors(tuple(lines), sum(line.micro for line in lines))


def _clip(value: int, low: int, high: int) -> int:
    return min(max(value, int(low)), int(high))
