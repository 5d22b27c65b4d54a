"""Folding contacts' timelines on to now, and writing what changed: standings and transitions, set-based."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db import connection

from contacts.models import Standing
from contacts.services.wake import wake
from scoring.definition import STAGE_KEYS
from scoring.engine import (
    NEVER,
    UNKNOWN_PAST,
    Assessor,
    Change,
    Compiled,
    Facts,
    MomentCause,
    Prior,
    Timeline,
    replay,
)
from scoring.engine.facts import IntArray
from scoring.enums import Cause
from scoring.moments import moment_sql, to_datetime, to_micros
from scoring.selectors import Reign, load_facts, reigns
from scoring.selectors.columns import whole_numbers
from scoring.selectors.facts import facts_since
from scoring.selectors.profiles import CurrentProfiles
from scoring.selectors.standings import Stood, load_standings
from scoring.services.chain import NewTransition, write_transitions

CAUSES = {
    MomentCause.PUBLICATION: Cause.PUBLICATION,
    MomentCause.EVENT: Cause.EVENT,
    MomentCause.ATTRIBUTE: Cause.ATTRIBUTE,
    MomentCause.CREATED: Cause.CREATED,
    MomentCause.TIME: Cause.TIME,
}


@dataclass(slots=True)
class Folded:
    """Contacts (ascending ids) folded to a moment: the timeline, its last activity, the transitions on the way.

    Stages are keys. ``latest_fact`` is the last moment that the facts up to ``until`` make (UNKNOWN_PAST: none).
    """

    contact_ids: IntArray
    timeline: Timeline
    stage: list[str]
    furthest: list[str]
    last_activity: IntArray
    latest_fact: IntArray
    transitions: list[NewTransition] = field(default_factory=list)


def fold_contacts(
    contact_ids: IntArray,
    *,
    until: datetime,
    standings: Mapping[int, Standing] | None = None,
    horizons: IntArray | None = None,
) -> Folded:
    """Fold each contact's timeline up to and including ``until``, under the definitions in force at each moment.

    A contact with an entry in ``standings`` goes on from there, any other starts at its first moment. ``horizons``
    (microseconds) stops each contact at a moment of its own, not later than ``until``. Reads only; a fixed number
    of queries for each definition that was ever in force.
    """
    return _fold(contact_ids, Stood.of(contact_ids, standings or {}), until, _load_all, horizons)


# Facts of contacts (ids, ascending) up to a moment, for timelines that go on from moments of their own.
_Load = Callable[[IntArray, Compiled, IntArray, datetime], Facts]


def _load_all(contact_ids: IntArray, compiled: Compiled, _: IntArray, until: datetime) -> Facts:
    """By their whole histories, whatever was judged before."""
    return load_facts(contact_ids, compiled, Assessor(compiled.document), until=until)


class _Remembered(threading.local):
    """What a thread remembers of the profiles under each definition; these it keeps, for they are known by identity."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Compiled, CurrentProfiles]] = {}

    def profiles(self, compiled: Compiled) -> CurrentProfiles:
        """The profiles under a definition."""
        if id(compiled) not in self._known:
            if len(self._known) >= _DEFINITIONS_REMEMBERED:
                self._known.clear()
            self._known[id(compiled)] = compiled, CurrentProfiles(compiled.document, remembered=_PROFILES_REMEMBERED)
        return self._known[id(compiled)][1]


# Some 40 MB at most: workers that drain live long, and the same contacts come again and again.
_PROFILES_REMEMBERED = 20_000
_DEFINITIONS_REMEMBERED = 8
_remembered = _Remembered()


def _load_since(contact_ids: IntArray, compiled: Compiled, judged_at: IntArray, until: datetime) -> Facts:
    """By the profiles in force now, of whom nothing was said since they were judged; the caller holds the contacts."""
    return facts_since(contact_ids, compiled, _remembered.profiles(compiled), judged_at, until=until)


