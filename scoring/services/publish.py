"""Publishing a definition: from a moment on it is in force, and every contact is judged at that moment."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max, Min

from contacts.models import Contact, Standing
from contacts.services.wake import wake
from scoring.definition import STAGE_KEYS, read_document
from scoring.engine import NEVER, Assessor, Compiled, Prior, Timeline, Verdicts, judge
from scoring.engine.facts import BoolArray, IntArray
from scoring.engine.replaying import unmoved_by_publication
from scoring.enums import Cause, DefinitionState
from scoring.matching import load_kinds
from scoring.models import Definition, Publication
from scoring.moments import to_datetime, to_micros
from scoring.selectors import compile_row
from scoring.selectors.facts import POSTGRES_EPOCH, copy_columns, current_facts
from scoring.services.chain import NewTransition, write_transitions
from scoring.services.holding import hold_publications

KeyArray = npt.NDArray[np.str_]


class NotPublishable(ValueError):
    """The definition cannot be put in force or taken back; the message says why."""


def publish_definition(*, definition_id: int, by: User | None, now: datetime, quiet: bool = False) -> Publication:
    """Put a definition in force from ``now`` on; it never changes again. Judging everybody is the next step.

    Call ``judge_publication`` afterwards. Contacts with new facts or reviews that the drain takes meanwhile are
    judged at the publication's moment by it: both ways give the same.

    Raises:
        NotPublishable: it is in force already, or asks for approvals, which cannot be given yet.
        DefinitionError: its document is not sound.
        Definition.DoesNotExist: there is no such definition.
    """
    with transaction.atomic():
        hold_publications()
        row = Definition.objects.select_for_update().get(pk=definition_id)
        document = read_document(row.document, known_kinds=frozenset(kind.name for kind in load_kinds()))
        if document.approval:
            teams = " and ".join(document.approval)
            raise NotPublishable(f"{row} needs the approval of {teams}, and approvals cannot be given yet.")
        if _latest().definition_id == row.pk:
            raise NotPublishable(f"{row} is in force already.")
        row.state = DefinitionState.PUBLISHED
        row.save(update_fields=["state"])
        # Later than every judgement made so far: each contact passes the publication once, after all that.
        judged = Standing.objects.aggregate(latest=Max("evaluated_at"))["latest"]
        effective_at = now if judged is None or judged < now else judged + timedelta(microseconds=1)
        return Publication.objects.create(definition=row, effective_at=effective_at, published_by=by, quiet=quiet)


def roll_back_publication(*, now: datetime) -> Publication:
    """Take the latest publication back: timelines are recomputed as if it had not happened. Returns it.

    Call ``rebuild_contacts`` afterwards.

    Raises:
        NotPublishable: only the first publication is left, and something must be in force.
    """
    with transaction.atomic():
        hold_publications()
        latest = _latest()
        if not Publication.objects.filter(retracted_at=None, effective_at__lt=latest.effective_at).exists():
            raise NotPublishable(f"{latest.definition} is the first definition; there is none to go back to.")
        latest.retracted_at = now
        latest.save(update_fields=["retracted_at"])
        return latest


def _latest() -> Publication:
    return Publication.objects.filter(retracted_at=None).select_related("definition").latest("effective_at")


def judge_publication(publication: Publication, *, chunk: int = 20_000, connections: int = 1) -> int:
    """Judge all contacts at the publication's moment, a range of ids at a time; may be repeated.

    Contacts that are due anyway are left to the drain. Writes only what changed; returns how many contacts did.
    With more ``connections`` the database reads one range while another is judged.
    """
    compiled = compile_row(publication.definition)
    ranges = list(contact_ranges(chunk))
    if connections == 1:
        return _judge_ranges(publication, compiled, ranges)
    with ThreadPoolExecutor(connections) as pool:
        shares = [ranges[place::connections] for place in range(connections)]
        return sum(pool.map(lambda share: _judge_ranges_apart(publication, compiled, share), shares))


def _judge_ranges_apart(publication: Publication, compiled: Compiled, ranges: Sequence[tuple[int, int]]) -> int:
    try:
        return _judge_ranges(publication, compiled, ranges)
    finally:
        # This thread's own, which nobody else would close.
        connection.close()


def _judge_ranges(publication: Publication, compiled: Compiled, ranges: Sequence[tuple[int, int]]) -> int:
    assessor = Assessor(compiled.document)
    return sum(_judge_range(publication, compiled, assessor, first, last) for first, last in ranges)


def contact_ranges(chunk: int) -> Iterator[tuple[int, int]]:
    """All contact ids as ranges (first, last) of ``chunk`` ids."""
    bounds = Contact.objects.aggregate(first=Min("id"), last=Max("id"))
    if bounds["first"] is not None:
        for first in range(bounds["first"], bounds["last"] + 1, chunk):
            yield first, first + chunk - 1


def _judge_range(publication: Publication, compiled: Compiled, assessor: Assessor, first: int, last: int) -> int:
    found = judge_range(compiled, assessor, publication.effective_at, first, last)
    if found is None:
        return 0
    everyone = np.arange(len(found.ids))
    changed = np.flatnonzero(
        ~unmoved_by_publication(found.timeline, everyone, found.verdicts, everyone) | found.leaves_unused_stage
    )
    if not len(changed):
        return 0
    moved = set(np.flatnonzero(found.to_keys != found.from_keys).tolist())
    rows = [
        (
            int(found.ids[i]),
            str(found.to_keys[i]),
            str(found.furthest_keys[i]),
            publication.effective_at if i in moved else to_datetime(found.timeline.since[i]),
            int(found.verdicts.engagement[i]),
            int(found.verdicts.fit[i]),
            publication.effective_at,
            None if found.verdicts.review_at[i] == NEVER else to_datetime(found.verdicts.review_at[i]),
            to_datetime(found.timeline.evaluated_at[i]),
        )
        for i in changed.tolist()
    ]
    transitions = {
        int(found.ids[i]): NewTransition(
            contact_id=int(found.ids[i]),
            from_stage=str(found.from_keys[i]),
            to_stage=str(found.to_keys[i]),
            effective_at=publication.effective_at,
            cause=Cause.PUBLICATION,
            definition_id=publication.definition_id,
            engagement_mp=int(found.verdicts.engagement[i]),
            fit_mp=int(found.verdicts.fit[i]),
        )
        for i in moved
    }
    return _write(rows, transitions, publication.effective_at)


@dataclass(frozen=True, slots=True)
class JudgedRange:
    """Contacts of a range of ids (ascending) judged at one moment under a definition that is not yet in force.

    ``timeline`` is where they stood before, in the new definition's ranks; the keys name stages as recorded and
    as judged.
    """

    ids: IntArray
    timeline: Timeline
    verdicts: Verdicts
    from_keys: KeyArray
    to_keys: KeyArray
    furthest_keys: KeyArray
    leaves_unused_stage: BoolArray


def judge_range(compiled: Compiled, assessor: Assessor, at: datetime, first: int, last: int) -> JudgedRange | None:
    """Judge the contacts with ids ``first`` to ``last`` at the moment ``at``; reads only. None when there are none.

    Contacts with new facts or a review up to that moment are left out, for the drain comes to the same verdict
    from newer standings.
    """
    moment = to_micros(at)
    recorded = copy_columns(_SETTLED_STANDINGS, [list(STAGE_KEYS), list(STAGE_KEYS), first, last, at, at], "qqqqqqhh")
    ids, evaluated, since, review, engagement, fit, stage, furthest = recorded
    if not len(ids):
        return None
    rank_of = np.array([compiled.document.stage_rank(key) for key in STAGE_KEYS], dtype=np.int16)
    known, used = np.array(STAGE_KEYS), np.array([stage.key for stage in compiled.document.stages])
    timeline = Timeline(
        stage=rank_of[stage - 1],
        furthest=rank_of[furthest - 1],
        since=since + POSTGRES_EPOCH,
        engagement=engagement,
        fit=fit,
        evaluated_at=evaluated + POSTGRES_EPOCH,
        review_at=np.where(review > NEVER, NEVER, np.minimum(review, NEVER) + POSTGRES_EPOCH),
    )
    facts = current_facts(ids, compiled, assessor)
    verdicts = judge(
        compiled, facts, np.full(len(ids), moment, dtype=np.int64), Prior(timeline.stage, timeline.furthest)
    )
    from_keys = known[stage - 1]
    return JudgedRange(
        ids=ids,
        timeline=timeline,
        verdicts=verdicts,
        from_keys=from_keys,
        to_keys=used[verdicts.stage],
        # A furthest stage that the definition does not use keeps its name until a stronger one is reached.
        furthest_keys=np.where(verdicts.furthest > timeline.furthest, used[verdicts.furthest], known[furthest - 1]),
        leaves_unused_stage=used[timeline.stage] != from_keys,
    )


_SETTLED_STANDINGS = """
SELECT contact_id, evaluated_at, stage_since, coalesce(review_at, 'infinity'), engagement_mp, fit_mp,
       array_position(%s::text[], stage::text)::smallint, array_position(%s::text[], furthest_stage::text)::smallint
FROM contacts_standing AS standing
WHERE contact_id BETWEEN %s AND %s AND evaluated_at < %s AND (review_at IS NULL OR review_at > %s)
  AND NOT EXISTS (SELECT FROM contacts_due AS due WHERE due.contact_id = standing.contact_id)
ORDER BY contact_id
"""


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
