"""Publishing a definition: from a moment on it is in force, and every contact is judged at that moment."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.services.auditing import audited
from contacts.services.work import CannotRun, Progress
from scoring.enums import DefinitionState, RunKind
from scoring.models import Definition, Publication, Run
from scoring.services.applying import judge_publication
from scoring.services.approvals import NotPublishable, missing_approvals
from scoring.services.drafts import sound_document
from scoring.services.holding import hold_publications
from scoring.services.ranges import publication_moment
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
