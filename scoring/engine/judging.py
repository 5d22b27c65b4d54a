"""Judging: scores, criteria, the enter/keep fold and the next moment at which time alone may change a verdict."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scoring.definition import Criterion
from scoring.definition.document import Count
from scoring.engine.compiled import Compiled, CountLeaf, LearnedScale, Node, log_odds_of
from scoring.engine.facts import MINUTE, NEVER, UNKNOWN_PAST, BoolArray, Facts, IntArray, Prior, Verdicts
from scoring.engine.scores import Scores
from scoring.engine.weighing import Weights, weigh, weigh_events

__all__ = ["FRESHNESS", "judge", "log_odds_of_profiles", "node_truth", "profile_rows", "weigh_events"]

# A stored score is never staler than this, in millipoints (DESIGN.md).
FRESHNESS = 5_000


def judge(compiled: Compiled, facts: Facts, at: IntArray, prior: Prior, *, freshness: int = FRESHNESS) -> Verdicts:
    """Judge each contact at its own moment ``at`` (microseconds), given where it stood before.

    Events later than the moment are ignored. The stage is the strongest whose enter criteria hold, or the
    strongest at or below the prior one whose keep criteria hold, whichever is stronger (a Schmitt trigger).
    ``freshness``: a score that loses so many millipoints asks for a review as well; 0 for reviews that may change
    a stage only.
    """
    event_moment = at[facts.event_contact]
    live = facts.event_at <= event_moment
    profile = profile_rows(facts, at)
    fit = facts.profile_fit[profile]
    countable = _countable(compiled, facts, live)
    returns = _Returns(compiled, countable, at)
    review = np.where(returns.cooling, returns.last + compiled.cool_down, NEVER)
    scores = _Scored(compiled, facts, profile, weigh_events(compiled, facts, event_moment, live), freshness)
    np.minimum(review, scores.next_change(at), out=review)

    truths: dict[int, BoolArray] = {}
    counted: dict[int, IntArray] = {}
    last_counted: dict[int, IntArray] = {}
    since_return: _Scored | None = None
    evidence = _Evidence(countable, returns)
    for index, leaf in enumerate(compiled.leaves):
        criterion = leaf.criterion
        if leaf.count is not None and criterion.count is not None:
            found = _count(leaf.count, countable, at, *evidence.of(leaf.count, criterion.count, leaf.handoff))
            truths[index] = found.number >= leaf.count.at_least
            counted[index], last_counted[index] = found.number, found.last
            np.minimum(review, found.expires, out=review)
        elif leaf.answer >= 0:
            truths[index] = facts.profile_answers[profile, leaf.answer]
        elif criterion.fit is not None:
            no_target = not compiled.document.fit.rules
            truths[index] = (fit >= round(criterion.fit.at_least * 1000)) | no_target
        else:
            if leaf.handoff and returns.any and since_return is None:
                weights = weigh_events(compiled, facts, event_moment, live & returns.eligible(facts))
                since_return = _Scored(compiled, facts, profile, weights, freshness)
                np.minimum(review, since_return.next_change(at), out=review)
            truths[index] = (since_return if leaf.handoff and since_return else scores).reaches(criterion, fit)

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
        engagement=scores.engagement.total,
        fit=fit,
        review_at=review,
        enter=enter,
        keep=keep,
        truths=truths,
        counted=counted,
        last_counted=last_counted,
        log_odds=scores.learned.total if scores.learned else None,
    )


class _Scored:
    """All scores of the contacts from one choice of evidence: engagement, and the learned score where there is one."""

    def __init__(
        self, compiled: Compiled, facts: Facts, profile: IntArray, weights: list[Weights], freshness: int
    ) -> None:
        fit = facts.profile_fit[profile]
        # A score is fit and engagement together, and the fit does not fade.
        thresholds: list[int | IntArray] = [*compiled.thresholds]
        thresholds += [threshold - fit for threshold in compiled.score_thresholds]
        self.engagement = Scores(
            compiled.engagement,
            compiled.half_lives,
            facts,
            [(layer, layer.millipoints) for layer in weights],
            thresholds,
            freshness=freshness,
        )
        self.learned: Scores | None = None
        if compiled.learned is not None:
            points = compiled.learned.scale.points
            self.learned = Scores(
                compiled.learned.scale,
                compiled.half_lives,
                facts,
                [(layer, weigh(points, layer.signal, layer.decay)) for layer in weights],
                compiled.learned.thresholds,
                base=log_odds_of_profiles(compiled.learned, facts, profile),
            )

    def next_change(self, at: IntArray) -> IntArray:
        """The earliest moment at which time alone may change what the scores say."""
        soonest = self.engagement.next_change(at)
        return soonest if self.learned is None else np.minimum(soonest, self.learned.next_change(at))

    def reaches(self, criterion: Criterion, fit: IntArray) -> BoolArray:
        """Whether each contact meets a threshold of engagement, of the score or of the likelihood."""
        if criterion.score is not None:
            return np.asarray(self.engagement.total + fit >= round(criterion.score.at_least * 1000))
        if criterion.engagement is not None:
            return np.asarray(self.engagement.total >= round(criterion.engagement.at_least * 1000))
        if self.learned is None or criterion.likelihood is None:
            return np.zeros(len(fit), dtype=np.bool_)
        return np.asarray(self.learned.total >= log_odds_of(criterion.likelihood.at_least))


def log_odds_of_profiles(learned: LearnedScale, facts: Facts, profile: IntArray) -> IntArray:
    """What the learned score says of each contact's profile alone, its intercept included, in millionths."""
    total = np.full(len(profile), learned.intercept, dtype=np.int64)
    for answer, weight in learned.rules:
        total += weight * facts.profile_answers[profile, answer]
    return total


