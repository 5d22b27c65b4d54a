"""Replaying: a contact's timeline is the fold of judgements at its moments, all contacts at once."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from scoring.engine.compiled import Compiled
from scoring.engine.facts import NEVER, UNKNOWN_PAST, BoolArray, Facts, IntArray, Prior, SmallArray, Verdicts
from scoring.engine.judging import FRESHNESS, judge


class MomentCause(IntEnum):
    """What made a moment, strongest first where several coincide."""

    PUBLICATION = 0
    EVENT = 1
    ATTRIBUTE = 2
    CREATED = 3
    TIME = 4


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one contact's stage, as ranks; ``from_rank`` -1 for the first judgement of a contact."""

    contact: int
    at: int
    from_rank: int
    to_rank: int
    cause: MomentCause
    engagement: int
    fit: int


@dataclass(slots=True)
class Timeline:
    """Where each contact's fold stands: arrays by contact. ``evaluated_at`` UNKNOWN_PAST: not judged yet."""

    stage: SmallArray
    furthest: SmallArray
    since: IntArray
    engagement: IntArray
    fit: IntArray
    evaluated_at: IntArray
    review_at: IntArray

    @classmethod
    def start(cls, contacts: int) -> "Timeline":
        """Nobody was judged yet."""

        def full(value: int) -> IntArray:
            return np.full(contacts, value, dtype=np.int64)

        prior = Prior.none(contacts)
        return cls(prior.stage, prior.furthest, full(UNKNOWN_PAST), full(0), full(0), full(UNKNOWN_PAST), full(NEVER))


def replay(
    compiled: Compiled,
    facts: Facts,
    timeline: Timeline,
    *,
    until: IntArray,
    published_at: int = UNKNOWN_PAST,
    renamed: IntArray | None = None,
    freshness: int = FRESHNESS,
) -> list[Change]:
    """Fold each contact's moments later than its last one, up to and including ``until``; update the timeline.

    Moments are the distinct times of events, attribute changes and ``published_at`` (for contacts judged
    before it), and the reviews that the judgements themselves ask for: these are judged at their time, however
    late the caller comes, so that live and replayed timelines are equal. Returns the changes in time order
    for each contact. ``renamed`` contacts come from a stage that this definition does not use: their first
    judgement is a change in any case. A publication that leaves a contact as it was leaves no trace in its timeline.
    ``freshness``: as of ``judge``.
    """
    leaves_unused_stage = np.zeros(facts.contacts, dtype=np.bool_)
    if renamed is not None:
        leaves_unused_stage[renamed] = True
    moments = _Moments(facts, published_at)
    changes: list[Change] = []
    active = np.arange(facts.contacts)
    part, part_contacts = facts, active
    while True:
        upcoming, cause = moments.after(timeline, active)
        due = upcoming <= until[active]
        active, upcoming, cause = active[due], upcoming[due], cause[due]
        if not len(active):
            return changes
        # Judging costs as much as its facts are many: drop those of contacts that have no moments left.
        if len(active) * 2 <= len(part_contacts):
            part, part_contacts = facts.of_contacts(active), active
        at = np.full(part.contacts, UNKNOWN_PAST, dtype=np.int64)
        place = np.searchsorted(part_contacts, active)
        at[place] = upcoming
        prior = Prior(timeline.stage[part_contacts], timeline.furthest[part_contacts])
        verdicts = judge(compiled, part, at, prior, freshness=freshness)
        stage = verdicts.stage[place]
        before = timeline.stage[active]
        moved = np.flatnonzero((stage != before) | leaves_unused_stage[active])
        leaves_unused_stage[active] = False
        changes.extend(
            Change(
                contact=int(active[i]),
                at=int(upcoming[i]),
                from_rank=int(before[i]),
                to_rank=int(stage[i]),
                cause=MomentCause(int(cause[i])),
                engagement=int(verdicts.engagement[place[i]]),
                fit=int(verdicts.fit[place[i]]),
            )
            for i in moved
        )
        timeline.since[active[moved]] = upcoming[moved]
        silent = (cause == MomentCause.PUBLICATION) & unmoved_by_publication(timeline, active, verdicts, place)
        silent[moved] = False
        moments.pass_publication(active[cause == MomentCause.PUBLICATION])
        written, place, upcoming = active[~silent], place[~silent], upcoming[~silent]
        timeline.stage[written] = verdicts.stage[place]
        timeline.furthest[written] = verdicts.furthest[place]
        timeline.engagement[written] = verdicts.engagement[place]
        timeline.fit[written] = verdicts.fit[place]
        timeline.evaluated_at[written] = upcoming
        timeline.review_at[written] = verdicts.review_at[place]


