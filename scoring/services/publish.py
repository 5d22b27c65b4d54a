"""Publishing a definition: from a moment on it is in force, and every contact is judged at that moment."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import SimpleQueue
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.models import Standing
from contacts.services.auditing import audited
from contacts.services.wake import wake
from contacts.services.work import Cancelled, CannotRun, Progress, Unwatched
from scoring.engine import NEVER, Compiled
from scoring.engine.replaying import unmoved_by_publication
from scoring.enums import Cause, DefinitionState, RunKind
from scoring.models import Definition, Publication, Run
from scoring.moments import to_datetime
from scoring.selectors import compile_row
from scoring.selectors.profiles import CurrentProfiles
from scoring.services.approvals import NotPublishable, missing_approvals
from scoring.services.chain import NewTransition, write_transitions
from scoring.services.drafts import sound_document
from scoring.services.holding import hold_publications, judge_under_current_publications
from scoring.services.ranges import contact_ranges, judge_range, publication_moment
from scoring.services.runs import start_run
from scoring.wording import both

__all__ = [
    "NotPublishable",
    "judge_publication",
    "order_publication",
    "order_roll_back",
    "publish_definition",
    "roll_back_publication",
    "run_publication",
]


def order_publication(
    *,
    definition_id: int,
    by: User | None,
    now: datetime,
    quiet: bool = False,
    connections: int = 1,
    safety_switch: bool = False,
) -> Run:
    """Publish a definition and order the run that judges everybody by it; both or neither.

    ``connections``: how many ranges of contacts are judged at once. Raises what ``publish_definition`` raises.
    """
    with transaction.atomic():
        publication = publish_definition(
            definition_id=definition_id, by=by, now=now, quiet=quiet, safety_switch=safety_switch
        )
        return start_run(
            kind=RunKind.PUBLISH,
            definition=publication.definition,
            by=by,
            publication=publication,
            parameters={"quiet": quiet, "connections": connections},
        )


@audited(
    AuditAct.DEFINITION_PUBLISHED,
    "result.definition",
    keep=["quiet", "safety_switch", "result.definition.key", "result.definition.version"],
)
def publish_definition(
    *, definition_id: int, by: User | None, now: datetime, quiet: bool = False, safety_switch: bool = False
) -> Publication:
    """Put a definition in force from ``now`` on; it never changes again. Judging everybody is the next step.

    Call ``judge_publication`` afterwards. Contacts with new facts or reviews that the drain takes meanwhile are
    judged at the publication's moment by it: both ways give the same. ``safety_switch``: Ripen itself takes out what
    is found unsafe (a learned score that drifts), which waits for nobody's approval.

    Raises:
        NotPublishable: it is in force already, teams have yet to agree to it, or the last publication or roll-back is
            not through.
        DefinitionError: its document is not sound.
        Definition.DoesNotExist: there is no such definition.
    """
    with transaction.atomic():
        hold_publications()
        row = Definition.objects.select_for_update().get(pk=definition_id)
        sound_document(row.document)
        missing = [] if safety_switch else missing_approvals(row)
        if missing:
            teams = both([str(team.label) for team in missing])
            message = gettext("%(definition)s needs the approval of %(teams)s first.")
            raise NotPublishable(message % {"definition": row, "teams": teams})
        if _latest().definition_id == row.pk:
            raise NotPublishable(gettext("%(definition)s is in force already.") % {"definition": row})
        # Its priors are where the last publication leaves everybody.
        _refuse_while_unfinished(Publication.objects.filter(judged_at=None))
        row.state = DefinitionState.PUBLISHED
        row.save(update_fields=["state"])
        return Publication.objects.create(
            definition=row, effective_at=publication_moment(now), published_by=by, quiet=quiet
        )


def order_roll_back(*, by: User | None, now: datetime) -> Run:
    """Take the latest publication back and order the run that recomputes whom it touched; both or neither.

    A publication that is not through yet is stopped by it. Raises what ``roll_back_publication`` raises.
    """
    with transaction.atomic():
        publication = roll_back_publication(now=now, by=by)
        Run.objects.filter(publication=publication, kind=RunKind.PUBLISH, finished_at=None).update(
            cancel_requested_at=now
        )
        return start_run(kind=RunKind.ROLL_BACK, definition=publication.definition, by=by, publication=publication)


@audited(
    AuditAct.DEFINITION_ROLLED_BACK, "result.definition", keep=["result.definition.key", "result.definition.version"]
)
def roll_back_publication(*, now: datetime, by: User | None = None) -> Publication:
    """Take the latest publication back: timelines are recomputed as if it had not happened. Returns it.

    Call ``rebuild_contacts`` afterwards.

    Raises:
        NotPublishable: only the first publication is left, and something must be in force; or the roll-back before is
            not through.
    """
    with transaction.atomic():
        hold_publications()
        latest = _latest()
        if not Publication.objects.filter(retracted_at=None, effective_at__lt=latest.effective_at).exists():
            message = gettext("%(definition)s is the first definition; there is none to go back to.")
            raise NotPublishable(message % {"definition": latest.definition})
        _refuse_while_unfinished(Publication.objects.filter(judged_at=None, retracted_at__isnull=False))
        latest.retracted_at, latest.retracted_by, latest.judged_at = now, by, None
        latest.save(update_fields=["retracted_at", "retracted_by", "judged_at"])
        return latest


def _latest() -> Publication:
    return Publication.objects.filter(retracted_at=None).select_related("definition").latest("effective_at")


def _refuse_while_unfinished(publications: "QuerySet[Publication]") -> None:
    unfinished = publications.select_related("definition").order_by("-effective_at").first()
    if unfinished is None:
        return
    is_under_way = unfinished.runs.filter(finished_at=None).exists()
    if unfinished.retracted_at is None and is_under_way:
        message = gettext("%(definition)s is still being put in force; wait until that is through.")
    elif is_under_way:
        message = gettext("%(definition)s is still being taken back; wait until that is through.")
    elif unfinished.retracted_at is None:
        message = gettext(
            "%(definition)s was not put in force for every contact: try its run again, or rebuild all contacts."
        )
    else:
        message = gettext(
            "%(definition)s was not taken back for every contact: try its run again, or rebuild all contacts."
        )
    raise NotPublishable(message % {"definition": unfinished.definition})


def run_publication(run: Run, progress: Progress) -> dict[str, Any]:
    """Judge everybody at the publication of the run, or whom an earlier attempt has left."""
    if run.publication is None:
        raise CannotRun(gettext("There is no publication to judge by."))
    changed = judge_publication(
        run.publication, connections=run.parameters.get("connections", 1), progress=progress, reached=run.reached
    )
    return {
        "definition": f"{run.definition.key}@{run.definition.version}",
        "at": run.publication.effective_at.isoformat(),
        "quiet": run.publication.quiet,
        "changed": changed,
    }


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
    what changed; returns how many contacts did. With more ``connections`` the database reads one range while another
    is judged.

    Raises:
        Cancelled: the publication has been rolled back.
    """
    progress = progress or Unwatched()
    compiled = compile_row(publication.definition)
    # One for each connection: it remembers what it worked out, and threads must not share that.
    profiles: SimpleQueue[CurrentProfiles] = SimpleQueue()
    for _ in range(connections):
        profiles.put(CurrentProfiles(compiled.document))
    done = Standing.objects.filter(contact_id__lte=reached).count() if reached else 0
    progress.begin(Standing.objects.count(), done=done)
    changed = 0
    ranges = [(first, last) for first, last in contact_ranges(chunk) if last > reached]

    def judge_one(bounds: tuple[int, int]) -> tuple[int, int]:
        one = profiles.get()
        try:
            return _judge_range(publication, compiled, one, *bounds)
        finally:
            profiles.put(one)

    for (_, last), (contacts, moved) in zip(ranges, _each(judge_one, ranges, connections), strict=True):
        changed += moved
        progress.advance(contacts, reached=last)
    Publication.objects.filter(pk=publication.pk, retracted_at=None).update(judged_at=timezone.now())
    return changed


