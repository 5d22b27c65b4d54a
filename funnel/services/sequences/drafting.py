"""Writing sequences: what one is made of, what must hold of it, and how an edit becomes its next version."""

import uuid
from collections.abc import Sequence as Many
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from config.web.formats import format_number
from contacts.audit import AuditAct, AuditThing
from contacts.models import Purpose
from contacts.selectors.consent import all_purposes
from contacts.services.auditing import audited
from funnel.calls_to_action import allows
from funnel.enums import SequenceState, StepChannel
from funnel.models import Sequence, SequenceStep
from funnel.nurturing import LONGEST_DAYS, LONGEST_HOURS, MOST_STEPS, faults_of
from funnel.permissions import check_edit_sequences
from scoring.definition.document import Stage
from scoring.selectors import published_definition

LONGEST_BODY = 20_000


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A step as it is to be; ``key`` None: a new one. See ``funnel.models.SequenceStep``."""

    channel: str
    wait_days: int = 0
    wait_hours: int = 0
    in_business_hours: bool = True
    call_to_action: str = ""
    subject: str = ""
    body: str = ""
    reference: str = ""
    key: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """A sequence as it is to be; ``purpose`` is a purpose's key."""

    name: str
    stage: str
    purpose: str
    description: str = ""
    steps: tuple[StepPlan, ...] = ()


class StaleEdit(Exception):
    """Somebody changed the sequence since it was read."""


class InUse(Exception):
    """The sequence is active, or contacts went through it: it cannot be deleted. The text says so."""


@audited(AuditAct.SEQUENCE_CREATED, "result", keep=["result.name", "result.stage"])
def create_sequence(*, plan: SequencePlan, by: User | None, now: datetime) -> Sequence:
    """Write a draft. Raises ``PermissionDenied``, or ``ValidationError`` by field (``name``, ``steps.0.subject``)."""
    if by is not None:
        check_edit_sequences(by)
    purpose = _check(plan, sequence=None)
    with transaction.atomic():
        sequence = Sequence.objects.create(
            name=plan.name.strip(),
            stage=plan.stage,
            purpose=purpose,
            description=plan.description.strip(),
            created_at=now,
            created_by=by,
            edited_at=now,
            edited_by=by,
        )
        _write_steps(sequence, plan.steps)
    return sequence


@audited(AuditAct.SEQUENCE_CHANGED, "result", keep=["result.version"])
def save_sequence(*, sequence_id: int, plan: SequencePlan, version: int, by: User | None, now: datetime) -> Sequence:
    """Make a sequence what ``plan`` says: the next version, which who is under way goes on with.

    ``version``: the one that was read. The stage of a sequence that was ever active stays.

    Raises:
        PermissionDenied: ``by`` may not.
        Sequence.DoesNotExist: there is none of this id.
        StaleEdit: it has another version by now.
        ValidationError: by field, as in ``create_sequence``; an active sequence needs at least one step.
    """
    if by is not None:
        check_edit_sequences(by)
    with transaction.atomic():
        sequence = Sequence.objects.select_for_update(no_key=True).get(pk=sequence_id)
        if sequence.version != version:
            raise StaleEdit
        purpose = _check(plan, sequence=sequence)
        sequence.name, sequence.description = plan.name.strip(), plan.description.strip()
        sequence.stage, sequence.purpose = plan.stage, purpose
        sequence.version += 1
        sequence.edited_at, sequence.edited_by = now, by
        sequence.save()
        _write_steps(sequence, plan.steps)
        # What nobody went through is of no more use.
        SequenceStep.objects.filter(sequence=sequence, version__lt=sequence.version, runs=None).delete()
    return sequence


@audited(AuditAct.SEQUENCE_DELETED, "sequence_id", thing=AuditThing.SEQUENCE)
def delete_sequence(*, sequence_id: int, by: User | None) -> None:
    """Delete a sequence that nobody went through. Raises ``PermissionDenied``, ``Sequence.DoesNotExist``, ``InUse``."""
    if by is not None:
        check_edit_sequences(by)
    with transaction.atomic():
        sequence = Sequence.objects.select_for_update().get(pk=sequence_id)
        if sequence.state == SequenceState.ACTIVE:
            raise InUse(gettext("%(sequence)s is active: pause it first.") % {"sequence": sequence.name})
        if sequence.enrolments.exists():
            raise InUse(
                gettext("Contacts went through %(sequence)s: it stays, for what they were sent.")
                % {"sequence": sequence.name}
            )
        sequence.delete()


def steps_of(sequence: Sequence) -> list[SequenceStep]:
    """The steps as they are now, in order; one query."""
    return list(SequenceStep.objects.filter(sequence=sequence, version=sequence.version).order_by("position"))


def plan_of(sequence: Sequence, steps: Many[SequenceStep]) -> SequencePlan:
    """A sequence as a plan, to be changed and saved."""
    return SequencePlan(
        name=sequence.name,
        stage=sequence.stage,
        purpose=sequence.purpose.key,
        description=sequence.description,
        steps=tuple(
            StepPlan(
                channel=step.channel,
                wait_days=step.wait_days,
                wait_hours=step.wait_hours,
                in_business_hours=step.in_business_hours,
                call_to_action=step.call_to_action,
                subject=step.subject,
                body=step.body,
                reference=step.reference,
                key=step.key,
            )
            for step in steps
        ),
    )


