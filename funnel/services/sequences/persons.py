"""What becomes of enrolments when contacts become one, part again or are erased; and what is told of them."""

from collections.abc import Mapping
from collections.abc import Sequence as Many
from typing import Any

from django.db.models import BigIntegerField, Count, F, Q, Value
from django.db.models.functions import Coalesce, NullIf

from contacts.registry import Erasing, Merging
from funnel.enums import EnrolmentState, StepState, StopReason
from funnel.models import Enrolment, StepRun
from funnel.services.sequences.ending import stop_enrolments


def merge_enrolments(merging: Merging) -> None:
    """Give the loser's enrolments to the winner. Of two in one sequence the one further on stays, else the older."""
    both = [merging.winner_id, merging.loser_id]
    rows = (
        Enrolment.objects.filter(contact__in=both, state=EnrolmentState.ACTIVE)
        .annotate(done=Count("runs", filter=Q(runs__state=StepState.SENT)))
        .order_by("sequence", "-done", "enrolled_at", "pk")
    )
    seen: set[int] = set()
    second = [row.pk for row in rows if row.sequence_id in seen or seen.add(row.sequence_id)]  # type: ignore[func-returns-value]  # a set says nothing when it takes one
    stop_enrolments(Enrolment.objects.filter(pk__in=second), reason=StopReason.MERGED, now=merging.now)
    Enrolment.objects.filter(contact=merging.loser_id).update(
        contact=merging.winner_id,
        origin_contact_id=Coalesce("origin_contact_id", "contact_id", output_field=BigIntegerField()),
    )


def part_enrolments(merging: Merging) -> None:
    """Give enrolments back to whom they belong. One that the merge stopped stays so: a person may enrol them again."""
    Enrolment.objects.filter(contact=merging.winner_id, origin_contact_id__in=merging.members).update(
        contact=merging.loser_id, origin_contact_id=NullIf(F("origin_contact_id"), Value(merging.loser_id))
    )


def erase_enrolments(erasing: Erasing) -> None:
    """Let the husk keep who went how far and when, for the figures; what was said of the person goes."""
    rows = Enrolment.objects.filter(contact__in=erasing.contact_ids)
    stop_enrolments(rows, reason=StopReason.ERASED, now=erasing.now, told=False)
    StepRun.objects.filter(enrolment__contact__in=erasing.contact_ids).update(reasons=[], mail_id=None)
    rows.update(contact=erasing.husk_id, origin_contact_id=None)


def export_enrolments(contact_ids: Many[int]) -> Mapping[str, Any]:
    """Tell every sequence that these contacts went through, and each step with when and why."""
    rows = (
        Enrolment.objects.filter(contact__in=contact_ids)
        .select_related("sequence")
        .prefetch_related("runs__step")
        .order_by("enrolled_at", "pk")
    )
    return {
        "sequences": [
            {
                "id": str(row.pk),
                "contact": str(row.contact_id),
                "sequence": row.sequence.name,
                "state": row.state,
                "how": row.how,
                "enrolled_at": row.enrolled_at,
                "ended_at": row.ended_at,
                "reason": row.reason,
                "steps": [
                    {
                        "position": run.position,
                        "channel": run.step.channel,
                        "subject": run.step.subject,
                        "call_to_action": run.step.call_to_action,
                        "state": run.state,
                        "due_at": run.due_at,
                        "done_at": run.done_at,
                        "reasons": run.reasons,
                    }
                    for run in sorted(row.runs.all(), key=lambda one: one.pk)
                ],
            }
            for row in rows
        ]
    }
