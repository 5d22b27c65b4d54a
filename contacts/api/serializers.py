"""The facts as JSON (API.md): what goes out, and what the OpenAPI document says comes in."""

from typing import Any, cast

from django.core.exceptions import ObjectDoesNotExist
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from contacts.enums import Answer, ConsentAction, ConsentBasis, Direction, IdentityKind, Motion
from contacts.models import Company, Contact, Event, Identity, Standing
from contacts.registry import DefinitionInForce, definition_in_force
from contacts.services.consent import consents_of


class OpaqueId(serializers.CharField):
    """An id: a text that means nothing to its reader."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"read_only": True, "help_text": "Opaque.", **kwargs})


class CompanySerializer(serializers.ModelSerializer[Company]):
    """A company with its current attributes."""

    id = OpaqueId()

    class Meta:
        model = Company
        fields = ("id", "name", "domain", "industry", "employees", "country")


class CompanyWriteSerializer(serializers.Serializer[Company]):
    """What may be said about a company; it is found by its domain, else by its exact name."""

    name = serializers.CharField(required=False, max_length=255)
    domain = serializers.CharField(required=False, max_length=255)
    industry = serializers.CharField(required=False, max_length=100, allow_null=True)
    employees = serializers.IntegerField(required=False, min_value=0, allow_null=True)
    country = serializers.CharField(required=False, max_length=100, allow_null=True)


class IdentitySerializer(serializers.ModelSerializer[Identity]):
    """A value that names the contact."""

    kind = serializers.ChoiceField(choices=IdentityKind.choices)

    class Meta:
        model = Identity
        fields = ("kind", "value")


class ContactSourceSerializer(serializers.Serializer[Contact]):
    """Where the contact came from: set by its earliest fact, never overwritten."""

    channel = serializers.CharField(source="source_channel")
    direction = serializers.ChoiceField(choices=Direction.choices, source="source_direction")
    motion = serializers.ChoiceField(choices=Motion.choices, source="source_motion")
    campaign = serializers.CharField(source="source_campaign")
    at = serializers.DateTimeField(source="source_at", allow_null=True)


class ContactStageSerializer(serializers.Serializer[Standing]):
    """The stage a contact stands at."""

    key = serializers.CharField(source="stage")
    label = serializers.SerializerMethodField()  # type: ignore[assignment]  # the contract's name hides Field's own
    since = serializers.DateTimeField(source="stage_since")
    furthest = serializers.CharField(source="furthest_stage")

    def get_label(self, standing: Standing) -> str:
        """The stage's name in the definition in force."""
        return _in_force(self).label(standing.stage)


class ContactScoresSerializer(serializers.Serializer[Standing]):
    """Scores in points, as of ``evaluated_at``."""

    fit = serializers.FloatField()
    engagement = serializers.FloatField()
    evaluated_at = serializers.DateTimeField()
    definition_version = serializers.SerializerMethodField()

    def get_definition_version(self, standing: Standing) -> str:
        """The definition in force, ``key@version``."""
        return _in_force(self).version


class OwnerSerializer(serializers.Serializer[Any]):
    """The person who owns a contact."""

    id = OpaqueId()
    name = serializers.CharField(source="get_full_name")
    email = serializers.CharField()


class ContactConsentSerializer(serializers.Serializer[Any]):
    """What holds for one purpose. An address that nothing is sent to holds no consent."""

    purpose = serializers.CharField()
    state = serializers.ChoiceField(choices=ConsentAction.choices)
    basis = serializers.ChoiceField(choices=ConsentBasis.choices)
    at = serializers.DateTimeField()


class ContactSerializer(serializers.ModelSerializer[Contact]):
    """A contact. ``stage`` and ``scores`` are null until it has been judged, within seconds of its first fact."""

    id = OpaqueId()
    means = serializers.ChoiceField(choices=Answer.choices)
    authority = serializers.ChoiceField(choices=Answer.choices)
    company = CompanySerializer(allow_null=True)
    attributes = serializers.DictField()
    identities = IdentitySerializer(many=True)
    source = ContactSourceSerializer(source="*")  # type: ignore[assignment]  # the contract's name hides Field's own
    stage = serializers.SerializerMethodField()
    scores = serializers.SerializerMethodField()
    owner = serializers.SerializerMethodField()
    consent = serializers.SerializerMethodField()

    class Meta:
        model = Contact
        fields = (
            "id",
            "email",
            "phone",
            "first_name",
            "last_name",
            "job_title",
            "role",
            "company",
            "country",
            "means",
            "authority",
            "details_confirmed",
            "attributes",
            "identities",
            "source",
            "stage",
            "scores",
            "owner",
            "consent",
            "created_at",
            "updated_at",
        )

    @extend_schema_field(ContactStageSerializer(allow_null=True))
    def get_stage(self, contact: Contact) -> Any:
        """Where it stands."""
        standing = _standing_of(contact)
        return None if standing is None else ContactStageSerializer(standing, context=self.context).data

    @extend_schema_field(ContactScoresSerializer(allow_null=True))
    def get_scores(self, contact: Contact) -> Any:
        """How it scores."""
        standing = _standing_of(contact)
        return None if standing is None else ContactScoresSerializer(standing, context=self.context).data

    @extend_schema_field(OwnerSerializer(allow_null=True))
    def get_owner(self, contact: Contact) -> Any:
        """Who owns it; null: Marketing."""
        standing = _standing_of(contact)
        return OwnerSerializer(standing.owner).data if standing is not None and standing.owner is not None else None

    @extend_schema_field(ContactConsentSerializer(many=True))
    def get_consent(self, contact: Contact) -> Any:
        """What was said about being written to, by purpose; asked once for all contacts of an answer."""
        context = cast("dict[str, Any]", self.context)
        if contact.pk not in context.get("consents", {}):
            shown = self.root.instance
            context["consents"] = consents_of(shown if isinstance(shown, list) and contact in shown else [contact])
        return ContactConsentSerializer(context["consents"][contact.pk].rows(), many=True).data


