"""Publishing a definition: from a moment on it is in force, and every contact is judged at that moment."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
from django.contrib.auth.models import User
from django.db import connection, transaction

from contacts.services.wake import wake
from scoring.definition import read_document
from scoring.engine import NEVER, Assessor, Compiled
from scoring.engine.replaying import unmoved_by_publication
from scoring.enums import Cause, DefinitionState
from scoring.matching import load_kinds
from scoring.models import Definition, Publication
from scoring.moments import to_datetime
from scoring.selectors import compile_row
from scoring.services.chain import NewTransition, write_transitions
from scoring.services.holding import hold_publications
from scoring.services.ranges import contact_ranges, judge_range, publication_moment


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
        return Publication.objects.create(
            definition=row, effective_at=publication_moment(now), published_by=by, quiet=quiet
        )


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
