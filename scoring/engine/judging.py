"""Judging: scores, criteria, the enter/keep fold and the next moment at which time alone may change a verdict."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.engine.compiled import Compiled, CountLeaf, Node
from scoring.engine.facts import MINUTE, NEVER, UNKNOWN_PAST, BoolArray, Facts, IntArray, Prior, Verdicts

# A stored score is never staler than this, in millipoints (DESIGN.md).
FRESHNESS = 5_000


@dataclass(frozen=True, slots=True)
class Weights:
    """What single events weigh: their rows in the facts, the signal that counts them, millipoints after decay."""

    rows: IntArray
    signal: npt.NDArray[np.int16]
    millipoints: IntArray


def judge(compiled: Compiled, facts: Facts, at: IntArray, prior: Prior) -> Verdicts:
    """Judge each contact at its own moment ``at`` (microseconds), given where it stood before.

    Events later than the moment are ignored. The stage is the strongest whose enter criteria hold, or the
    strongest at or below the prior one whose keep criteria hold, whichever is stronger (a Schmitt trigger).
    """
    event_moment = at[facts.event_contact]
    live = facts.event_at <= event_moment
    weights = weigh_events(compiled, facts, event_moment, live)
    profile = _profile_rows(facts, at)
    fit = facts.profile_fit[profile]
    scores = _Scores(compiled, facts, weights, fit)
    returns = _Returns(compiled, facts, at, live)
    review = np.where(returns.cooling, returns.last + compiled.cool_down, NEVER)
    np.minimum(review, scores.next_change(at), out=review)

    truths: dict[int, BoolArray] = {}
    counted: dict[int, IntArray] = {}
    last_counted: dict[int, IntArray] = {}
    handoff_engagement: IntArray | None = None
    for index, leaf in enumerate(compiled.leaves):
        criterion = leaf.criterion
        if leaf.count is not None:
            found = _count(leaf.count, facts, at, live & returns.eligible if leaf.handoff and returns.any else live)
            truths[index] = found.number >= leaf.count.at_least
            counted[index], last_counted[index] = found.number, found.last
            np.minimum(review, found.expires, out=review)
        elif criterion.engagement is not None or criterion.score is not None:
            engagement = scores.engagement
            if leaf.handoff and returns.any:
                if handoff_engagement is None:
                    since_return = weigh_events(compiled, facts, event_moment, live & returns.eligible)
                    fresh_scores = _Scores(compiled, facts, since_return, fit)
                    handoff_engagement = fresh_scores.engagement
                    np.minimum(review, fresh_scores.next_change(at), out=review)
                engagement = handoff_engagement
            if criterion.score is not None:
                truths[index] = engagement + fit >= round(criterion.score.at_least * 1000)
            elif criterion.engagement is not None:
                truths[index] = engagement >= round(criterion.engagement.at_least * 1000)
        elif criterion.fit is not None:
            no_target = not compiled.document.fit.rules
            truths[index] = (fit >= round(criterion.fit.at_least * 1000)) | no_target
        else:
            truths[index] = facts.profile_answers[profile, leaf.answer]

    enter = _stage_truths(compiled.enter, truths, facts.contacts, missing=False)
    keep = _stage_truths(compiled.keep, truths, facts.contacts, missing=False)
    for rank, node in enumerate(compiled.keep):
        if node is None:
            keep[:, rank] = enter[:, rank]
    enter[:, 0] = keep[:, 0] = True
    stage = _fold(enter, keep, prior.stage)
    earliest = at + MINUTE
    review = np.where(review == NEVER, NEVER, -(-np.maximum(review, earliest) // MINUTE) * MINUTE)
    return Verdicts(
        stage=stage,
        furthest=np.maximum(prior.furthest, stage),
        engagement=scores.engagement,
        fit=fit,
        review_at=review,
        enter=enter,
        keep=keep,
        truths=truths,
        counted=counted,
        last_counted=last_counted,
    )


def weigh_events(compiled: Compiled, facts: Facts, event_moment: IntArray, chosen: BoolArray) -> list[Weights]:
    """Weigh the chosen events, each rounded by itself so that any order or batch adds up to the same.

    Exponential decay: points * 2 ** (-age / half_life).
    """
    found = []
    for layer in compiled.layers:
        signal = layer.signal_of[facts.event_code]
        rows = np.flatnonzero((signal >= 0) & chosen)
        if layer.once or layer.latest:
            rows = _counted_rows(facts, rows, 1 if layer.once else layer.latest, first=layer.once)
        signal = signal[rows]
        age = event_moment[rows] - facts.event_at[rows]
        decayed = compiled.points[signal] * np.exp2(-age / compiled.half_lives[signal])
        found.append(Weights(rows, signal, np.rint(decayed).astype(np.int64)))
    return found


def _counted_rows(facts: Facts, rows: IntArray, number: int, *, first: bool) -> IntArray:
    """Of each contact's rows the first or latest ``number`` in time."""
    rows = rows[np.lexsort((facts.event_at[rows], facts.event_contact[rows]))]
    contact = facts.event_contact[rows]
    starts = np.searchsorted(contact, contact, side="left")
    ends = np.searchsorted(contact, contact, side="right")
    place = np.arange(len(rows))
    return rows[place - starts < number] if first else rows[ends - place <= number]


