"""Observing: what was known about each contact at chosen moments of its past, and what it did afterwards.

Nothing that happened after the moment of an observation is in it, but for the label, which is what the future brought.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from scoring.definition import Count, Criterion, DefinitionDocument
from scoring.definition.document import Evidence
from scoring.engine.compiled import FIRST_PROPERTY_CODE, Compiled, KindFacts, compile_definition
from scoring.engine.facts import DAY, NEVER, UNKNOWN_PAST, BoolArray, Facts, IntArray, Prior, SmallArray
from scoring.engine.judging import judge, profile_rows
from scoring.engine.replaying import Change, Timeline, replay
from scoring.engine.weighing import weigh_events

FloatArray = npt.NDArray[np.float32]

Mode = Literal["month-ends", "own-times"]

# So many moments of one contact at most, where it is observed at its own times.
MOST_OWN_TIMES = 12

# A signal weighs in an observation while at least this share of the points of one event is left.
_STILL_WEIGHS = 0.1


@dataclass(frozen=True, slots=True)
class Schedule:
    """When contacts are observed: from ``since`` to ``until``, seen from ``now`` (all microseconds).

    ``month-ends``: at the last instant of each UTC month. ``own-times``: at the last moment of each UTC day at which
    the contact did something, at most MOST_OWN_TIMES of them, evenly spread. Never before the contact is known, at or
    after its first outcome, or when ``horizon`` after it is not over yet.
    """

    mode: Mode
    now: int
    horizon: int
    since: int = UNKNOWN_PAST
    until: int = NEVER


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many moments were no observations: the outcome came first, the horizon is not over, too many of a contact.

    ``after_outcome`` is counted for month ends only; a contact's own times end with its outcome.
    """

    after_outcome: int = 0
    horizon_open: int = 0
    thinned: int = 0


@dataclass(frozen=True, slots=True)
class Buyers:
    """Contacts with an outcome in the period, a row each: when it came, and what led there strictly before it.

    ``known`` tells whether anything was known of the contact before. ``stage`` is the last one before (-1: none),
    ``reached_at`` for each stage the first moment at it or a stronger one (NEVER: not before the outcome).
    """

    contact: IntArray
    purchase_at: IntArray
    known: BoolArray
    stage: SmallArray
    reached_at: IntArray


@dataclass(frozen=True, slots=True)
class Observations:
    """Observations of some contacts, a row each, by contact and time.

    ``label``: the first outcome came later than ``at``, within the horizon. ``purchase_at`` is when it came, even if
    later than that (NEVER: not yet). ``values``: each feature in points as it weighed then, a fit rule 1 or 0; a
    feature's name is its place in a learned score: ``signals.KEY``, ``groups.KEY`` or ``fit_rules.KEY``.
    ``weighs``: whether each rule (every signal with points, then every fit rule) weighed. ``log_odds``: what the
    learned score said, in millionths; None where the definition has none that is switched on. ``contacts`` were looked
    at, whether observed or not.
    """

    contacts: int
    contact: IntArray
    at: IntArray
    label: BoolArray
    purchase_at: IntArray
    stage: SmallArray
    engagement: IntArray
    fit: IntArray
    values: FloatArray
    feature_names: tuple[str, ...]
    weighs: BoolArray
    log_odds: IntArray | None
    buyers: Buyers
    left_out: LeftOut