def unmoved_by_publication(timeline: Timeline, active: IntArray, verdicts: Verdicts, place: IntArray) -> BoolArray:
    """Whether a publication's moment leaves each contact's standing as it is, so that nothing need be written.

    Same stages and fit, a score within the staleness that is allowed anyway, and a review that still comes in time.
    """
    lost = timeline.engagement[active] - verdicts.engagement[place]
    same: BoolArray = (
        (timeline.stage[active] == verdicts.stage[place])
        & (timeline.furthest[active] == verdicts.furthest[place])
        & (timeline.fit[active] == verdicts.fit[place])
    )
    return same & (lost >= 0) & (lost <= FRESHNESS) & (timeline.review_at[active] <= verdicts.review_at[place])


class _Moments:
    """The dated facts of each contact as ordered, distinct moments with their cause."""

    def __init__(self, facts: Facts, published_at: int) -> None:
        dated = facts.profile_at > UNKNOWN_PAST
        undated = np.flatnonzero(facts.first_seen < NEVER)
        contact = np.concatenate([facts.event_contact, facts.profile_contact[dated], undated])
        when = np.concatenate([facts.event_at, facts.profile_at[dated], facts.first_seen[undated]])
        cause = np.concatenate(
            [
                np.full(len(facts.event_at), MomentCause.EVENT, dtype=np.int8),
                np.full(int(dated.sum()), MomentCause.ATTRIBUTE, dtype=np.int8),
                np.full(len(undated), MomentCause.CREATED, dtype=np.int8),
            ]
        )
        order = np.lexsort((cause, when, contact))
        contact, when, cause = contact[order], when[order], cause[order]
        first = np.ones(len(contact), dtype=np.bool_)
        first[1:] = (contact[1:] != contact[:-1]) | (when[1:] != when[:-1])
        self._contact, self._when, self._cause = contact[first], when[first], cause[first]
        self._starts = np.searchsorted(self._contact, np.arange(facts.contacts + 1))
        self._published_at = published_at
        self._publication_passed = np.zeros(facts.contacts, dtype=np.bool_)
        self._next: IntArray | None = None

    def pass_publication(self, contacts: IntArray) -> None:
        """These contacts were judged at the publication, even where that left no trace."""
        self._publication_passed[contacts] = True

    def after(self, timeline: Timeline, active: IntArray) -> tuple[IntArray, npt.NDArray[np.int8]]:
        """For each active contact its next moment later than its last one, and the cause; NEVER when none."""
        if self._next is None:
            seen = self._when <= timeline.evaluated_at[self._contact]
            self._next = self._starts[:-1] + np.bincount(self._contact[seen], minlength=len(self._starts) - 1)
        position = self._next[active]
        inside = position < self._starts[active + 1]
        # A contact's pointer moves on once its fact moment was judged (reviews in between leave it).
        stale = inside.copy()
        stale[inside] = self._when[position[inside]] <= timeline.evaluated_at[active[inside]]
        self._next[active[stale]] += 1
        position = self._next[active]
        inside = position < self._starts[active + 1]
        when = np.full(len(active), NEVER, dtype=np.int64)
        cause = np.full(len(active), MomentCause.TIME, dtype=np.int8)
        when[inside] = self._when[position[inside]]
        cause[inside] = self._cause[position[inside]]
        review = timeline.review_at[active]
        cause[review < when] = MomentCause.TIME
        when = np.minimum(when, review)
        evaluated = timeline.evaluated_at[active]
        published = (evaluated > UNKNOWN_PAST) & (evaluated < self._published_at) & (self._published_at <= when)
        published &= ~self._publication_passed[active]
        cause[published] = MomentCause.PUBLICATION
        when[published] = self._published_at
        return when, cause


def next_change(
    compiled: Compiled, facts: Facts, timeline: Timeline, *, horizon: int, limit: int = 500
) -> list[Change]:
    """The first change of each contact that time alone will bring within ``horizon`` microseconds.

    Reviews are followed one by one without new facts, at most ``limit`` of them: only those that may change a stage,
    since one that merely refreshes a score moves no other. (All are at whole minutes, and none comes after the first
    such minute at which the stage is another.)
    """
    silent = np.maximum(timeline.evaluated_at, 0) + horizon
    for _ in range(limit):
        step = np.minimum(timeline.review_at, silent)
        if (timeline.review_at > silent).all():
            return []
        found = replay(compiled, facts, timeline, until=step, freshness=0)
        if found:
            return found
    return []
