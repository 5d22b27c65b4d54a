"""Judgements as JSON. Scores in points, times ISO 8601 in UTC, ids opaque strings."""

from typing import Any

from rest_framework import serializers

from scoring.announcing import announces
from scoring.enums import Cause
from scoring.models import Transition


class WhyStageSerializer(serializers.Serializer[Any]):
    """Where the contact stands."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    since = serializers.DateTimeField(allow_null=True, help_text="Null where nothing was known of the contact yet.")
    furthest = serializers.CharField()


class WhyScoresSerializer(serializers.Serializer[Any]):
    """The scores as of the asked moment."""

    engagement = serializers.FloatField()
    fit = serializers.FloatField()
    fit_threshold = serializers.FloatField()


class LedgerLineSerializer(serializers.Serializer[Any]):
    """One addend of the engagement score; all lines add up to it. A cap's line has no event.

    Of a contact with very many events the weightiest have lines of their own, the others one for each rule.
    """

    event = serializers.CharField(allow_null=True)
    events = serializers.IntegerField(help_text="How many events the line stands for; none for a cap.")
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
    rule = serializers.CharField(help_text="The evidence that a count asks for; empty elsewhere.")
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
    properties = serializers.DictField(help_text="What each of the events must carry.")
    source = serializers.CharField(  # type: ignore[assignment]  # the contract's name
        help_text="Name of the source it must come through; empty for any."
    )


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


class FactorSerializer(serializers.Serializer[Any]):
    """One addend of the log-odds behind a likelihood; all together they are the log-odds."""

    rule = serializers.CharField(
        allow_null=True, help_text="Key of the signal, group or fit rule; null for what everybody starts from."
    )
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    value = serializers.FloatField(help_text="Points now of a signal or group, 1 for a fit rule that is met.")
    log_odds = serializers.FloatField()


class LikelihoodSerializer(serializers.Serializer[Any]):
    """What the learned score says, taken apart."""

    likelihood = serializers.FloatField(help_text="Of a purchase, 0 to 1.")
    criterion = serializers.BooleanField(help_text="Whether a stage of the definition asks for it.")
    auc = serializers.FloatField(allow_null=True, help_text="On history that the training had not seen.")
    outcomes = serializers.IntegerField(help_text="Purchases it was trained on.")
    trained_at = serializers.DateTimeField(allow_null=True)
    factors = FactorSerializer(many=True)


class ContrastSideSerializer(serializers.Serializer[Any]):
    """One of two contacts."""

    contact = serializers.CharField()
    name = serializers.CharField()
    known = serializers.BooleanField()
    stage = WhyStageSerializer()
    scores = serializers.DictField(help_text="Engagement, fit and, where the definition has one, likelihood.")
    sentence = serializers.CharField()


class ContrastRowSerializer(serializers.Serializer[Any]):
    """Something that differs, with what is true of each: ``contact`` and ``other``."""

    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    contact = serializers.DictField()
    other = serializers.DictField()


class ContrastCriterionSerializer(ContrastRowSerializer):
    """A criterion that one meets and the other does not."""

    stage = serializers.CharField()
    criteria = serializers.CharField(help_text="`enter` or `keep`.")
    text = serializers.CharField()


class ContrastSignalSerializer(ContrastRowSerializer):
    """What a rule gives each; a cap's row has no events."""

    rule = serializers.CharField()
    cap = serializers.BooleanField()


class ContrastFitSerializer(ContrastRowSerializer):
    """A fit rule that holds for one of them."""

    rule = serializers.CharField()


class ContrastSerializer(serializers.Serializer[Any]):
    """Two contacts side by side; ``sentence`` names the difference that decides."""

    at = serializers.DateTimeField()
    definition = serializers.CharField(help_text="key@version")
    sentence = serializers.CharField()
    contact = ContrastSideSerializer()
    other = ContrastSideSerializer()
    criteria = ContrastCriterionSerializer(many=True)
    signals = ContrastSignalSerializer(many=True)
    fit = ContrastFitSerializer(many=True)


class WhySerializer(serializers.Serializer[Any]):
    """Why a contact stands where it stands at a moment."""

    contact = serializers.CharField()
    at = serializers.DateTimeField()
    definition = serializers.CharField(help_text="key@version")
    known = serializers.BooleanField(help_text="Whether anything was known of the contact by then.")
    stage = WhyStageSerializer()
    scores = WhyScoresSerializer()
    sentence = serializers.CharField()
    ledger = LedgerLineSerializer(many=True)
    fit_ledger = FitLineSerializer(many=True)
    likelihood = LikelihoodSerializer(allow_null=True, help_text="Null where no learned score is ready.")
    criteria = StageCriteriaSerializer(many=True)
    questions = QuestionSerializer(many=True)
    flag = serializers.CharField(
        allow_null=True, help_text="What a contact of its stage is expected to meet and does not."
    )
    next_stage = NextStageSerializer(allow_null=True)
    next_change = NextChangeSerializer(allow_null=True)
    contrast = ContrastSerializer(required=False, help_text="Only where `compare_with` was given.")


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
    announce = serializers.SerializerMethodField(
        help_text="Whether the change is news: true, recorded within 72 hours of when it took effect, not said before "
        "by another row, and not from a quiet publication."
    )

    class Meta:
        model = Transition
        fields = (
            "id", "contact", "to", "effective_at", "recorded_at", "cause", "event", "definition",
            "engagement", "fit", "superseded_at", "superseded_by", "announce",
        )  # fmt: skip

    def get_fields(self) -> dict[str, Any]:
        """Add ``from``: a keyword of Python, so no attribute of the class can have the name."""
        return {**super().get_fields(), "from": serializers.SerializerMethodField(method_name="get_from_stage")}

    def get_from_stage(self, transition: Transition) -> str | None:
        """The stage it left."""
        return transition.from_stage or None

    def get_announce(self, transition: Transition) -> bool:
        """Whether anybody is to be told; the queryset carries the facts that the rule asks for."""
        facts: dict[str, bool] = {name: getattr(transition, name) for name in ("is_in_force", "is_first", "is_quiet")}
        return announces(transition, **facts)

    def get_engagement(self, transition: Transition) -> float:
        """Engagement at that moment, in points."""
        return transition.engagement_mp / 1000

    def get_fit(self, transition: Transition) -> float:
        """Fit at that moment, in points."""
        return transition.fit_mp / 1000
