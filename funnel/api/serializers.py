"""Handoffs as JSON, and the bodies of the moves."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from funnel.enums import HandoffState, ReturnReason
from funnel.models import Handoff
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
        child=serializers.DictField(), required=False, help_text="The fit rules that weighed: `rule`, `label`, `points`."
    )
    criteria = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="The evidence that counted: `rule` and `label`."
    )
    questions = serializers.ListField(child=serializers.CharField(), help_text="Gates whose answer nobody knew.")
    definition = serializers.CharField(help_text="key@version")


class HandoffSerializer(serializers.ModelSerializer[Handoff]):
    """One handoff. Ids are opaque strings, times ISO 8601 in UTC."""

    id = serializers.CharField()
    contact = HandoffContactSerializer()
    state = serializers.ChoiceField(choices=HandoffState.choices)
    stage = serializers.SerializerMethodField()
    evidence = serializers.SerializerMethodField()
    claimed_by = PersonSerializer(allow_null=True)
    reason = serializers.CharField(help_text="Why it was returned: a code, empty unless it was.")

    class Meta:
        model = Handoff
        fields = (
            "id",
            "contact",
            "state",
            "stage",
            "evidence",
            "offered_at",
            "claimed_by",
            "claimed_at",
            "accepted_at",
            "closed_at",
            "reason",
            "note",
        )
        read_only_fields = fields

    @extend_schema_field(HandoffStageSerializer)
    def get_stage(self, handoff: Handoff) -> dict[str, str]:
        """Key and label; the labels come with the serializer's context, one query for a whole list."""
        labels: dict[str, str] = self.context["stage_labels"]
        return {"key": handoff.stage, "label": labels.get(handoff.stage, handoff.stage)}

    @extend_schema_field(EvidenceSerializer)
    def get_evidence(self, handoff: Handoff) -> dict[str, Any]:
        """As it was frozen."""
        evidence: dict[str, Any] = handoff.evidence
        return evidence


class ReturnSerializer(serializers.Serializer[Any]):
    """The body of a return."""

    reason = serializers.ChoiceField(choices=ReturnReason.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=NOTE_LENGTH)


class WinSerializer(serializers.Serializer[Any]):
    """The body of a win."""

    note = serializers.CharField(max_length=NOTE_LENGTH, help_text="What was won.")