def _fold(
    contact_ids: IntArray, stood: Stood, until: datetime, load: _Load, horizons: IntArray | None = None
) -> Folded:
    rulers = reigns()
    unranked = Prior.none(len(contact_ids))
    timeline = Timeline(
        stage=unranked.stage,
        furthest=unranked.furthest,
        since=stood.since.copy(),
        engagement=stood.engagement.copy(),
        fit=stood.fit.copy(),
        evaluated_at=stood.evaluated_at.copy(),
        review_at=stood.review_at.copy(),
    )
    # The last of these names is that of nobody's stage, at -1.
    names = (*STAGE_KEYS, "")
    stage, furthest = ([names[place] for place in places.tolist()] for places in (stood.stage, stood.furthest))
    last_activity = stood.last_activity.copy()
    latest_fact = np.full(len(contact_ids), UNKNOWN_PAST, dtype=np.int64)
    folded = Folded(contact_ids, timeline, stage, furthest, last_activity, latest_fact)
    if horizons is None:
        horizons = np.full(len(contact_ids), to_micros(until), dtype=np.int64)
    for reign in rulers:
        last = horizons if reign.until is None else np.minimum(horizons, reign.until - 1)
        behind = np.flatnonzero((timeline.evaluated_at < last) & (reign.since <= horizons))
        if len(behind):
            facts = load(contact_ids[behind], reign.compiled, timeline.evaluated_at[behind], until)
            _fold_reign(folded, reign, behind, last[behind], facts)
    return folded


def _fold_reign(folded: Folded, reign: Reign, behind: IntArray, last: IntArray, facts: Facts) -> None:
    """Fold the contacts ``behind`` through one definition's reign, each up to and including its ``last`` moment."""
    document = reign.compiled.document
    timeline = folded.timeline
    part = Timeline(
        stage=np.array([document.stage_rank(folded.stage[i]) for i in behind], dtype=np.int16),
        furthest=np.array([document.stage_rank(folded.furthest[i]) for i in behind], dtype=np.int16),
        since=timeline.since[behind],
        engagement=timeline.engagement[behind],
        fit=timeline.fit[behind],
        evaluated_at=timeline.evaluated_at[behind],
        review_at=timeline.review_at[behind],
    )
    former = {
        place: folded.stage[i]
        for place, (i, rank) in enumerate(zip(behind, part.stage, strict=True))
        if rank >= 0 and document.stages[rank].key != folded.stage[i]
    }
    furthest_before = part.furthest.copy()
    changes = replay(
        reign.compiled,
        facts,
        part,
        until=last,
        published_at=reign.since,
        renamed=np.array(list(former), dtype=np.int64),
    )
    keys = [stage.key for stage in document.stages]
    for change in changes:
        index = int(behind[change.contact])
        origin = former.pop(change.contact, None) or (keys[change.from_rank] if change.from_rank >= 0 else "")
        folded.transitions.append(
            _transition(int(folded.contact_ids[index]), origin, keys[change.to_rank], change, reign)
        )
    for name in ("since", "engagement", "fit", "evaluated_at", "review_at"):
        getattr(timeline, name)[behind] = getattr(part, name)
    for place, index in enumerate(behind):
        if part.stage[place] >= 0:
            folded.stage[index] = keys[part.stage[place]]
            # A furthest stage that this definition does not use keeps its name until a stronger one is reached.
            if part.furthest[place] > furthest_before[place]:
                folded.furthest[index] = keys[part.furthest[place]]
    folded.last_activity[behind] = _last_activity(facts, part)
    folded.latest_fact[behind] = _latest_fact(facts)


def _last_activity(facts: Facts, timeline: Timeline) -> IntArray:
    last = np.where(facts.first_seen < NEVER, facts.first_seen, UNKNOWN_PAST)
    np.maximum.at(last, facts.event_contact, facts.event_at)
    return np.where(last == UNKNOWN_PAST, timeline.evaluated_at, last)


def _latest_fact(facts: Facts) -> IntArray:
    latest = np.where(facts.first_seen < NEVER, facts.first_seen, UNKNOWN_PAST)
    np.maximum.at(latest, facts.event_contact, facts.event_at)
    np.maximum.at(latest, facts.profile_contact, facts.profile_at)
    return latest


