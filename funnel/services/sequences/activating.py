"""Starting and pausing sequences, and what that would do."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.services.auditing import audited
from contacts.services.wake import wake
from funnel.enums import EnrolmentState, SequenceState, StepState
from funnel.models import Enrolment, Sequence, StepRun
from funnel.permissions import check_edit_sequences
from funnel.selectors.stages import stage_label
from funnel.services.sequences.drafting import check_steps, plan_of, steps_of
from funnel.services.sequences.enrolling import free_to_enrol

# Counting goes no further; a page says "more than".
COUNTED = 100_000


class CannotActivate(Exception):
    """The sequence cannot be activated. ``code``: ``already_active``, ``no_steps``, ``another_active``, ``unsound``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotActive(Exception):
    """The sequence is not active, so it cannot be paused."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What activating would do: ``standing`` contacts would be enrolled at once if asked, ``held`` would go on.

    ``more``: there are more standing than were counted.
    """

    standing: int
    more: bool
    held: int


def activation_effects(sequence: Sequence) -> Effects:
    """Count whom activating would enrol if those who stand in the stage already are asked for, and who would go on."""
    standing = free_to_enrol(sequence).order_by()[: COUNTED + 1].count()
    held = Enrolment.objects.filter(sequence=sequence, state=EnrolmentState.ACTIVE).count()
    return Effects(min(standing, COUNTED), standing > COUNTED, held)


@audited(AuditAct.SEQUENCE_ACTIVATED, "result", keep=["backfill"])
def activate_sequence(*, sequence_id: int, backfill: bool, by: User | None, now: datetime) -> Sequence:
    """Let a sequence enrol whoever enters its stage from now on, and go on with those who are under way.

    ``backfill``: enrol those who stand in the stage already, too, in the background. The time for which it was paused
    does not count for anybody's waits.

    Raises:
        PermissionDenied: ``by`` may not.
        Sequence.DoesNotExist: there is none of this id.
        CannotActivate: see there.
    """
    if by is not None:
        check_edit_sequences(by)
    with transaction.atomic():
        # All of a stage, so that of two activations at once the second sees the first.
        stage = Sequence.objects.values_list("stage", flat=True).get(pk=sequence_id)
        rows = {
            row.pk: row
            for row in Sequence.objects.filter(stage=stage)
            .select_related("purpose")
            .order_by("pk")
            .select_for_update(no_key=True, of=("self",))
        }
        sequence = rows[sequence_id]
        _check(sequence, list(rows.values()))
        if sequence.paused_at is not None:
            _resume(sequence, now=now)
        sequence.state, sequence.paused_at = SequenceState.ACTIVE, None
        sequence.activated_at, sequence.activated_by = now, by
        sequence.backfill_until, sequence.backfill_reached = (now if backfill else None), 0
        sequence.save()
        wake("funnel.sequences")
    return sequence


@audited(AuditAct.SEQUENCE_PAUSED, "result")
def pause_sequence(*, sequence_id: int, by: User | None, now: datetime) -> Sequence:
    """Let all clocks of a sequence stand still: nobody is enrolled, nothing is sent until it is activated again.

    Raises:
        PermissionDenied: ``by`` may not.
        Sequence.DoesNotExist: there is none of this id.
        NotActive: it is a draft, or paused already.
    """
    if by is not None:
        check_edit_sequences(by)
    with transaction.atomic():
        # A sweep that is sending holds the sequence's key: it is waited for, and none sends once this is committed.
        sequence = Sequence.objects.select_for_update().get(pk=sequence_id)
        if sequence.state != SequenceState.ACTIVE:
            raise NotActive
        sequence.state, sequence.paused_at, sequence.backfill_until = SequenceState.PAUSED, now, None
        sequence.save()
        waiting = StepRun.objects.filter(enrolment__sequence=sequence, state=StepState.WAITING).order_by("pk")
        # What somebody is just stopping is left to them, so that nobody waits in a circle; it is not sent either way.
        free = waiting.select_for_update(skip_locked=True, no_key=True, of=("self",)).values_list("pk", flat=True)
        StepRun.objects.filter(pk__in=list(free)).update(state=StepState.HELD)
    return sequence


def _check(sequence: Sequence, neighbours: list[Sequence]) -> None:
    if sequence.state == SequenceState.ACTIVE:
        raise CannotActivate("already_active", gettext("%(sequence)s is active already.") % {"sequence": sequence.name})
    another = next((row for row in neighbours if row.state == SequenceState.ACTIVE), None)
    if another is not None:
        where = stage_label(sequence.stage)
        raise CannotActivate(
            "another_active",
            gettext("%(another)s is active in %(where)s, and one at a time can be.")
            % {"another": another.name, "where": where},
        )
    steps = steps_of(sequence)
    if not steps:
        raise CannotActivate("no_steps", gettext("%(sequence)s has no step yet.") % {"sequence": sequence.name})
    faults = check_steps(plan_of(sequence, steps))
    if faults:
        # The definition changed since it was written.
        where, said = next(iter(faults.items()))
        number = int(where.split(".")[1]) + 1
        raise CannotActivate("unsound", gettext("Step %(number)s: %(what)s") % {"number": number, "what": said[0]})


def _resume(sequence: Sequence, *, now: datetime) -> None:
    if sequence.paused_at is None:
        return
    paused = now - sequence.paused_at
    # One that was locked when the pause began waits as the others do.
    ahead = StepRun.objects.filter(enrolment__sequence=sequence, state__in=[StepState.WAITING, StepState.HELD])
    ahead.update(state=StepState.WAITING, due_at=F("due_at") + paused, first_due_at=F("first_due_at") + paused)
