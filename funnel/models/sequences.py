"""Nurture: a named sequence of a stage, its steps, who goes through it, and what became of each step for each."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.models import Contact, Purpose
from funnel.enums import EnrolledBy, EnrolmentState, SequenceState, StepChannel, StepState, StopReason


class Sequence(models.Model):
    """What contacts of one stage are sent, step by step. At most one is active in a stage.

    ``version`` is that of its steps: each edit writes them anew with the next number. ``activated_at`` is when it was
    activated last: whoever entered the stage after that is enrolled. Those who stood there already are, where
    ``backfill_until`` says so: contacts in id order, done up to ``backfill_reached``, with a stage held since before
    ``backfill_until``; NULL once all are looked at.
    """

    name = models.CharField(max_length=100, unique=True)
    stage = models.CharField(max_length=32)
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT, related_name="+")
    description = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=6, choices=SequenceState, default=SequenceState.DRAFT)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    edited_at = models.DateTimeField(db_default=Now())
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    activated_at = models.DateTimeField(null=True, blank=True)
    activated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    paused_at = models.DateTimeField(null=True, blank=True)
    backfill_until = models.DateTimeField(null=True, blank=True)
    backfill_reached = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=SequenceState.values), name="sequence_state_known"),
            models.UniqueConstraint(
                fields=["stage"], condition=models.Q(state=SequenceState.ACTIVE), name="sequence_one_active_a_stage"
            ),
            models.CheckConstraint(
                condition=models.Q(state=SequenceState.DRAFT, activated_at=None)
                | ~models.Q(state=SequenceState.DRAFT) & models.Q(activated_at__isnull=False),
                name="sequence_activated_paired",
            ),
            models.CheckConstraint(
                condition=models.Q(state=SequenceState.PAUSED, paused_at__isnull=False)
                | ~models.Q(state=SequenceState.PAUSED) & models.Q(paused_at=None),
                name="sequence_paused_paired",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SequenceStep(models.Model):
    """One step of one version of a sequence: wait, then one message. Steps that somebody went through never change.

    ``key`` is the step itself, the same in every version that has it. The wait begins when the step before was done (or
    with the enrolment). ``in_business_hours``: ``wait_hours`` are hours of the team's calendar, and it is done within
    them. ``reference`` is what the tool that sends knows the message by.
    """

    sequence = models.ForeignKey(Sequence, on_delete=models.CASCADE, related_name="steps", db_index=False)
    version = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField()
    key = models.UUIDField(default=uuid.uuid4)
    wait_days = models.PositiveSmallIntegerField(default=0)
    wait_hours = models.PositiveSmallIntegerField(default=0)
    in_business_hours = models.BooleanField(default=True)
    channel = models.CharField(max_length=7, choices=StepChannel)
    call_to_action = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    reference = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(channel__in=StepChannel.values), name="step_channel_known"),
            models.UniqueConstraint(fields=["sequence", "version", "position"], name="step_one_a_place"),
            models.UniqueConstraint(fields=["sequence", "version", "key"], name="step_once_a_version"),
        ]
        ordering = ["sequence", "version", "position"]

    def __str__(self) -> str:
        return f"step {self.position} of sequence {self.sequence_id}, version {self.version}"


class Enrolment(models.Model):
    """A contact's way through a sequence; at most one under way for each pair of them.

    ``origin_contact_id``: who was enrolled, where a merge has made that contact part of another; see Identity.
    """

    sequence = models.ForeignKey(Sequence, on_delete=models.PROTECT, related_name="enrolments", db_index=False)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="enrolments")
    origin_contact_id = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=EnrolmentState, default=EnrolmentState.ACTIVE)
    how = models.CharField(max_length=8, choices=EnrolledBy)
    enrolled_at = models.DateTimeField()
    enrolled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=13, choices=StopReason, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=EnrolmentState.values), name="enrolment_state_known"),
            models.CheckConstraint(condition=models.Q(how__in=EnrolledBy.values), name="enrolment_how_known"),
            models.CheckConstraint(
                condition=models.Q(state=EnrolmentState.ACTIVE, ended_at=None, reason="")
                | models.Q(state=EnrolmentState.COMPLETED, ended_at__isnull=False, reason="")
                | models.Q(state=EnrolmentState.STOPPED, ended_at__isnull=False, reason__in=StopReason.values),
                name="enrolment_ended_paired",
            ),
            models.UniqueConstraint(
                fields=["contact", "sequence"],
                condition=models.Q(state=EnrolmentState.ACTIVE),
                name="enrolment_one_under_way",
            ),
        ]
        indexes = [
            models.Index(fields=["sequence", "state", "-id"], name="enrolment_of_sequence"),
            models.Index(fields=["id"], condition=models.Q(state=EnrolmentState.ACTIVE), name="enrolment_under_way"),
        ]

    def __str__(self) -> str:
        return f"contact {self.contact_id} in sequence {self.sequence_id}: {self.state}"


class StepRun(models.Model):
    """One step for one enrolment: when it is due, and what became of it. The row is what is sent, so it is sent once.

    ``first_due_at`` is when its wait was over, ``due_at`` when it is looked at (again). ``reasons`` are those of
    may-contact for which it waits, was skipped or stopped: ``[{"code", "message"}]``. ``mail_id``: its row in the mail
    outbox, which is forgotten earlier than this one.
    """

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="runs", db_index=False)
    step = models.ForeignKey(SequenceStep, on_delete=models.PROTECT, related_name="runs")
    key = models.UUIDField()
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=7, choices=StepState, default=StepState.WAITING)
    first_due_at = models.DateTimeField()
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    reasons = models.JSONField(default=list, blank=True)
    mail_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=StepState.values), name="steprun_state_known"),
            models.UniqueConstraint(fields=["enrolment", "key"], name="steprun_once"),
            models.UniqueConstraint(
                fields=["enrolment"],
                condition=models.Q(state__in=[StepState.WAITING, StepState.HELD]),
                name="steprun_one_ahead",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=[StepState.WAITING, StepState.HELD], done_at=None)
                | models.Q(state__in=[StepState.SENT, StepState.SKIPPED, StepState.STOPPED], done_at__isnull=False),
                name="steprun_done_paired",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], condition=models.Q(state=StepState.WAITING), name="steprun_due"),
        ]

    def __str__(self) -> str:
        return f"step {self.position} of enrolment {self.enrolment_id}: {self.state}"
