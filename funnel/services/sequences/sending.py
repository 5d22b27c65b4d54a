"""Doing the steps that are due: asked of may-contact at that moment, sent once, and the next one's clock set.

All that a step does is rows of one transaction: its own state, the mail in the outbox or the announcement for the tool
that sends, and the next step. Whoever dies in between has done nothing; what was committed is taken from those rows by
workers of their own, which know each row by its id.

Locks: the contacts first, skipping those that others hold, then the steps that are due are read: of two sweeps at once
the second leaves the contact out, or finds the step done.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, models, transaction

from contacts.models import Contact
from contacts.services.mailing import Letter, queue_mails
from funnel.enums import AnnouncementType, EnrolmentState, SequenceState, StepChannel, StepState, StopReason
from funnel.models import Enrolment, SequenceStep, StepRun
from funnel.nurturing import Act, Decision, decide, due_after, fill_in, next_opening
from funnel.selectors.working import working_times
from funnel.services.announcing import Told, announce
from funnel.services.may_contact import Answer, Asked, answer_all
from funnel.services.sequences.ending import end_enrolments, stop_enrolments
from funnel.services.sequences.steering import stop_strayed
from funnel.working_time import WorkingTime

AT_ONCE = 200
# Weaker than what an edit or a backfill takes, stronger than nothing: only pausing and deleting wait for it.
HOLD: Final = "SELECT id FROM funnel_sequence WHERE id = ANY(%s) AND state = 'active' ORDER BY id FOR KEY SHARE"
# Several sweeps at once look at the same oldest steps; a wider window lets each find contacts of its own.
WINDOW = 4


@dataclass(frozen=True, slots=True)
class Due:
    """A step that is due: the run, its step as the sequence has it now, and what may-contact says."""

    run: StepRun
    step: SequenceStep
    answer: Answer

    @property
    def contact(self) -> Contact:
        """Whose it is."""
        return self.run.enrolment.contact


@dataclass(slots=True)
class _Outcome:
    """What a sweep decided, to be written together."""

    sent: list[Due] = field(default_factory=list)
    skipped: list[Due] = field(default_factory=list)
    stopped: dict[StopReason, list[StepRun]] = field(default_factory=dict)
    later: list[StepRun] = field(default_factory=list)


def send_due_steps(*, now: datetime, limit: int = AT_ONCE) -> int:
    """Do the steps that are due of up to ``limit`` contacts; return how many contacts were looked at, 0 at the end.

    A number of statements that does not depend on how many are due. Safe with any number of sweeps at once.
    """
    with transaction.atomic():
        contact_ids = lock_contacts(now=now, limit=limit)
        if not contact_ids:
            return 0
        # What happened since goes before what was planned: who replied, left or is in conversation gets nothing more.
        stop_strayed(contact_ids, now=now)
        runs = list(_due(now).filter(enrolment__contact__in=contact_ids).order_by("pk"))
        live = _hold({run.enrolment.sequence_id for run in runs})
        _do([run for run in runs if run.enrolment.sequence_id in live], now=now)
        return len(contact_ids)


def lock_contacts(*, now: datetime, limit: int) -> list[int]:
    """Lock up to ``limit`` contacts with a step that is due, the longest due first, leaving out those others hold."""
    window = [
        contact_id
        for (contact_id,) in _due(now).order_by("due_at", "pk").values_list("enrolment__contact")[: limit * WINDOW]
    ]
    held = Contact.objects.filter(pk__in=window).order_by("pk").select_for_update(no_key=True, skip_locked=True)
    return list(held.values_list("pk", flat=True)[:limit])


def _hold(sequence_ids: set[int]) -> set[int]:
    """Keep these sequences from being paused until the transaction ends; return those that are active."""
    with connection.cursor() as cursor:
        cursor.execute(HOLD, [sorted(sequence_ids)])
        return {pk for (pk,) in cursor.fetchall()}


def _due(now: datetime) -> "models.QuerySet[StepRun]":
    return StepRun.objects.filter(
        state=StepState.WAITING,
        due_at__lte=now,
        enrolment__state=EnrolmentState.ACTIVE,
        enrolment__sequence__state=SequenceState.ACTIVE,
    ).select_related(
        "step",
        "enrolment__sequence__purpose",
        "enrolment__contact__company",
        "enrolment__contact__standing__owner",
    )


def _do(runs: list[StepRun], *, now: datetime) -> None:
    if not runs:
        return
    team = working_times().team
    plans = plans_of(run.enrolment.sequence_id for run in runs)
    outcome = _Outcome()
    ahead: list[tuple[StepRun, SequenceStep]] = []
    for run in runs:
        step = plans[run.enrolment.sequence_id].get(run.key)
        if step is None:
            # It is no longer a step of the sequence: the one that took its place is next.
            outcome.skipped.append(Due(run, run.step, Answer(run.enrolment.sequence.purpose, False, ())))
        elif (opening := next_opening(step, now, team)) > now:
            run.due_at = opening
            outcome.later.append(run)
        else:
            ahead.append((run, step))
    asked = [Asked(run.enrolment.contact, run.enrolment.sequence.purpose, step.call_to_action) for run, step in ahead]
    for (run, step), answer in zip(ahead, answer_all(asked, now=now), strict=True):
        due = Due(run, step, answer)
        against = () if answer.allowed else answer.reasons
        _place(due, decide(against, first_due_at=run.first_due_at, now=now), outcome)
    _write(outcome, now=now)
    done = [*outcome.sent, *outcome.skipped]
    _set_next([due.run for due in done], plans, team, now=now)


def _place(due: Due, decision: Decision, outcome: _Outcome) -> None:
    """Put a step where its decision says."""
    run = due.run
    run.step = due.step
    run.reasons = [] if due.answer.allowed else reasons_of(due.answer)
    if decision.act is Act.SEND:
        outcome.sent.append(due)
    elif decision.act is Act.SKIP:
        outcome.skipped.append(due)
    elif decision.act is Act.WAIT and decision.again_at is not None:
        run.due_at = decision.again_at
        outcome.later.append(run)
    elif decision.reason is not None:
        outcome.stopped.setdefault(decision.reason, []).append(run)


def _write(outcome: _Outcome, *, now: datetime) -> None:
    letters = [due for due in outcome.sent if due.step.channel == StepChannel.EMAIL]
    mails = queue_mails(letters=[letter_of(due.step, due.contact, due.answer) for due in letters], now=now)
    for due, mail in zip(letters, mails, strict=True):
        due.run.mail_id = mail.pk if mail is not None else None
    announce([_step_due(due, now) for due in outcome.sent if due.step.channel == StepChannel.WEBHOOK])
    for due in outcome.sent:
        due.run.state = StepState.SENT
    for due in outcome.skipped:
        due.run.state = StepState.SKIPPED
        due.run.reasons = due.run.reasons or [{"code": "step_removed", "message": "The step was removed."}]
    halted = [run for runs in outcome.stopped.values() for run in runs]
    for run in halted:
        run.state = StepState.STOPPED
    ended = [*(due.run for due in (*outcome.sent, *outcome.skipped)), *halted]
    for run in ended:
        run.done_at = now
    StepRun.objects.bulk_update([*ended, *outcome.later], ["state", "done_at", "due_at", "reasons", "mail_id", "step"])
    for reason, runs in outcome.stopped.items():
        stop_enrolments(Enrolment.objects.filter(pk__in=[run.enrolment_id for run in runs]), reason=reason, now=now)


def letter_of(step: SequenceStep, contact: Contact, answer: Answer) -> Letter:
    """Write the mail of a step to a contact; the links out of it are added when it is queued."""
    values = {
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "company": contact.company.name if contact.company is not None else "",
        "job_title": contact.job_title,
    }
    return Letter(
        contact=contact,
        address=contact.email,
        subject=fill_in(step.subject, values),
        body=fill_in(step.body, values),
        purpose=answer.purpose,
    )


def reasons_of(answer: Answer) -> list[dict[str, str]]:
    """What may-contact said, as it is kept with the step."""
    return [{"code": reason.code, "message": reason.message} for reason in answer.reasons]


def _step_due(due: Due, now: datetime) -> Told:
    run, step, sequence = due.run, due.step, due.run.enrolment.sequence
    data = {
        "sequence": str(sequence.pk),
        "name": sequence.name,
        "enrolment": str(run.enrolment_id),
        "step": str(run.key),
        "position": step.position,
        "purpose": sequence.purpose.key,
        "call_to_action": step.call_to_action,
        "reference": step.reference,
    }
    return Told(AnnouncementType.STEP_DUE, at=now, contact_id=run.enrolment.contact_id, data=data)


def plans_of(sequence_ids: Iterable[int]) -> dict[int, dict[UUID, SequenceStep]]:
    """The steps of these sequences as they are now, in order, by their keys; one query."""
    plans: dict[int, dict[UUID, SequenceStep]] = {pk: {} for pk in set(sequence_ids)}
    steps = SequenceStep.objects.filter(sequence__in=list(plans), version=models.F("sequence__version"))
    for step in steps.order_by("sequence", "position"):
        plans[step.sequence_id][step.key] = step
    return plans


def _set_next(
    runs: list[StepRun], plans: dict[int, dict[UUID, SequenceStep]], team: WorkingTime, *, now: datetime
) -> None:
    """Set the clock of the step after each of these, which are done; who has none left is at the end."""
    been: dict[int, set[UUID]] = {run.enrolment_id: set() for run in runs}
    for enrolment_id, key in StepRun.objects.filter(enrolment__in=list(been)).values_list("enrolment_id", "key"):
        been[enrolment_id].add(key)
    following, at_end = [], []
    for run in runs:
        step = next_step(run, list(plans[run.enrolment.sequence_id].values()), been[run.enrolment_id])
        if step is None:
            at_end.append(run.enrolment)
            continue
        due_at = due_after(step, now, team)
        following.append(
            StepRun(
                enrolment=run.enrolment,
                step=step,
                key=step.key,
                position=step.position,
                first_due_at=due_at,
                due_at=due_at,
            )
        )
    StepRun.objects.bulk_create(following)
    end_enrolments(at_end, now=now)


def next_step(run: StepRun, steps: list[SequenceStep], been: set[UUID]) -> SequenceStep | None:
    """The step after one that is done, by its place in the sequence as it is now; what was done once is left out.

    Where the step is gone, whatever stands in its place is next.
    """
    place = next((step.position for step in steps if step.key == run.key), run.position - 1)
    return next((step for step in steps if step.position > place and step.key not in been), None)