def _countable(compiled: Compiled, facts: Facts, live: BoolArray) -> Facts:
    """The facts with only those live events that some criterion counts: most only weigh."""
    rows = np.flatnonzero(compiled.countable[facts.event_code] & live)
    return replace(
        facts,
        event_contact=facts.event_contact[rows],
        event_at=facts.event_at[rows],
        event_code=facts.event_code[rows],
        event_id=rows[:0],
        event_value=rows[:0],
    )


class _Returns:
    """What the last handoff_returned leaves of the evidence for handoff stages (PRODUCT hard rule 5)."""

    def __init__(self, compiled: Compiled, facts: Facts, at: IntArray) -> None:
        self._lifts = compiled.lifts_cool_down
        self.last = _last_by(facts, compiled.returned[facts.event_code])
        self.any = bool((self.last > UNKNOWN_PAST).any())
        self.cooling = (self.last > UNKNOWN_PAST) & (at < self.last + compiled.cool_down)

    def eligible(self, facts: Facts) -> BoolArray:
        """Which events count for a handoff stage."""
        after_return = facts.event_at > self.last[facts.event_contact]
        return np.asarray(after_return & (~self.cooling[facts.event_contact] | self._lifts[facts.event_code]))


class _Evidence:
    """The rows of each evidence, and the last of each contact: many leaves ask about the same in other windows."""

    def __init__(self, facts: Facts, returns: _Returns) -> None:
        self._facts = facts
        self._eligible = returns.eligible(facts) if returns.any else None
        self._rows: dict[tuple[str, bool], IntArray] = {}
        self._last: dict[str, IntArray] = {}

    def of(self, leaf: CountLeaf, count: Count, handoff: bool) -> tuple[IntArray, IntArray | None]:
        """The rows that a leaf counts, whatever its window, and its anchor for each contact if it has one."""
        named = count.of, handoff and self._eligible is not None
        if named not in self._rows:
            chosen = leaf.of[self._facts.event_code]
            if named[1] and self._eligible is not None:
                chosen &= self._eligible
            self._rows[named] = np.flatnonzero(chosen)
        if leaf.after is None or count.after is None:
            return self._rows[named], None
        if count.after not in self._last:
            self._last[count.after] = _last_by(self._facts, leaf.after[self._facts.event_code])
        return self._rows[named], self._last[count.after]


@dataclass(frozen=True, slots=True)
class _Counted:
    number: IntArray
    last: IntArray
    expires: IntArray


def _count(leaf: CountLeaf, facts: Facts, at: IntArray, rows: IntArray, anchor: IntArray | None) -> _Counted:
    """Count a leaf's events for each contact, with the latest, and when the count falls below what is asked.

    ``rows``: all of the leaf's evidence. ``anchor``: the moment of each contact after which it counts.
    """
    if anchor is not None:
        rows = rows[facts.event_at[rows] > anchor[facts.event_contact[rows]]]
    if leaf.window:
        rows = rows[facts.event_at[rows] > at[facts.event_contact[rows]] - leaf.window]
    contact, when = facts.event_contact[rows], facts.event_at[rows]
    number = np.bincount(contact, minlength=facts.contacts)
    last = np.full(facts.contacts, UNKNOWN_PAST, dtype=np.int64)
    expires = np.full(facts.contacts, NEVER, dtype=np.int64)
    if len(rows):
        if not (facts.ordered or _in_order(contact, when)):
            order = np.lexsort((when, contact))
            contact, when = contact[order], when[order]
        ends = np.cumsum(number)
        last[number > 0] = when[ends[number > 0] - 1]
        enough = number >= leaf.at_least
        if leaf.window:
            expires[enough] = when[ends[enough] - leaf.at_least] + leaf.window
    return _Counted(number, last, expires)


def _in_order(contact: IntArray, when: IntArray) -> bool:
    """Whether rows go by contact and time: to ask takes a fraction of what it takes to sort them."""
    step = contact[1:] - contact[:-1]
    return bool(((step > 0) | ((step == 0) & (when[1:] >= when[:-1]))).all())


def _last_by(facts: Facts, mask: BoolArray) -> IntArray:
    last = np.full(facts.contacts, UNKNOWN_PAST, dtype=np.int64)
    np.maximum.at(last, facts.event_contact[mask], facts.event_at[mask])
    return last


def profile_rows(facts: Facts, at: IntArray) -> IntArray:
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