class Observer:
    """A definition made ready to observe contacts under it, as if it had always been in force.

    ``outcome`` names the events of which the first is a contact's outcome. Load facts for ``compiled`` (it looks at
    more than the definition given: at the outcome, and at each fit rule by itself) and hand them to ``observe``.
    """

    def __init__(
        self, document: DefinitionDocument, kinds: Iterable[KindFacts], *, outcome: Evidence, version: str = ""
    ) -> None:
        kinds = list(kinds)
        name = "outcome"
        while name in document.evidence:
            name += "_"
        wanted = Criterion(count=Count(of=name))
        met = [Criterion(attribute=rule.test) for rule in document.fit.rules]
        flag = document.stages[0].flag_unless
        # Flags never move a contact: what hangs there is answered without changing any judgement.
        floor = msgspec.structs.replace(
            document.stages[0], flag_unless=Criterion(any=(wanted, *met, *([flag] if flag else [])))
        )
        self.document = document
        self.compiled: Compiled = compile_definition(
            msgspec.structs.replace(
                document, evidence={**document.evidence, name: outcome}, stages=(floor, *document.stages[1:])
            ),
            kinds,
            version=version,
        )
        leaves = {msgspec.json.encode(leaf.criterion): leaf for leaf in self.compiled.leaves}
        count = leaves[msgspec.json.encode(wanted)].count
        if count is None:
            raise ValueError("the outcome was not compiled as a count")
        self._outcome = count.of
        self._answers = [leaves[msgspec.json.encode(criterion)].answer for criterion in met]
        self._own = np.zeros(FIRST_PROPERTY_CODE, dtype=np.bool_)
        self._own[[kind.id for kind in kinds if kind.initiator in ("them", "both")]] = True
        self._signals = [index for index, signal in enumerate(document.signals) if round(signal.points * 1000)]
        self._free = [index for index in self._signals if not document.signals[index].group]
        self.rule_keys = tuple(
            [("signal", document.signals[index].key) for index in self._signals]
            + [("fit", rule.key) for rule in document.fit.rules]
        )
        self.feature_names = (
            *(f"signals.{document.signals[index].key}" for index in self._free),
            *(f"groups.{group.key}" for group in document.groups),
            *(f"fit_rules.{rule.key}" for rule in document.fit.rules),
        )

    def observe(self, facts: Facts, contact_ids: IntArray, schedule: Schedule) -> Observations:
        """Observe contacts, given all their facts; ``contact_ids`` names them in the order of the facts."""
        outcome_at = self._outcome_at(facts, schedule.now)
        known_at = _known_at(facts)
        contact, at, left_out = self._moments(facts, schedule, known_at, outcome_at)
        last_outcome = min(schedule.now, schedule.until + schedule.horizon)
        bought = np.flatnonzero((outcome_at > schedule.since) & (outcome_at <= last_outcome))
        # Nothing at or after the outcome is replayed, not even the outcome itself.
        until = np.full(facts.contacts, UNKNOWN_PAST, dtype=np.int64)
        np.maximum.at(until, contact, at)
        until[bought] = np.maximum(until[bought], outcome_at[bought] - 1)
        chosen = np.flatnonzero(until > UNKNOWN_PAST)
        part = facts.of_contacts(chosen)
        place = np.full(facts.contacts, -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        changes = _Changes(replay(self.compiled, part, Timeline.start(len(chosen)), until=until[chosen]))
        judged = self._judge(part, place[contact], at, changes)
        reached_at = np.stack(
            [
                changes.first_at(rank, before=outcome_at[bought], contact=place[bought])
                for rank in range(self.compiled.stage_count)
            ],
            axis=1,
        )
        return Observations(
            contacts=facts.contacts,
            contact=contact_ids[contact],
            at=at,
            label=outcome_at[contact] <= at + schedule.horizon,
            purchase_at=outcome_at[contact],
            stage=judged.stage,
            engagement=judged.engagement,
            fit=judged.fit,
            values=judged.values,
            feature_names=self.feature_names,
            weighs=judged.weighs,
            log_odds=judged.log_odds if self.compiled.learned is not None else None,
            buyers=Buyers(
                contact=contact_ids[bought],
                purchase_at=outcome_at[bought],
                known=known_at[bought] < outcome_at[bought],
                stage=changes.stage_at(place[bought], outcome_at[bought] - 1),
                reached_at=reached_at,
            ),
            left_out=left_out,
        )

    def _outcome_at(self, facts: Facts, now: int) -> IntArray:
        """When each contact's first outcome came; NEVER where none has by ``now``."""
        first = np.full(facts.contacts, NEVER, dtype=np.int64)
        rows = self._outcome[facts.event_code] & (facts.event_at <= now)
        np.minimum.at(first, facts.event_contact[rows], facts.event_at[rows])
        return first

    def _moments(
        self, facts: Facts, schedule: Schedule, known_at: IntArray, outcome_at: IntArray
    ) -> tuple[IntArray, IntArray, LeftOut]:
        """The moments of observation as (contact, time), by contact and time."""
        latest = min(schedule.until, schedule.now)
        if schedule.mode == "month-ends":
            found, after_outcome = _month_ends(np.maximum(known_at, schedule.since), outcome_at, latest)
        else:
            after_outcome = 0
            own = (facts.event_code < FIRST_PROPERTY_CODE) & (facts.event_at >= schedule.since)
            own[own] = self._own[facts.event_code[own]]
            own &= (facts.event_at < outcome_at[facts.event_contact]) & (facts.event_at <= latest)
            found = _last_of_days(facts.event_contact[own], facts.event_at[own])
        contact, at = found
        over = at <= schedule.now - schedule.horizon
        horizon_open = int(len(at) - over.sum())
        contact, at = contact[over], at[over]
        thinned = 0
        if schedule.mode == "own-times":
            kept = _spread(contact, facts.contacts, MOST_OWN_TIMES)
            thinned = int(len(at) - kept.sum())
            contact, at = contact[kept], at[kept]
        return contact, at, LeftOut(after_outcome, horizon_open, thinned)

    def _judge(self, facts: Facts, contact: IntArray, at: IntArray, changes: "_Changes") -> "_Judged":
        """Judge every observation from where the contact stood, the k-th of each contact together."""
        size = len(contact)
        judged = _Judged(
            stage=changes.stage_at(contact, at),
            engagement=np.zeros(size, dtype=np.int64),
            fit=np.zeros(size, dtype=np.int64),
            log_odds=np.zeros(size, dtype=np.int64),
            values=np.zeros((size, len(self.feature_names)), dtype=np.float32),
            weighs=np.zeros((size, len(self.rule_keys)), dtype=np.bool_),
        )
        ordinal = np.arange(size) - np.searchsorted(contact, contact, side="left")
        for turn in range(int(ordinal.max()) + 1 if size else 0):
            rows = np.flatnonzero(ordinal == turn)
            part = facts if len(rows) == facts.contacts else facts.of_contacts(contact[rows])
            prior = Prior(judged.stage[rows], judged.stage[rows])
            verdicts = judge(self.compiled, part, at[rows], prior)
            judged.stage[rows] = verdicts.stage
            judged.engagement[rows], judged.fit[rows] = verdicts.engagement, verdicts.fit
            if verdicts.log_odds is not None:
                judged.log_odds[rows] = verdicts.log_odds
            judged.values[rows], judged.weighs[rows] = self._weigh(part, at[rows])
        return judged

    def _weigh(self, facts: Facts, at: IntArray) -> tuple[FloatArray, BoolArray]:
        """What each feature and each rule weighs for each contact at its moment."""
        signals = self.document.signals
        weighed = np.zeros(facts.contacts * len(signals))
        moment = at[facts.event_contact]
        for weights in weigh_events(self.compiled, facts, moment, facts.event_at <= moment):
            cell = facts.event_contact[weights.rows] * len(signals) + weights.signal
            weighed += np.bincount(cell, weights=weights.millipoints, minlength=len(weighed))
        points = weighed.reshape(facts.contacts, len(signals)) / 1000
        groups = []
        for group in self.document.groups:
            total = points[:, [index for index in self._signals if signals[index].group == group.key]].sum(axis=1)
            total = np.minimum(total, np.inf if group.cap is None else group.cap)
            groups.append(np.maximum(total, 0) if group.floor_at_zero else total)
        met = facts.profile_answers[profile_rows(facts, at)][:, self._answers]
        least = np.array([abs(signals[index].points) * _STILL_WEIGHS for index in self._signals])
        values = np.concatenate(
            [points[:, self._free], np.array(groups).reshape(len(groups), facts.contacts).T, met], axis=1
        )
        return values.astype(np.float32), np.concatenate([np.abs(points[:, self._signals]) >= least, met], axis=1)


@dataclass(slots=True)
class _Judged:
    stage: SmallArray
    engagement: IntArray
    fit: IntArray
    log_odds: IntArray
    values: FloatArray
    weighs: BoolArray


class _Changes:
    """Changes of stage as arrays, by contact and time."""

    def __init__(self, changes: list[Change]) -> None:
        contact = np.array([change.contact for change in changes], dtype=np.int64)
        at = np.array([change.at for change in changes], dtype=np.int64)
        order = np.lexsort((at, contact))
        self._contact, self._at = contact[order], at[order]
        self._rank = np.array([change.to_rank for change in changes], dtype=np.int16)[order]

    def stage_at(self, contact: IntArray, at: IntArray) -> SmallArray:
        """The stage of each contact at its moment; -1 where it was not judged by then."""
        size = len(self._contact)
        asked = np.concatenate([self._contact, contact])
        order = np.lexsort((np.arange(len(asked)) >= size, np.concatenate([self._at, at]), asked))
        last = np.maximum.accumulate(np.where(order < size, order, -1))
        # Changes are in order already, so their places only grow along ``order``.
        found = np.full(len(contact), -1, dtype=np.int64)
        question = order >= size
        found[order[question] - size] = last[question]
        stage = np.full(len(contact), -1, dtype=np.int16)
        own = found >= 0
        own[own] = self._contact[found[own]] == contact[own]
        stage[own] = self._rank[found[own]]
        return stage

    def first_at(self, rank: int, *, before: IntArray, contact: IntArray) -> IntArray:
        """When each contact (each at most once) first stood at ``rank`` or above, NEVER if not ``before`` that."""
        most = max(int(self._contact.max(initial=-1)), int(contact.max(initial=-1))) + 1
        first = np.full(most, NEVER, dtype=np.int64)
        reached = self._rank >= rank
        np.minimum.at(first, self._contact[reached], self._at[reached])
        return np.where(first[contact] < before, first[contact], NEVER)


def month_ends(first: int, last: int) -> IntArray:
    """The last instants of the UTC months, as microseconds, that lie from ``first`` to ``last`` inclusive."""
    begin, end = np.datetime64(first, "us").astype("datetime64[M]"), np.datetime64(last, "us").astype("datetime64[M]")
    after = np.arange(begin, end + 1) + 1
    ends: IntArray = after.astype("datetime64[us]").astype(np.int64) - 1
    return ends[(ends >= first) & (ends <= last)]


def _known_at(facts: Facts) -> IntArray:
    """The moment of each contact's first fact; NEVER for a contact without any."""
    known = facts.first_seen.copy()
    np.minimum.at(known, facts.event_contact, facts.event_at)
    dated = facts.profile_at > UNKNOWN_PAST
    np.minimum.at(known, facts.profile_contact[dated], facts.profile_at[dated])
    return known


def _month_ends(since: IntArray, outcome_at: IntArray, latest: int) -> tuple[tuple[IntArray, IntArray], int]:
    """Month ends of each contact from ``since`` on, before its outcome; and how many came at or after outcomes."""
    earliest = int(since.min(initial=NEVER))
    if earliest > latest:
        return (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)), 0
    grid = month_ends(earliest, latest)
    first = np.searchsorted(grid, since, side="left")
    end = np.maximum(np.searchsorted(grid, outcome_at, side="left"), first)
    number = end - first
    contact = np.repeat(np.arange(len(since)), number)
    step = np.arange(len(contact)) - np.repeat(np.cumsum(number) - number, number)
    return (contact, grid[np.repeat(first, number) + step]), int((len(grid) - end).sum())


def _last_of_days(contact: IntArray, at: IntArray) -> tuple[IntArray, IntArray]:
    """The last moment of each contact on each UTC day, by contact and time."""
    order = np.lexsort((at, contact))
    contact, at = contact[order], at[order]
    last = np.ones(len(at), dtype=np.bool_)
    last[:-1] = (contact[1:] != contact[:-1]) | (at[1:] // DAY != at[:-1] // DAY)
    return contact[last], at[last]


def _spread(contact: IntArray, contacts: int, most: int) -> BoolArray:
    """At most ``most`` of each contact's rows: the middle one of each of so many equal parts of its history.

    Rows count alike whatever came of them: the last before an outcome is not favoured.
    """
    number = np.bincount(contact, minlength=contacts)[contact]
    ordinal = np.arange(len(contact)) - np.searchsorted(contact, contact, side="left")
    # Part k of n rows has its middle at floor((k + 1/2) n / most); the least k that comes to this row or later:
    part = -((number - 2 * most * ordinal) // (2 * number))
    middle = (2 * part + 1) * number // (2 * most)
    return np.asarray((number <= most) | ((middle == ordinal) & (part < most) & (part >= 0)), dtype=np.bool_)
