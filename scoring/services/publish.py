"""Publishing a definition: from a moment on it is in force, and every contact is judged at that moment."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max, Min

from contacts.models import Contact
from contacts.services.wake import wake
from scoring.definition import STAGE_KEYS, DefinitionDocument
from scoring.engine import NEVER, Assessor, Compiled, Prior, Timeline, judge
from scoring.engine.facts import IntArray
from scoring.engine.replaying import unmoved_by_publication
from scoring.enums import Cause, DefinitionState
from scoring.models import Definition, Publication
from scoring.moments import to_datetime, to_micros
from scoring.selectors import compile_row
from scoring.selectors.facts import POSTGRES_EPOCH, copy_columns, current_facts
from scoring.services.chain import NewTransition, write_transitions


def publish_definition(*, definition_id: int, by: User | None, now: datetime, quiet: bool = False) -> Publication:
    """Put a definition in force from ``now`` on; it never changes again. Judging everybody is the next step.

    Call ``judge_publication`` afterwards. Contacts with new facts or reviews that the drain takes meanwhile are
    judged at the publication's moment by it: both ways give the same.
    """
    with transaction.atomic():
        row = Definition.objects.select_for_update().get(pk=definition_id)
        row.state = DefinitionState.PUBLISHED
        row.save(update_fields=["state"])
        return Publication.objects.create(definition=row, effective_at=now, published_by=by, quiet=quiet)


def judge_publication(publication: Publication, *, chunk: int = 20_000) -> int:
    """Judge all contacts at the publication's moment, a range of ids at a time; may be repeated.

    Contacts that are due anyway are left to the drain. Writes only what changed; returns how many contacts did.
    """
    compiled = compile_row(publication.definition)
    assessor = Assessor(compiled.document)
    return sum(_judge_range(publication, compiled, assessor, first, last) for first, last in _contact_ranges(chunk))


def _contact_ranges(chunk: int) -> Iterator[tuple[int, int]]:
    bounds = Contact.objects.aggregate(first=Min("id"), last=Max("id"))
    if bounds["first"] is not None:
        for first in range(bounds["first"], bounds["last"] + 1, chunk):
            yield first, first + chunk - 1


def _judge_range(publication: Publication, compiled: Compiled, assessor: Assessor, first: int, last: int) -> int:
    moment = to_micros(publication.effective_at)
    ids, timeline, keys = _standings_before(moment, compiled.document, first, last)
    if not len(ids):
        return 0
    facts = current_facts(ids, compiled, assessor)
    verdicts = judge(
        compiled, facts, np.full(len(ids), moment, dtype=np.int64), Prior(timeline.stage, timeline.furthest)
    )
    everyone = np.arange(len(ids))
    used = np.array([stage.key for stage in compiled.document.stages])
    renamed = used[timeline.stage] != keys
    changed = np.flatnonzero(~unmoved_by_publication(timeline, everyone, verdicts, everyone) | renamed)
    if not len(changed):
        return 0
    moved = [i for i in changed if renamed[i] or verdicts.stage[i] != timeline.stage[i]]
    rows = [
        (
            int(ids[i]),
            str(used[verdicts.stage[i]]),
            str(used[verdicts.furthest[i]]),
            publication.effective_at
            if renamed[i] or verdicts.stage[i] != timeline.stage[i]
            else to_datetime(timeline.since[i]),
            int(verdicts.engagement[i]),
            int(verdicts.fit[i]),
            publication.effective_at,
            None if verdicts.review_at[i] == NEVER else to_datetime(verdicts.review_at[i]),
            to_datetime(timeline.evaluated_at[i]),
        )
        for i in changed
    ]
    transitions = {
        int(ids[i]): NewTransition(
            contact_id=int(ids[i]),
            from_stage=str(keys[i]),
            to_stage=str(used[verdicts.stage[i]]),
            effective_at=publication.effective_at,
            cause=Cause.PUBLICATION,
            definition_id=publication.definition_id,
            engagement_mp=int(verdicts.engagement[i]),
            fit_mp=int(verdicts.fit[i]),
        )
        for i in moved
    }
    return _write(rows, transitions, publication.effective_at)


_STANDINGS = """
SELECT contact_id, evaluated_at, stage_since, coalesce(review_at, 'infinity'), engagement_mp, fit_mp,
       array_position(%s::text[], stage::text)::smallint, array_position(%s::text[], furthest_stage::text)::smallint
FROM contacts_standing AS standing
WHERE contact_id BETWEEN %s AND %s AND evaluated_at < %s AND (review_at IS NULL OR review_at > %s)
  AND NOT EXISTS (SELECT FROM contacts_due AS due WHERE due.contact_id = standing.contact_id)
ORDER BY contact_id
"""


def _standings_before(
    moment: int, document: DefinitionDocument, first: int, last: int
) -> tuple[IntArray, Timeline, "np.ndarray[tuple[int], np.dtype[np.str_]]"]:
    """Standings of a range of contacts with nothing due before the moment, and their stage keys."""
    at = to_datetime(moment)
    keys = list(STAGE_KEYS)
    ids, evaluated, since, review, engagement, fit, stage, furthest = copy_columns(
        _STANDINGS, [keys, keys, first, last, at, at], "qqqqqqhh"
    )
    rank_of = np.array([document.stage_rank(key) for key in keys], dtype=np.int16)
    timeline = Timeline(
        stage=rank_of[stage - 1],
        furthest=rank_of[furthest - 1],
        since=since + POSTGRES_EPOCH,
        engagement=engagement,
        fit=fit,
        evaluated_at=evaluated + POSTGRES_EPOCH,
        review_at=np.where(review > NEVER, NEVER, np.minimum(review, NEVER) + POSTGRES_EPOCH),
    )
    return ids, timeline, np.array(keys)[stage - 1]


# The old evaluated_at is compared and swapped: whoever judged the contact meanwhile saw the publication too.
_UPDATE = """
UPDATE contacts_standing AS standing SET
    stage = fresh.stage, furthest_stage = fresh.furthest, stage_since = fresh.since, engagement_mp = fresh.engagement,
    fit_mp = fresh.fit, evaluated_at = fresh.evaluated, review_at = fresh.review
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::timestamptz[],
            %s::timestamptz[], %s::timestamptz[])
    AS fresh (contact_id, stage, furthest, since, engagement, fit, evaluated, review, judged_before)
WHERE standing.contact_id = fresh.contact_id AND standing.evaluated_at = fresh.judged_before
RETURNING standing.contact_id
"""
_LOCK = "SELECT id FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"


def _write(rows: Sequence[tuple[object, ...]], transitions: dict[int, NewTransition], now: datetime) -> int:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [[row[0] for row in rows]])
            cursor.execute(_UPDATE, [list(column) for column in zip(*rows, strict=True)])
            written = {contact_id for (contact_id,) in cursor.fetchall()}
        kept = [transition for contact_id, transition in transitions.items() if contact_id in written]
        if write_transitions(kept, restarted=[], now=now):
            wake("funnel.drain")
    return len(written)