def _each(
    judge_one: Callable[[tuple[int, int]], tuple[int, int]], ranges: Sequence[tuple[int, int]], connections: int
) -> Iterator[tuple[int, int]]:
    """What judging each range gives, in order, several at a time where there are more connections."""
    if connections == 1:
        yield from map(judge_one, ranges)
        return

    def judge_apart(bounds: tuple[int, int]) -> tuple[int, int]:
        try:
            return judge_one(bounds)
        finally:
            # This thread's own, which nobody else would close.
            connection.close()

    with ThreadPoolExecutor(connections) as pool:
        try:
            yield from pool.map(judge_apart, ranges)
        finally:
            pool.shutdown(cancel_futures=True)


def _judge_range(
    publication: Publication, compiled: Compiled, profiles: CurrentProfiles, first: int, last: int
) -> tuple[int, int]:
    """Judge a range of ids and write what changed: how many contacts are in it, and how many of them did."""
    contacts = Standing.objects.filter(contact_id__gte=first, contact_id__lte=last).count()
    found = judge_range(compiled, profiles, publication.effective_at, first, last)
    if found is None:
        return contacts, 0
    everyone = np.arange(len(found.ids))
    changed = np.flatnonzero(
        ~unmoved_by_publication(found.timeline, everyone, found.verdicts, everyone) | found.leaves_unused_stage
    )
    if not len(changed):
        return contacts, 0
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
            str(found.from_keys[i]),
            int(found.timeline.engagement[i]),
            int(found.timeline.fit[i]),
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
    return contacts, _write(publication, rows, transitions)


# The old standing is compared and swapped: whoever judged the contact meanwhile saw the publication too.
_UPDATE = """
UPDATE contacts_standing AS standing SET
    stage = fresh.stage, furthest_stage = fresh.furthest, stage_since = fresh.since, engagement_mp = fresh.engagement,
    fit_mp = fresh.fit, evaluated_at = fresh.evaluated, review_at = fresh.review
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::timestamptz[],
            %s::timestamptz[], %s::timestamptz[], %s::text[], %s::bigint[], %s::bigint[])
    AS fresh (contact_id, stage, furthest, since, engagement, fit, evaluated, review,
              judged_before, stage_before, engagement_before, fit_before)
WHERE standing.contact_id = fresh.contact_id
  AND (standing.evaluated_at, standing.stage, standing.engagement_mp, standing.fit_mp)
    = (fresh.judged_before, fresh.stage_before, fresh.engagement_before, fresh.fit_before)
RETURNING standing.contact_id
"""
_LOCK = "SELECT id FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"


def _write(publication: Publication, rows: Sequence[tuple[object, ...]], transitions: dict[int, NewTransition]) -> int:
    with transaction.atomic():
        judge_under_current_publications(publication.effective_at)
        if not Publication.objects.filter(pk=publication.pk, retracted_at=None).exists():
            # Rolled back while this range was judged: nothing of it may be written any more.
            raise Cancelled
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [[row[0] for row in rows]])
            cursor.execute(_UPDATE, [list(column) for column in zip(*rows, strict=True)])
            written = {contact_id for (contact_id,) in cursor.fetchall()}
        kept = [transition for contact_id, transition in transitions.items() if contact_id in written]
        if write_transitions(kept, restarted=[], now=publication.effective_at):
            wake("funnel.drain")
    return len(written)