class _Scores:
    """Engagement of each contact, and a safe lower bound of when decay next carries it over a threshold."""

    def __init__(self, compiled: Compiled, facts: Facts, weights: list[Weights], fit: IntArray) -> None:
        contacts, groups = facts.contacts, len(compiled.caps)
        self._thresholds: list[int | IntArray] = [*compiled.thresholds]
        # What engagement must add to the fit, which does not fade.
        self._thresholds += [threshold - fit for threshold in compiled.score_thresholds]
        self._shortest = np.full(contacts, np.inf)
        fading, lasting = np.zeros(contacts, dtype=np.int64), np.zeros(contacts, dtype=np.int64)
        negative = np.zeros(contacts, dtype=np.int64)
        capped = np.zeros((groups, contacts), dtype=np.int64)
        for layer in weights:
            contact = facts.event_contact[layer.rows]
            half_life = compiled.half_lives[layer.signal]
            group = compiled.group_of[layer.signal]
            ungrouped = layer.millipoints if groups == 0 else np.where(group < 0, layer.millipoints, 0)
            for index in range(groups):
                inside = group == index
                if inside.any():
                    capped[index] += _sum_by(contact[inside], layer.millipoints[inside], contacts)
            if (layer.millipoints < 0).any():
                negative -= _sum_by(contact, np.minimum(ungrouped, 0), contacts)
                ungrouped = np.maximum(ungrouped, 0)
            forever = np.isinf(half_life)
            if forever.any():
                lasting += _sum_by(contact[forever], ungrouped[forever], contacts)
                ungrouped = np.where(forever, 0, ungrouped)
            fading += _sum_by(contact, ungrouped, contacts)
            for shortest in np.unique(half_life):
                mine = contact[half_life == shortest]
                self._shortest[mine] = np.minimum(self._shortest[mine], shortest)
        if groups:
            fading += np.minimum(capped, compiled.caps[:, None]).sum(axis=0)
        self._fading, self._lasting, self._negative = fading, lasting, negative
        self.engagement: IntArray = fading + lasting - negative

    def next_change(self, at: IntArray) -> IntArray:
        """Earliest moment at which decay alone could cross a threshold, or lose FRESHNESS points; NEVER if none.

        With all positive points on the shortest half-life: fading * 2 ** -x + lasting - negative < threshold,
        solved for x half-lives. Fading negatives raise the score: bounded alike from the other side.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            halves = np.where(self._fading > FRESHNESS, -np.log2(1 - FRESHNESS / self._fading), np.inf)
            for threshold in self._thresholds:
                floor = threshold + self._negative - self._lasting
                falls = (self.engagement >= threshold) & (floor > 0)
                halves = np.where(falls, np.minimum(halves, np.log2(self._fading / floor)), halves)
                room = self._fading + self._lasting - threshold
                rises = (self.engagement < threshold) & (self._negative > 0) & (room >= 0)
                halves = np.where(rises, np.minimum(halves, np.log2(self._negative / room)), halves)
            wait = np.maximum(halves, 0) * self._shortest
        return np.where(wait < NEVER // 2, at + np.where(wait < NEVER // 2, wait, 0).astype(np.int64), NEVER)


class _Returns:
    """What the last handoff_returned leaves of the evidence for handoff stages (PRODUCT hard rule 5)."""

    def __init__(self, compiled: Compiled, facts: Facts, at: IntArray, live: BoolArray) -> None:
        self.last = _last_by(facts, live & compiled.returned[facts.event_code])
        self.any = bool((self.last > UNKNOWN_PAST).any())
        self.cooling = (self.last > UNKNOWN_PAST) & (at < self.last + compiled.cool_down)
        self.eligible: BoolArray = live
        if self.any:
            after_return = facts.event_at > self.last[facts.event_contact]
            lifts = compiled.lifts_cool_down[facts.event_code]
            self.eligible = after_return & (~self.cooling[facts.event_contact] | lifts)


@dataclass(frozen=True, slots=True)
class _Counted:
    number: IntArray
    last: IntArray
    expires: IntArray


def _count(leaf: CountLeaf, facts: Facts, at: IntArray, chosen: BoolArray) -> _Counted:
    """Count a leaf's events for each contact, with the latest, and when the count falls below what is asked."""
    mask = leaf.of[facts.event_code] & chosen
    if leaf.after is not None:
        anchor = _last_by(facts, leaf.after[facts.event_code] & (facts.event_at <= at[facts.event_contact]))
        mask &= facts.event_at > anchor[facts.event_contact]
    rows = np.flatnonzero(mask)
    if leaf.window:
        rows = rows[facts.event_at[rows] > at[facts.event_contact[rows]] - leaf.window]
    contact, when = facts.event_contact[rows], facts.event_at[rows]
    number = np.bincount(contact, minlength=facts.contacts)
    last = np.full(facts.contacts, UNKNOWN_PAST, dtype=np.int64)
    expires = np.full(facts.contacts, NEVER, dtype=np.int64)
    if len(rows):
        if not facts.ordered:
            order = np.lexsort((when, contact))
            contact, when = contact[order], when[order]
        ends = np.cumsum(number)
        last[number > 0] = when[ends[number > 0] - 1]
        enough = number >= leaf.at_least
        if leaf.window:
            expires[enough] = when[ends[enough] - leaf.at_least] + leaf.window
    return _Counted(number, last, expires)


