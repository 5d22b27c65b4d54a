"""Judgements as JSON. Scores in points, times ISO 8601 in UTC, ids opaque strings."""

from typing import Any

from rest_framework import serializers

from scoring.enums import Cause, DefinitionState
from scoring.models import Definition, Transition


class WhyStageSerializer(serializers.Serializer[Any]):
    """Where the contact stands."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    since = serializers.DateTimeField()
    furthest = serializers.CharField()


class WhyScoresSerializer(serializers.Serializer[Any]):
    """The scores as of the asked moment."""

    engagement = serializers.FloatField()
    fit = serializers.FloatField()
    fit_threshold = serializers.FloatField()


class LedgerLineSerializer(serializers.Serializer[Any]):
    """One addend of the engagement score; all lines add up to it. A cap's line has no event."""

    event = serializers.CharField(allow_null=True)
    kind = serializers.CharField(allow_null=True)
    occurred_at = serializers.DateTimeField(allow_null=True)
    rule = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    definition = serializers.CharField(help_text="key@version")
    raw = serializers.FloatField(help_text="Points before decay.")
    decay = serializers.FloatField(help_text="What age leaves of them, 0 to 1.")
    points = serializers.FloatField()
    cap = serializers.BooleanField()


class FitLineSerializer(serializers.Serializer[Any]):
    """One addend of the fit score."""

    rule = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    value = serializers.JSONField()
    points = serializers.FloatField()


class CriterionSerializer(serializers.Serializer[Any]):
    """One node of a criteria tree."""

    text = serializers.CharField()
    met = serializers.BooleanField()
    found = serializers.CharField(help_text="What was found where a leaf looked.")
    children = serializers.ListField(child=serializers.DictField(), help_text="Nodes of the same shape.")


class StageCriteriaSerializer(serializers.Serializer[Any]):
    """The criteria of one stage."""

    stage = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    entered = serializers.BooleanField()
    kept = serializers.BooleanField()
    enter = CriterionSerializer(allow_null=True)
    keep = CriterionSerializer(allow_null=True)


class QuestionSerializer(serializers.Serializer[Any]):
    """A gate whose answer is not known."""

    gate = serializers.CharField()
    question = serializers.CharField()


class StepEventSerializer(serializers.Serializer[Any]):
    """Events of one kind that a step asks for."""

    kind = serializers.CharField()
    times = serializers.IntegerField()


class SmallestStepSerializer(serializers.Serializer[Any]):
    """The fewest, most ordinary events and attribute values that would bring the contact to the stage now."""

    sentence = serializers.CharField()
    events = StepEventSerializer(many=True)
    attributes = serializers.DictField()


class NextStageSerializer(serializers.Serializer[Any]):
    """The next stronger stage and what is missing for it."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    unmet = serializers.ListField(child=serializers.CharField())
    smallest_step = SmallestStepSerializer(allow_null=True)


class NextChangeSerializer(serializers.Serializer[Any]):
    """When the stage changes if nothing happens, and to what."""

    at = serializers.DateTimeField()
    stage = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name


class WhySerializer(serializers.Serializer[Any]):
    """Why a contact stands where it stands at a moment."""

    contact = serializers.CharField()
    at = serializers.DateTimeField()
    definition = serializers.CharField(help_text="key@version")
    stage = WhyStageSerializer()
    scores = WhyScoresSerializer()
    sentence = serializers.CharField()
    ledger = LedgerLineSerializer(many=True)
    fit_ledger = FitLineSerializer(many=True)
    criteria = StageCriteriaSerializer(many=True)
    questions = QuestionSerializer(many=True)
    flag = serializers.CharField(
        allow_null=True, help_text="What a contact of its stage is expected to meet and does not."
    )
    next_stage = NextStageSerializer(allow_null=True)
    next_change = NextChangeSerializer(allow_null=True)


class TransitionSerializer(serializers.ModelSerializer[Transition]):
    """One change of a contact's stage. ``from`` is null for a contact's first stage."""

    id = serializers.CharField()
    contact = serializers.CharField(source="contact_id")
    to = serializers.CharField(source="to_stage")
    cause = serializers.ChoiceField(choices=Cause.choices)
    event = serializers.CharField(source="cause_event_id", allow_null=True)
    definition = serializers.CharField(source="definition_version")
    engagement = serializers.SerializerMethodField()
    fit = serializers.SerializerMethodField()
    superseded_by = serializers.CharField(source="superseded_by_id", allow_null=True)

    class Meta:
        model = Transition
        fields = (
            "id", "contact", "to", "effective_at", "recorded_at", "cause", "event", "definition",
            "engagement", "fit", "superseded_at", "superseded_by",
        )  # fmt: skip

    def get_fields(self) -> dict[str, Any]:
        """Add ``from``: a keyword of Python, so no attribute of the class can have the name."""
        return {**super().get_fields(), "from": serializers.SerializerMethodField(method_name="get_from_stage")}

    def get_from_stage(self, transition: Transition) -> str | None:
        """The stage it left."""
        return transition.from_stage or None

    def get_engagement(self, transition: Transition) -> float:
        """Engagement at that moment, in points."""
        return transition.engagement_mp / 1000

    def get_fit(self, transition: Transition) -> float:
        """Fit at that moment, in points."""
        return transition.fit_mp / 1000


class DefinitionSerializer(serializers.ModelSerializer[Definition]):
    """One version of a definition; ``in_force`` tells the one that judges now."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=DefinitionState.choices)
    in_force = serializers.SerializerMethodField()

    class Meta:
        model = Definition
        fields = ("id", "key", "version", "name", "state", "in_force", "created_at", "document")
        read_only_fields = fields

    def get_in_force(self, definition: Definition) -> bool:
        """Whether this version judges now."""
        return bool(definition.pk == self.context.get("in_force"))