class ContactWriteSerializer(serializers.Serializer[Contact]):
    """What may be said about a contact. Null clears; what is left out stays."""

    email = serializers.EmailField(required=False, allow_null=True)
    external_id = serializers.CharField(required=False, max_length=255)
    anonymous_id = serializers.CharField(required=False, max_length=255)
    phone = serializers.CharField(required=False, allow_null=True, max_length=64)
    first_name = serializers.CharField(required=False, allow_null=True, max_length=150)
    last_name = serializers.CharField(required=False, allow_null=True, max_length=150)
    job_title = serializers.CharField(required=False, allow_null=True, max_length=255)
    role = serializers.CharField(required=False, allow_null=True, max_length=100)
    country = serializers.CharField(required=False, allow_null=True, max_length=100)
    means = serializers.ChoiceField(choices=Answer.choices, required=False, allow_null=True)
    authority = serializers.ChoiceField(choices=Answer.choices, required=False, allow_null=True)
    details_confirmed = serializers.BooleanField(required=False)
    company = CompanyWriteSerializer(required=False, allow_null=True)
    attributes = serializers.DictField(required=False)


class EventSourceSerializer(serializers.Serializer[Any]):
    """Who reported an event."""

    id = OpaqueId()
    name = serializers.CharField()


class EventSerializer(serializers.ModelSerializer[Event]):
    """One thing that happened. A retracted or suspect event stays in the list, marked."""

    id = OpaqueId()
    contact = OpaqueId(source="contact_id")
    kind = serializers.CharField(source="kind.name")
    source = EventSourceSerializer()  # type: ignore[assignment]  # the contract's name hides Field's own
    properties = serializers.DictField()
    recorded_by = OpaqueId(source="recorded_by_id", allow_null=True)

    class Meta:
        model = Event
        fields = (
            "id",
            "contact",
            "kind",
            "occurred_at",
            "received_at",
            "channel",
            "source",
            "message_id",
            "properties",
            "recorded_by",
            "suspect_reason",
            "retracted_at",
        )


class EventContactSerializer(serializers.Serializer[None]):
    """Who did it; the strongest identifier decides: id, external_id, email, anonymous_id."""

    id = serializers.CharField(required=False)
    external_id = serializers.CharField(required=False)
    email = serializers.CharField(required=False)
    anonymous_id = serializers.CharField(required=False)


class IncomingEventSerializer(serializers.Serializer[None]):
    """One event to store."""

    message_id = serializers.CharField(max_length=255, help_text="Unique in its source for ever.")
    kind = serializers.CharField(help_text="Such as `demo_requested`.")
    occurred_at = serializers.DateTimeField(required=False, help_text="Left out: the arrival.")
    contact = EventContactSerializer()
    traits = serializers.DictField(required=False, help_text="What is learned about the contact with it.")
    properties = serializers.DictField(required=False)


class EventBatchSerializer(serializers.Serializer[None]):
    """A batch. A single event may also be sent bare."""

    events = IncomingEventSerializer(many=True, help_text="At most 1,000.")


class RejectedSerializer(serializers.Serializer[None]):
    """An event that was not stored."""

    index = serializers.IntegerField(help_text="Its place in the batch, from 0.")
    message_id = serializers.CharField()
    code = serializers.CharField()
    field = serializers.CharField(help_text="Dotted path.")
    message = serializers.CharField()


class ReceiptSerializer(serializers.Serializer[None]):
    """What came of a batch."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectedSerializer(many=True)
    warnings = RejectedSerializer(many=True, help_text="What was odd about events that were stored.")


class SegmentReceiptSerializer(ReceiptSerializer):
    """The same, as the SDKs expect it."""

    success = serializers.BooleanField()


def _standing_of(contact: Contact) -> Standing | None:
    try:
        return contact.standing
    except ObjectDoesNotExist:
        return None


def _in_force(serializer: serializers.BaseSerializer[Any]) -> DefinitionInForce:
    """Return the definition in force, asked for once an answer."""
    context = cast("dict[str, Any]", serializer.context)
    if "definition_in_force" not in context:
        context["definition_in_force"] = definition_in_force()
    found: DefinitionInForce = context["definition_in_force"]
    return found
