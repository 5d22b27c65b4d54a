"""How contacts come into a sequence: on entering its stage, because they stood there when asked, or by hand."""

from collections.abc import Collection
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.models import Contact, Standing
from contacts.services.auditing import audited
from contacts.services.wake import wake
from funnel.enums import EnrolledBy, EnrolmentState, HandoffState, SequenceState
from funnel.models import Enrolment, Handoff, Sequence, SequenceStep, StepRun
from funnel.nurturing import due_after
from funnel.permissions import check_enrol
from funnel.selectors.stages import stage_label
from funnel.selectors.working import working_times

CHUNK = 500
HELD_BY_SALES = (HandoffState.CLAIMED, HandoffState.ACCEPTED)


class CannotEnrol(Exception):
    """This contact cannot go through this sequence now. ``code`` is stable, ``message`` is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@audited(AuditAct.CONTACT_ENROLLED, "result", keep=["sequence_id", "contact_id"])
def enrol_contact(*, sequence_id: int, contact_id: int, by: User | None, now: datetime) -> Enrolment:
    """Enrol one contact by hand, also one who went through it before.

    Raises:
        PermissionDenied: ``by`` may not.
        Sequence.DoesNotExist: there is none of this id.
        CannotEnrol: ``unknown_contact``, ``not_active``, ``not_in_stage``, ``in_conversation`` or ``already_enrolled``.
    """
    if by is not None:
        check_enrol(by)
    sequence = Sequence.objects.select_related("purpose").get(pk=sequence_id)
    if sequence.state != SequenceState.ACTIVE:
        raise CannotEnrol(
            "not_active",
            gettext("%(sequence)s is %(state)s: activate it first.")
            % {"sequence": sequence.name, "state": sequence.get_state_display()},
        )
    with transaction.atomic():
        contact = Contact.objects.select_for_update(no_key=True).filter(pk=contact_id, present=True).first()
        if contact is None:
            raise CannotEnrol("unknown_contact", gettext("No contact has this id."))
        standing = Standing.objects.filter(contact=contact).first()
        if standing is None or standing.stage != sequence.stage:
            if standing:
                pattern = gettext("%(contact)s stands at %(where)s; %(sequence)s is for %(stage_label)s.")
            else:
                pattern = gettext("%(contact)s stands at nowhere yet; %(sequence)s is for %(stage_label)s.")
            message = pattern % {
                "contact": contact.display_name,
                "where": stage_label(standing.stage) if standing else "",
                "sequence": sequence.name,
                "stage_label": stage_label(sequence.stage),
            }
            raise CannotEnrol("not_in_stage", message)
        if Handoff.objects.filter(contact=contact, state__in=HELD_BY_SALES).exists():
            raise CannotEnrol(
                "in_conversation",
                gettext("Sales is in conversation with %(contact)s.") % {"contact": contact.display_name},
            )
        made = enrol(sequence, [contact.pk], how=EnrolledBy.HAND, by=by, now=now)
        if not made:
            raise CannotEnrol(
                "already_enrolled",
                gettext("%(contact)s is in %(sequence)s already.")
                % {"contact": contact.display_name, "sequence": sequence.name},
            )
        return made[0]


def enrol(
    sequence: Sequence, contact_ids: Collection[int], *, how: EnrolledBy, now: datetime, by: User | None = None
) -> list[Enrolment]:
    """Enrol these (locked) contacts and set the clock of their first step; return the enrolments made.

    Whoever is under way in it already is left out. At most five statements.
    """
    first = SequenceStep.objects.filter(sequence=sequence, version=sequence.version).order_by("position").first()
    if first is None or not contact_ids:
        return []
    under_way = set(
        Enrolment.objects.filter(sequence=sequence, contact__in=contact_ids, state=EnrolmentState.ACTIVE).values_list(
            "contact_id", flat=True
        )
    )
    made = Enrolment.objects.bulk_create(
        Enrolment(sequence=sequence, contact_id=contact_id, how=how, enrolled_at=now, enrolled_by=by)
        for contact_id in sorted(set(contact_ids) - under_way)
    )
    due_at = due_after(first, now, working_times().team)
    StepRun.objects.bulk_create(
        StepRun(enrolment=row, step=first, key=first.key, position=first.position, first_due_at=due_at, due_at=due_at)
        for row in made
    )
    if made and due_at <= now:
        wake("funnel.sequences")
    return made


def free_to_enrol(sequence: Sequence) -> "QuerySet[Standing]":
    """Standings in the stage whose contacts never went through the sequence and are not in Sales' hands."""
    been = Enrolment.objects.filter(sequence=sequence, contact=OuterRef("contact"))
    held = Handoff.objects.filter(contact=OuterRef("contact"), state__in=HELD_BY_SALES)
    return Standing.objects.filter(~Exists(been), ~Exists(held), stage=sequence.stage, contact__present=True)


def backfill_sequences(*, now: datetime, limit: int = CHUNK) -> int:
    """Enrol the next contacts who stood in their stage already; return how many contacts were looked at, 0 at the end.

    One chunk of one sequence, in one transaction; the sequence's row says how far it is, so a kill loses nothing.
    """
    with transaction.atomic():
        waiting = Sequence.objects.filter(state=SequenceState.ACTIVE, backfill_until__isnull=False)
        sequence = waiting.order_by("pk").select_for_update(skip_locked=True, no_key=True).first()
        if sequence is None:
            return 0
        chunk = free_to_enrol(sequence).filter(
            contact__gt=sequence.backfill_reached, stage_since__lte=sequence.backfill_until
        )
        found = list(chunk.order_by("contact").values_list("contact_id", flat=True)[:limit])
        rows = Sequence.objects.filter(pk=sequence.pk)
        if not found:
            rows.update(backfill_until=None)
            return 1
        held = Contact.objects.filter(pk__in=found).order_by("pk").select_for_update(no_key=True)
        list(held.values_list("pk", flat=True))
        # Read again now that they are held: a judgement may have moved them meanwhile.
        still = list(free_to_enrol(sequence).filter(contact__in=found).values_list("contact_id", flat=True))
        enrol(sequence, still, how=EnrolledBy.BACKFILL, now=now)
        rows.update(backfill_reached=found[-1])
        return len(found)