def _transition(contact_id: int, origin: str, target: str, change: Change, reign: Reign) -> NewTransition:
    return NewTransition(
        contact_id=contact_id,
        from_stage=origin,
        to_stage=target,
        effective_at=to_datetime(change.at),
        cause=CAUSES[change.cause],
        definition_id=reign.definition_id,
        engagement_mp=change.engagement,
        fit_mp=change.fit,
    )


def judge_contacts(contact_ids: Sequence[int], *, earliest: Mapping[int, datetime], now: datetime) -> int:
    """Bring locked contacts up to ``now`` and write what changed; the caller holds their rows and a transaction.

    ``earliest``: for contacts with new facts, the time of the earliest; at or before the contact's last judgement
    its timeline starts over and corrected transitions supersede the recorded ones. Returns the number of
    contacts whose standing was written.
    """
    ids = np.array(sorted(contact_ids), dtype=np.int64)
    stood = load_standings(ids)
    fresh = np.array([to_micros(earliest[pk]) if pk in earliest else NEVER for pk in ids.tolist()], dtype=np.int64)
    starts_over = stood.is_judged & (fresh <= stood.evaluated_at)
    folded = _fold(ids, stood.only(stood.is_judged & ~starts_over), now, _load_since)
    written = write_transitions(folded.transitions, restarted=ids[starts_over].tolist(), now=now)
    if written:
        wake("funnel.drain")
    return _write_standings(folded, stood)


_UPSERT_STANDINGS = f"""
INSERT INTO contacts_standing (contact_id, stage, furthest_stage, stage_since, engagement_mp, fit_mp,
                               last_activity_at, evaluated_at, review_at)
SELECT contact_id, (%(keys)s::text[])[stage], (%(keys)s::text[])[furthest], {moment_sql("since")}, engagement, fit,
       {moment_sql("last_activity")}, {moment_sql("evaluated_at")}, {moment_sql(f"nullif(review_at, {NEVER})")}
FROM unnest(%(contact)s::bigint[], %(stage)s::int[], %(furthest)s::int[], %(since)s::bigint[],
            %(engagement)s::bigint[], %(fit)s::bigint[], %(last_activity)s::bigint[], %(evaluated_at)s::bigint[],
            %(review_at)s::bigint[])
    AS fresh (contact_id, stage, furthest, since, engagement, fit, last_activity, evaluated_at, review_at)
ON CONFLICT (contact_id) DO UPDATE SET
    stage = excluded.stage, furthest_stage = excluded.furthest_stage, stage_since = excluded.stage_since,
    engagement_mp = excluded.engagement_mp, fit_mp = excluded.fit_mp, last_activity_at = excluded.last_activity_at,
    evaluated_at = excluded.evaluated_at, review_at = excluded.review_at
"""  # noqa: S608  constants only


def _write_standings(folded: Folded, stood: Stood) -> int:
    """Insert or update the standings that differ from what is stored, in one statement."""
    timeline, places = folded.timeline, {"": -1} | {key: place for place, key in enumerate(STAGE_KEYS)}
    columns = {
        "stage": np.array([places[key] for key in folded.stage], dtype=np.int64),
        "furthest": np.array([places[key] for key in folded.furthest], dtype=np.int64),
        "since": timeline.since,
        "engagement": timeline.engagement,
        "fit": timeline.fit,
        "last_activity": folded.last_activity,
        "evaluated_at": timeline.evaluated_at,
        "review_at": timeline.review_at,
    }
    differs = np.logical_or.reduce([column != getattr(stood, name) for name, column in columns.items()])
    rows = np.flatnonzero(differs & (timeline.evaluated_at > UNKNOWN_PAST))
    if len(rows):
        columns |= {"contact": folded.contact_ids, "stage": columns["stage"] + 1, "furthest": columns["furthest"] + 1}
        values = {name: whole_numbers(column[rows].tolist()) for name, column in columns.items()}
        with connection.cursor() as cursor:
            cursor.execute(_UPSERT_STANDINGS, {**values, "keys": list(STAGE_KEYS)})
    return len(rows)
