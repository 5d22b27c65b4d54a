"""Handoffs as JSON, and the bodies of the moves."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from funnel.enums import HandoffState, InterimOutcome, MoveName, ReturnReason
from funnel.models import Handoff
from funnel.selectors.cards import is_stale, last_activity_of
from funnel.selectors.people import name_of

NOTE_LENGTH = 5_000


class PersonSerializer(serializers.Serializer[Any]):
    """A person, as others see them."""

    id = serializers.CharField()
    name = serializers.SerializerMethodField()
    email = serializers.EmailField()

    def get_name(self, person: Any) -> str:
        """Their full name, else their e-mail address."""
        return name_of(person)


class HandoffContactSerializer(serializers.Serializer[Any]):
    """As much of the contact as a list of handoffs needs; the rest is at ``/contacts/{id}/``."""

    id = serializers.CharField()
    name = serializers.CharField(source="display_name")
    email = serializers.CharField()
    phone = serializers.CharField()
    job_title = serializers.CharField()
    company = serializers.SerializerMethodField()

    def get_company(self, contact: Any) -> str | None:
        """The company's name, null where none is known."""
        return str(contact.company) if contact.company_id else None


class HandoffStageSerializer(serializers.Serializer[Any]):
    """The stage that the contact was offered in, with the published definition's label."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name


class EvidenceSerializer(serializers.Serializer[Any]):
    """Why the contact was offered, frozen at that moment. Points, not thousandths."""

    sentence = serializers.CharField()
    stage = serializers.CharField()
    engagement = serializers.FloatField()
    fit = serializers.FloatField()
    lines = serializers.ListField(child=serializers.DictField(), help_text="The ledger; its points sum to engagement.")
    fit_lines = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text="The fit rules that weighed: `rule`, `label`, `points`.",
    )
    criteria = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="The evidence that counted: `rule` and `label`."
    )
    questions = serializers.ListField(child=serializers.CharField(), help_text="Gates whose answer nobody knew.")
    definition = serializers.CharField(help_text="key@version")


class PassedOverSerializer(serializers.Serializer[Any]):
    """Somebody who would have got it, and why they did not."""

    id = serializers.CharField()
    person = serializers.CharField(help_text="Their name.")
    why = serializers.CharField()


class RoutingSerializer(serializers.Serializer[Any]):
    """Why an offer is kept for somebody, or waits in the queue for everybody; empty where it was released."""

    rule = serializers.CharField(required=False, help_text="The routing rule's name, empty where none decided.")
    why = serializers.CharField(required=False)
    passed_over = PassedOverSerializer(many=True, required=False)


class MoveSerializer(serializers.Serializer[Any]):
    """One move of a handoff: the rows are the chain of who had it."""

    number = serializers.IntegerField()
    move = serializers.ChoiceField(source="name", choices=MoveName.choices)
    from_state = serializers.CharField(help_text="Empty for the offer.")
    to_state = serializers.CharField()
    by = PersonSerializer(allow_null=True, help_text="Null: no person did it (the judgement, the clock, a merge).")
    rep = PersonSerializer(source="to_rep", allow_null=True, help_text="Whose it was, or was kept for, from then on.")
    at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="When the clock until then would have run out.")
    reason = serializers.CharField(help_text="A code, empty where there is none.")
    note = serializers.CharField()


class HandoffSerializer(serializers.ModelSerializer[Handoff]):
    """One handoff. Ids are opaque strings, times ISO 8601 in UTC."""

    id = serializers.CharField()
    contact = HandoffContactSerializer()
    state = serializers.ChoiceField(choices=HandoffState.choices)
    stage = serializers.SerializerMethodField()
    evidence = serializers.SerializerMethodField()
    claimed_by = PersonSerializer(allow_null=True)
    assigned_to = PersonSerializer(allow_null=True, help_text="The rep it is kept for; null: the queue.")
    routing = RoutingSerializer()
    warn_at = serializers.DateTimeField(allow_null=True, help_text="When the clock warns; null where none runs.")
    due_at = serializers.DateTimeField(
        allow_null=True, help_text="When the time to claim, or to make the first attempt, is up."
    )
    attempted_at = serializers.DateTimeField(
        allow_null=True, help_text="The first attempt to reach the contact since the claim."
    )
    outcome = serializers.CharField(help_text="The last interim result: a code, empty where there is none.")
    next_at = serializers.DateTimeField(allow_null=True, help_text="What was agreed for when.")
    last_activity_at = serializers.SerializerMethodField(
        help_text="When something was last said or done; null before the claim."
    )
    stale = serializers.SerializerMethodField(
        help_text="It asks for an outcome: its next date has passed, or nothing was said for too long."
    )
    escalation = serializers.IntegerField(help_text="How often the contact was offered in vain.")
    first_offered_at = serializers.DateTimeField(help_text="Since when the contact waits, however often offered.")
    previous = serializers.CharField(
        source="previous_id", allow_null=True, help_text="The offer that expired before this one."
    )
    reason = serializers.CharField(help_text="Why it was returned: a code, empty unless it was.")
    moves = MoveSerializer(many=True)

    class Meta:
        model = Handoff
        fields = (
            "id",
            "contact",
            "state",
            "stage",
            "evidence",
            "offered_at",
            "first_offered_at",
            "assigned_to",
            "routing",
            "warn_at",
            "due_at",
            "claimed_by",
            "claimed_at",
            "attempted_at",
            "accepted_at",
            "outcome",
            "next_at",
            "last_activity_at",
            "stale",
            "closed_at",
            "reason",
            "note",
            "escalation",
            "previous",
            "moves",
        )
        read_only_fields = fields

    @extend_schema_field(HandoffStageSerializer)
    def get_stage(self, handoff: Handoff) -> dict[str, str]:
        """Key and label; the labels come with the serializer's context, one query for a whole list."""
        labels: dict[str, str] = self.context["stage_labels"]
        return {"key": handoff.stage, "label": labels.get(handoff.stage, handoff.stage)}

    def get_last_activity_at(self, handoff: Handoff) -> datetime | None:
        """What its rep wrote down and what arrived from outside, whichever is later."""
        return last_activity_of(handoff)

    def get_stale(self, handoff: Handoff) -> bool:
        """As the pages flag it; the settings come with the context, one query for a whole list."""
        return is_stale(handoff, now=timezone.now(), stale_days=self.context["sales_settings"].stale_days)

    @extend_schema_field(EvidenceSerializer)
    def get_evidence(self, handoff: Handoff) -> dict[str, Any]:
        """As it was frozen."""
        evidence: dict[str, Any] = handoff.evidence
        return evidence


class ClaimNextSerializer(serializers.Serializer[Any]):
    """The body of a claim of whatever comes next; it may be empty."""

    only_kept = serializers.BooleanField(default=False, help_text="Only what is kept for the caller.")


class ReturnSerializer(serializers.Serializer[Any]):
    """The body of a return."""

    reason = serializers.ChoiceField(choices=ReturnReason.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=NOTE_LENGTH)


class NoteSerializer(serializers.Serializer[Any]):
    """The body of a move that needs no more than a word."""

    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=NOTE_LENGTH)


class ReassignSerializer(NoteSerializer):
    """The body of a reassignment."""

    to = serializers.CharField(help_text="The id of the person who gets it.")
    override = serializers.BooleanField(default=False, help_text="Even where they hold as many as they may.")


class OutcomeSerializer(NoteSerializer):
    """The body of an interim result."""

    outcome = serializers.ChoiceField(choices=InterimOutcome.choices)
    next_at = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="When to go on; some results need it."
    )


class WinSerializer(serializers.Serializer[Any]):
    """The body of a win."""

    note = serializers.CharField(max_length=NOTE_LENGTH, help_text="What was won.")
