"""Judging everybody at one new moment, a range of contact ids at a time; reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db.models import Max, Min

from contacts.models import Contact, Standing
from scoring.definition import STAGE_KEYS
from scoring.engine import NEVER, Compiled, Prior, Timeline, Verdicts, judge
from scoring.engine.facts import BoolArray, IntArray
from scoring.moments import to_micros
from scoring.selectors.columns import POSTGRES_EPOCH, copy_columns
from scoring.selectors.facts import current_facts
from scoring.selectors.profiles import CurrentProfiles
from scoring.services.snapshots import one_state


def publication_moment(now: datetime) -> datetime:
    """When a publication ordered at ``now`` takes effect.

    Later than every judgement made so far: each contact passes the publication once, after all that.
    """
    judged = Standing.objects.aggregate(latest=Max("evaluated_at"))["latest"]
    return now if judged is None or judged < now else judged + timedelta(microseconds=1)


def contact_ranges(chunk: int) -> Iterator[tuple[int, int]]:
    """All contact ids as ranges (first, last) of ``chunk`` ids."""
    # Not over the husks of erased people, whose ids lie far beyond.
    bounds = Contact.objects.filter(present=True).aggregate(first=Min("id"), last=Max("id"))
    if bounds["first"] is not None:
        for first in range(bounds["first"], bounds["last"] + 1, chunk):
            yield first, first + chunk - 1


@dataclass(frozen=True, slots=True)
class JudgedRange:
    """Contacts of a range of ids (ascending) judged at one moment under a definition that is not yet in force.

    ``timeline`` is where they stood before, in the new definition's ranks. ``origin`` is the stage as recorded,
    ``target`` the one judged and ``furthest`` the furthest by now, each as its place in STAGE_KEYS.
    """

    ids: IntArray
    timeline: Timeline
    verdicts: Verdicts
    origin: IntArray
    target: IntArray
    furthest: IntArray
    leaves_unused_stage: BoolArray


def judge_range(
    compiled: Compiled,
    profiles: CurrentProfiles,
    at: datetime,
    first: int,
    last: int,
    *,
    judged_since: datetime | None = None,
) -> JudgedRange | None:
    """Judge the contacts with ids ``first`` to ``last`` at the moment ``at``; reads only. None when there are none.

    Contacts with new facts or a review up to that moment are left out, for the drain comes to the same verdict
    from newer standings; so are those last judged before ``judged_since``. All is read in one state of the database:
    a fact that arrives meanwhile is either in it with its mark of being due, or not at all.
    """
    with one_state():
        return _judge_range(compiled, profiles, at, first, last, judged_since)


def _judge_range(
    compiled: Compiled,
    profiles: CurrentProfiles,
    at: datetime,
    first: int,
    last: int,
    judged_since: datetime | None,
) -> JudgedRange | None:
    moment = to_micros(at)
    chosen = [list(STAGE_KEYS), list(STAGE_KEYS), first, last, at, at, judged_since or "-infinity"]
    recorded = copy_columns(_SETTLED_STANDINGS, chosen, "qtttqqhh")
    ids, evaluated, since, review, engagement, fit, stage, furthest = recorded
    if not len(ids):
        return None
    rank_of = np.array([compiled.document.stage_rank(key) for key in STAGE_KEYS], dtype=np.int16)
    place_of = np.array([STAGE_KEYS.index(stage.key) for stage in compiled.document.stages], dtype=np.int64)
    origin, reached = stage.astype(np.int64) - 1, furthest.astype(np.int64) - 1
    timeline = Timeline(
        stage=rank_of[origin],
        furthest=rank_of[reached],
        since=since + POSTGRES_EPOCH,
        engagement=engagement,
        fit=fit,
        evaluated_at=evaluated + POSTGRES_EPOCH,
        review_at=np.where(review > NEVER, NEVER, np.minimum(review, NEVER) + POSTGRES_EPOCH),
    )
    facts = current_facts(ids, compiled, profiles)
    verdicts = judge(
        compiled, facts, np.full(len(ids), moment, dtype=np.int64), Prior(timeline.stage, timeline.furthest)
    )
    return JudgedRange(
        ids=ids,
        timeline=timeline,
        verdicts=verdicts,
        origin=origin,
        target=place_of[verdicts.stage],
        # A furthest stage that the definition does not use keeps its name until a stronger one is reached.
        furthest=np.where(verdicts.furthest > timeline.furthest, place_of[verdicts.furthest], reached),
        leaves_unused_stage=place_of[timeline.stage] != origin,
    )


_SETTLED_STANDINGS = """
SELECT contact_id, evaluated_at, stage_since, coalesce(review_at, 'infinity'), engagement_mp, fit_mp,
       array_position(%s::text[], stage::text)::smallint, array_position(%s::text[], furthest_stage::text)::smallint
FROM contacts_standing AS standing
WHERE contact_id BETWEEN %s AND %s AND evaluated_at < %s AND (review_at IS NULL OR review_at > %s)
  AND evaluated_at >= %s::timestamptz
  AND NOT EXISTS (SELECT FROM contacts_due AS due WHERE due.contact_id = standing.contact_id)
ORDER BY contact_id
"""
