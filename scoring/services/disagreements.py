"""The contacts behind a cell of a run's matrix, with both verdicts and their reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from contacts.models import Contact
from contacts.services.work import CannotRun
from scoring.enums import RunKind
from scoring.models import Run
from scoring.selectors import compile_row
from scoring.selectors.definitions import compile_document
from scoring.services.sentences import StageReason, recorded_reasons, stage_reasons


@dataclass(frozen=True, slots=True)
class BothVerdicts:
    """One contact under both definitions of a run, as its facts stand now."""

    contact: Contact
    before: StageReason
    after: StageReason


def both_verdicts(run: Run, *, origin: str, contact_ids: Sequence[int]) -> list[BothVerdicts]:
    """Judge the contacts again as the run did, with the reasons; a fixed number of queries, in the order given.

    ``origin`` is the cell's first stage. Contacts that are gone since are left out.

    Raises:
        CannotRun: the run has no matrix, or has not come to an end.
    """
    if run.kind not in (RunKind.WHAT_IF, RunKind.COMPARE) or not run.result:
        raise CannotRun(gettext("Only a finished what-if or comparison has contacts behind its numbers."))
    found = {contact.pk: contact for contact in Contact.objects.select_related("company").filter(pk__in=contact_ids)}
    ids = [pk for pk in contact_ids if pk in found]
    at = datetime.fromisoformat(run.result["at"])
    tried = compile_document(run.document, version=f"{run.definition.key}@{run.definition.version}")
    if run.kind == RunKind.WHAT_IF:
        before = recorded_reasons(contact_ids=ids, at=at)
        after = stage_reasons(contact_ids=ids, compiled=tried, at=at, prior_stages=dict.fromkeys(ids, origin))
    else:
        if run.other is None:
            raise CannotRun(gettext("The definition it was compared with is gone."))
        before = stage_reasons(contact_ids=ids, compiled=tried, at=at, prior_stages=None)
        after = stage_reasons(contact_ids=ids, compiled=compile_row(run.other), at=at, prior_stages=None)
    # A contact that was merged away meanwhile has a row, but no judgement of its own.
    return [BothVerdicts(found[pk], before[pk], after[pk]) for pk in ids if pk in before and pk in after]