def check_steps(plan: SequencePlan) -> dict[str, list[str]]:
    """Return what is wrong with the steps of a plan, by field: ``{"steps.0.subject": ["Write ..."]}``."""
    _, document = published_definition()
    stage = next((stage for stage in document.stages if stage.key == plan.stage), None)
    found: dict[str, list[str]] = {}
    for number, step in enumerate(plan.steps):
        for name, fault in _step_faults(step, stage):
            found.setdefault(f"steps.{number}.{name}", []).append(fault)
    if len(plan.steps) > MOST_STEPS:
        found.setdefault("steps", []).append(gettext("At most %(most_steps)s steps.") % {"most_steps": MOST_STEPS})
    return found


def _check(plan: SequencePlan, *, sequence: Sequence | None) -> Purpose:
    found = check_steps(plan)
    name = plan.name.strip()
    if not name:
        found["name"] = [gettext("Give it a name.")]
    elif len(name) > 100 or "\0" in name:
        found["name"] = [gettext("At most 100 characters.")]
    elif Sequence.objects.filter(name=name).exclude(pk=sequence.pk if sequence else 0).exists():
        found["name"] = [gettext("Another sequence has this name.")]
    if len(plan.description) > 300 or "\0" in plan.description:
        found["description"] = [gettext("At most 300 characters.")]
    _, document = published_definition()
    known = [stage.key for stage in document.stages]
    if sequence is not None and sequence.state != SequenceState.DRAFT and plan.stage != sequence.stage:
        found["stage"] = [gettext("It was active in its stage and stays there; write another one for another stage.")]
    elif plan.stage not in known and (sequence is None or plan.stage != sequence.stage):
        found["stage"] = [gettext("The definition in force has these stages: %(list)s.") % {"list": ", ".join(known)}]
    purposes = {purpose.key: purpose for purpose in all_purposes()}
    if plan.purpose not in purposes:
        found["purpose"] = [gettext("There are these purposes: %(list)s.") % {"list": ", ".join(purposes)}]
    if sequence is not None and sequence.state == SequenceState.ACTIVE and not plan.steps:
        found["steps"] = [gettext("An active sequence needs a step; pause it first.")]
    if found:
        raise ValidationError(found)
    return purposes[plan.purpose]


def _step_faults(step: StepPlan, stage: Stage | None) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    if not 0 <= step.wait_days <= LONGEST_DAYS:
        faults.append(("wait_days", gettext("From 0 to %(longest_days)s days.") % {"longest_days": LONGEST_DAYS}))
    if not 0 <= step.wait_hours <= LONGEST_HOURS:
        faults.append(("wait_hours", gettext("From 0 to %(longest_hours)s hours.") % {"longest_hours": LONGEST_HOURS}))
    if step.channel not in StepChannel.values:
        faults.append(("channel", gettext("One of %(list)s.") % {"list": ", ".join(StepChannel.values)}))
    longest = {"call_to_action": 200, "subject": 200, "reference": 200, "body": LONGEST_BODY}
    for name, most in longest.items():
        if len(getattr(step, name)) > most or "\0" in getattr(step, name):
            faults.append((name, gettext("At most %(most)s characters.") % {"most": format_number(most)}))
    if step.channel == StepChannel.EMAIL:
        faults += [(name, gettext("Write it: this mail is sent as it stands.")) for name in ("subject", "body")
                   if not getattr(step, name).strip()]  # fmt: skip
        faults += [(name, fault) for name in ("subject", "body") for fault in faults_of(getattr(step, name))]
        if "\n" in step.subject.strip() or "\r" in step.subject.strip():
            faults.append(("subject", gettext("One line.")))
    if step.channel == StepChannel.WEBHOOK and not (step.call_to_action.strip() or step.reference.strip()):
        faults.append(
            ("call_to_action", gettext("Say what the tool is to send: a call to action, a reference, or both."))
        )
    call = step.call_to_action.strip()
    if call and stage is not None and not allows(stage, call):
        listed = ", ".join(stage.calls_to_action) or "none"
        faults.append(
            (
                "call_to_action",
                gettext("%(stage)s does not take “%(call)s”; it takes: %(listed)s.")
                % {"stage": stage.label, "call": call, "listed": listed},
            )
        )
    return faults


def _write_steps(sequence: Sequence, plans: Many[StepPlan]) -> None:
    known = {row.key for row in SequenceStep.objects.filter(sequence=sequence)}
    used: set[uuid.UUID] = set()
    rows = []
    for position, plan in enumerate(plans, 1):
        # A key that is not one of this sequence, or comes twice, is a new step's.
        key = plan.key if plan.key in known and plan.key not in used else uuid.uuid4()
        used.add(key)
        by_mail = plan.channel == StepChannel.EMAIL
        rows.append(
            SequenceStep(
                sequence=sequence,
                version=sequence.version,
                position=position,
                key=key,
                wait_days=plan.wait_days,
                wait_hours=plan.wait_hours,
                in_business_hours=plan.in_business_hours,
                channel=plan.channel,
                call_to_action=plan.call_to_action.strip(),
                subject=" ".join(plan.subject.split()) if by_mail else "",
                body=plan.body.replace("\r\n", "\n").strip() if by_mail else "",
                reference="" if by_mail else plan.reference.strip(),
            )
        )
    SequenceStep.objects.bulk_create(rows)
