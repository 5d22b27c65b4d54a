"""Judging everybody at the moment of a publication, a range of contact ids at a time, and writing what it changes."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from contacts.models import Standing
from contacts.services.wake import wake
from contacts.services.work import Cancelled, Progress, Unwatched
from scoring.definition import STAGE_KEYS
from scoring.engine import NEVER, Compiled
from scoring.engine.facts import IntArray
from scoring.engine.replaying import unmoved_by_publication
from scoring.enums import Cause
from scoring.models import Publication
from scoring.moments import moment_sql
from scoring.selectors import compile_row
from scoring.selectors.columns import whole_numbers
from scoring.selectors.profiles import CurrentProfiles
from scoring.services.forking import map_forked
from scoring.services.holding import judge_under_current_publications
from scoring.services.ranges import JudgedRange, contact_ranges, judge_range


@dataclass(frozen=True, slots=True)
class Applied:
    """What a publication did to a range: contacts that stand there, standings written, transitions among them."""

    contacts: int
    written: int = 0
    moved: int = 0


def judge_publication(
    publication: Publication,
    *,
    chunk: int = 20_000,
    connections: int = 1,
    progress: Progress | None = None,
    reached: int = 0,
) -> int:
    """Judge all contacts beyond the id ``reached`` at the publication's moment, a range of ids at a time.

    May be repeated: what was judged stays as it is. Contacts that are due anyway are left to the drain. Writes only
    what changed; returns how many contacts did. With more ``connections`` as many processes judge, each a range of its
    own.

    Raises:
        Cancelled: the publication has been rolled back.
    """
    progress = progress or Unwatched()
    compiled = compile_row(publication.definition)
    done = Standing.objects.filter(contact_id__lte=reached).count() if reached else 0
    progress.begin(Standing.objects.count(), done=done)
    changed = 0
    ranges = [(first, last) for first, last in contact_ranges(chunk) if last > reached]
    # What it remembers goes with the process that judges.
    judge_one = partial(_apply_range, publication, compiled, CurrentProfiles(compiled.document))
    for (_, last), found in zip(ranges, map_forked(judge_one, ranges, connections), strict=True):
        changed += found.written
        if found.moved:
            wake("funnel.drain")
        progress.advance(found.contacts, reached=last)
    Publication.objects.filter(pk=publication.pk, retracted_at=None).update(judged_at=timezone.now())
    return changed


def _apply_range(
    publication: Publication, compiled: Compiled, profiles: CurrentProfiles, bounds: tuple[int, int]
) -> Applied:
    """Judge a range of ids and write what changed."""
    first, last = bounds
    found = judge_range(compiled, profiles, publication.effective_at, first, last)
    settled = 0 if found is None else len(found.ids)
    whole = settled == last - first + 1
    contacts = settled if whole else Standing.objects.filter(contact_id__gte=first, contact_id__lte=last).count()
    if found is None:
        return Applied(contacts)
    everyone = np.arange(settled)
    changed = np.flatnonzero(
        ~unmoved_by_publication(found.timeline, everyone, found.verdicts, everyone) | found.leaves_unused_stage
    )
    if not len(changed):
        return Applied(contacts)
    written, moved = _write(publication, found, changed)
    return Applied(contacts, written, moved)


# The old standing is compared and swapped: whoever judged the contact meanwhile saw the publication too. Stages come as
# their places among all keys, times as microseconds.
_APPLY = f"""
WITH written AS (
    UPDATE contacts_standing AS standing SET
        stage = (%(keys)s::text[])[fresh.stage], furthest_stage = (%(keys)s::text[])[fresh.furthest],
        stage_since = CASE WHEN fresh.stage = fresh.stage_before THEN standing.stage_since ELSE %(at)s END,
        engagement_mp = fresh.engagement, fit_mp = fresh.fit, evaluated_at = %(at)s,
        review_at = {moment_sql(f"nullif(fresh.review, {NEVER})")}
    FROM unnest(%(contact)s::bigint[], %(stage)s::int[], %(furthest)s::int[], %(engagement)s::bigint[],
                %(fit)s::bigint[], %(review)s::bigint[], %(judged_before)s::bigint[], %(stage_before)s::int[],
                %(engagement_before)s::bigint[], %(fit_before)s::bigint[])
        AS fresh (contact_id, stage, furthest, engagement, fit, review,
                  judged_before, stage_before, engagement_before, fit_before)
    WHERE standing.contact_id = fresh.contact_id
      AND (standing.evaluated_at, standing.stage, standing.engagement_mp, standing.fit_mp)
        = ({moment_sql("fresh.judged_before")}, (%(keys)s::text[])[fresh.stage_before],
           fresh.engagement_before, fresh.fit_before)
    RETURNING standing.contact_id, fresh.stage_before, fresh.stage, fresh.engagement, fresh.fit
), moved AS (
    INSERT INTO scoring_transition (contact_id, from_stage, to_stage, effective_at, cause, definition_id,
                                    engagement_mp, fit_mp)
    SELECT contact_id, (%(keys)s::text[])[stage_before], (%(keys)s::text[])[stage], %(at)s, %(cause)s, %(definition)s,
           engagement, fit
    FROM written WHERE stage <> stage_before
    RETURNING 1
)
SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM moved)
"""  # noqa: S608  constants only
_LOCK = """
SELECT count(*) FROM (
    SELECT id FROM contacts_contact WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE) AS locked
"""


def _write(publication: Publication, found: JudgedRange, changed: IntArray) -> tuple[int, int]:
    """Write what the chosen contacts are judged; how many standings were written, how many of them with a move."""
    with transaction.atomic():
        judge_under_current_publications(publication.effective_at)
        if not Publication.objects.filter(pk=publication.pk, retracted_at=None).exists():
            # Rolled back while this range was judged: nothing of it may be written any more.
            raise Cancelled
        columns = {
            "contact": found.ids,
            "stage": found.target + 1,
            "furthest": found.furthest + 1,
            "engagement": found.verdicts.engagement,
            "fit": found.verdicts.fit,
            "review": found.verdicts.review_at,
            "judged_before": found.timeline.evaluated_at,
            "stage_before": found.origin + 1,
            "engagement_before": found.timeline.engagement,
            "fit_before": found.timeline.fit,
        }
        values = {name: whole_numbers(column[changed].tolist()) for name, column in columns.items()}
        scalars: dict[str, Any] = {
            "keys": list(STAGE_KEYS),
            "at": publication.effective_at,
            "cause": str(Cause.PUBLICATION),
            "definition": publication.definition_id,
        }
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [values["contact"]])
            cursor.execute(_APPLY, values | scalars)
            ((written, moved),) = cursor.fetchall()
    return written, moved
