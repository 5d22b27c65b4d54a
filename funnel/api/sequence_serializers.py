"""Sequences, enrolments and their figures as JSON, and the bodies of their calls."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from funnel.enums import EnrolledBy, EnrolmentState, SequenceState, StepChannel, StepState
from funnel.models import Enrolment, Sequence, StepRun
from funnel.nurturing import LONGEST_DAYS, LONGEST_HOURS
from funnel.selectors.sequences import Figures


class StepSerializer(serializers.Serializer[Any]):
    """A step: how long to wait after the one before, and what to send how."""

    key = serializers.UUIDField(required=False, help_text="The step itself, the same in every version.")
    channel = serializers.ChoiceField(choices=StepChannel.choices)
    wait_days = serializers.IntegerField(min_value=0, max_value=LONGEST_DAYS, default=0)
    wait_hours = serializers.IntegerField(min_value=0, max_value=LONGEST_HOURS, default=0)
    in_business_hours = serializers.BooleanField(
        default=True, help_text="Hours are the team's business hours, and it is sent within them."
    )
    call_to_action = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default="", help_text="One that the stage takes."
    )
    subject = serializers.CharField(max_length=200, required=False, allow_blank=True, default="", help_text="Mail.")
    body = serializers.CharField(
        max_length=20_000,
        required=False,
        allow_blank=True,
        default="",
        trim_whitespace=False,
        help_text="Mail: plain text with the placeholders {first_name}, {last_name}, {company}, {job_title}.",
    )
    reference = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default="", help_text="Webhook: what the tool knows it by."
    )


class SequencePlanSerializer(serializers.Serializer[Any]):
    """A sequence as it is to be."""

    name = serializers.CharField(max_length=100)
    stage = serializers.CharField(max_length=32, help_text="Key of a stage of the definition in force.")
    purpose = serializers.CharField(max_length=32, help_text="Key of what people are written to about.")
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)
    steps = StepSerializer(many=True, required=False)


class SequenceChangeSerializer(SequencePlanSerializer):
    """What is to change of a sequence; what is left out stays."""

    version = serializers.IntegerField(
        required=False, min_value=1, help_text="The version that was read, to change nothing that nobody has seen."
    )


class SequenceSerializer(serializers.ModelSerializer[Sequence]):
    """A sequence with its steps, in order."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=SequenceState.choices)
    purpose = serializers.CharField(source="purpose.key")
    steps = serializers.SerializerMethodField()

    class Meta:
        model = Sequence
        fields = (
            "id",
            "name",
            "stage",
            "purpose",
            "description",
            "state",
            "version",
            "steps",
            "created_at",
            "edited_at",
            "activated_at",
            "paused_at",
        )
        read_only_fields = fields

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, sequence: Sequence) -> Any:
        """Those of the version it has now."""
        steps = [step for step in sequence.steps.all() if step.version == sequence.version]
        return StepSerializer(sorted(steps, key=lambda step: step.position), many=True).data


class ActivationSerializer(serializers.Serializer[Any]):
    """How to activate."""

    backfill = serializers.BooleanField(default=False, help_text="Enrol those who stand in the stage already, too.")


class EnrolSerializer(serializers.Serializer[Any]):
    """Whom to enrol."""

    contact = serializers.CharField(max_length=20, help_text="The contact's id.")


class ReasonOfStepSerializer(serializers.Serializer[Any]):
    """Why a step waits, was skipped or stopped."""

    code = serializers.CharField()
    message = serializers.CharField()


class StepRunSerializer(serializers.ModelSerializer[StepRun]):
    """What became of a step for a contact."""

    state = serializers.ChoiceField(choices=StepState.choices)
    reasons = ReasonOfStepSerializer(many=True)

    class Meta:
        model = StepRun
        fields = ("key", "position", "state", "due_at", "done_at", "reasons")
        read_only_fields = fields


class EnrolmentSerializer(serializers.ModelSerializer[Enrolment]):
    """A contact's way through a sequence."""

    id = serializers.CharField()
    sequence = serializers.CharField(source="sequence_id")
    contact = serializers.CharField(source="contact_id")
    state = serializers.ChoiceField(choices=EnrolmentState.choices)
    how = serializers.ChoiceField(choices=EnrolledBy.choices)
    reason = serializers.CharField(help_text="Why it was stopped: a code, empty unless it was.")
    steps = StepRunSerializer(source="runs", many=True)

    class Meta:
        model = Enrolment
        fields = ("id", "sequence", "contact", "state", "how", "enrolled_at", "ended_at", "reason", "steps")
        read_only_fields = fields


class ReasonCountSerializer(serializers.Serializer[Any]):
    """How often for which reason."""

    state = serializers.CharField()
    code = serializers.CharField()
    contacts = serializers.IntegerField()


class StepFiguresSerializer(serializers.Serializer[Any]):
    """What became of a step for all who came to it."""

    key = serializers.UUIDField()
    position = serializers.IntegerField()
    waiting = serializers.IntegerField()
    sent = serializers.IntegerField()
    skipped = serializers.IntegerField()
    stopped = serializers.IntegerField()
    reasons = ReasonCountSerializer(many=True)


class StopCountSerializer(serializers.Serializer[Any]):
    """How many were stopped for a reason."""

    reason = serializers.CharField()
    contacts = serializers.IntegerField()


class FiguresSerializer(serializers.Serializer[Any]):
    """The report of a sequence."""

    enrolled = serializers.IntegerField()
    under_way = serializers.IntegerField()
    completed = serializers.IntegerField()
    stopped = StopCountSerializer(many=True)
    moved_on = serializers.IntegerField(help_text="Reached a stronger stage within `days` of their enrolment.")
    may_yet = serializers.IntegerField(help_text="Did not, and were enrolled less than `days` ago.")
    days = serializers.IntegerField()
    steps = StepFiguresSerializer(many=True)


def figures_json(figures: Figures) -> dict[str, Any]:
    """Lay figures out as the API answers them."""
    return {
        "enrolled": figures.row.enrolled,
        "under_way": figures.row.under_way,
        "completed": figures.row.completed,
        "stopped": [{"reason": reason.value, "contacts": number} for reason, number in figures.ends],
        "moved_on": figures.moved_on,
        "may_yet": figures.may_yet,
        "days": figures.days,
        "steps": [
            {
                "key": row.step.key,
                "position": row.step.position,
                "waiting": row.waiting,
                "sent": row.sent,
                "skipped": row.skipped,
                "stopped": row.stopped,
                "reasons": [{"state": state, "code": code, "contacts": number} for state, code, number in row.reasons],
            }
            for row in figures.steps
        ],
    }