def _sum_by(contact: IntArray, values: IntArray, contacts: int) -> IntArray:
    # bincount sums doubles: exact for integers below 2**53, nine quadrillion millipoints.
    return np.bincount(contact, weights=values, minlength=contacts).astype(np.int64)


def _last_by(facts: Facts, mask: BoolArray) -> IntArray:
    last = np.full(facts.contacts, UNKNOWN_PAST, dtype=np.int64)
    np.maximum.at(last, facts.event_contact[mask], facts.event_at[mask])
    return last


def _profile_rows(facts: Facts, at: IntArray) -> IntArray:
    """Row of the profile in force for each contact at its moment."""
    known = facts.profile_at <= at[facts.profile_contact]
    starts = np.searchsorted(facts.profile_contact, np.arange(facts.contacts), side="left")
    return starts + np.bincount(facts.profile_contact[known], minlength=facts.contacts) - 1


def _stage_truths(nodes: list[Node | None], truths: dict[int, BoolArray], contacts: int, *, missing: bool) -> BoolArray:
    result = np.full((contacts, len(nodes)), missing, dtype=np.bool_)
    for rank, node in enumerate(nodes):
        if node is not None:
            result[:, rank] = node_truth(node, truths)
    return result


def node_truth(node: Node, truths: dict[int, BoolArray]) -> BoolArray:
    """Whether a criteria node holds, for each contact."""
    if node.leaf >= 0:
        return truths[node.leaf]
    parts = [node_truth(child, truths) for child in node.children]
    if node.criterion.not_ is not None:
        return ~parts[0]
    combine = np.logical_and if node.criterion.all is not None else np.logical_or
    return np.asarray(combine.reduce(parts), dtype=np.bool_)


def _fold(enter: BoolArray, keep: BoolArray, prior_stage: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """max(strongest enter, strongest stage at or below the prior one whose keep holds)."""
    ranks = np.arange(enter.shape[1], dtype=np.int16)
    entered = np.where(enter, ranks, np.int16(0)).max(axis=1)
    kept = np.where(keep & (ranks <= prior_stage[:, None]), ranks, np.int16(0)).max(axis=1)
    return np.asarray(np.maximum(entered, kept), dtype=np.int16)
