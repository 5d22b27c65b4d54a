"""Definitions as JSON."""

from typing import Any

from rest_framework import serializers

from scoring.enums import DefinitionState, Team
from scoring.models import Definition
from scoring.services.approvals import asked_teams, current_approvals


class ActorSerializer(serializers.Serializer[Any]):
    """Who did it, by id and name."""

    id = serializers.CharField()
    name = serializers.SerializerMethodField()

    def get_name(self, person: Any) -> str:
        """What they are called."""
        return str(person.get_full_name() or person.get_username())


class ApprovalSerializer(serializers.Serializer[Any]):
    """The word of one team that a definition asks for: who gave it, null while nobody has."""

    team = serializers.ChoiceField(choices=Team.choices)
    approved_by = ActorSerializer(allow_null=True)
    approved_at = serializers.DateTimeField(allow_null=True)


class DefinitionSerializer(serializers.ModelSerializer[Definition]):
    """One version of a definition; ``in_force`` tells the one that judges now, ``revision`` counts a draft's edits."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=DefinitionState.choices)
    in_force = serializers.SerializerMethodField()
    edited_by = ActorSerializer(allow_null=True)
    document = serializers.DictField()

    class Meta:
        model = Definition
        fields = (
            "id", "key", "version", "name", "state", "in_force", "created_at", "revision", "edited_at", "edited_by",
            "document",
        )  # fmt: skip
        read_only_fields = fields

    def get_in_force(self, definition: Definition) -> bool:
        """Whether this version judges now."""
        return bool(definition.pk == self.context.get("in_force"))


class DefinitionDetailSerializer(DefinitionSerializer):
    """One version of a definition, with the word of each team that must agree before it is published."""

    approvals = serializers.SerializerMethodField()

    class Meta(DefinitionSerializer.Meta):
        fields = (*DefinitionSerializer.Meta.fields, "approvals")  # type: ignore[assignment]  # a longer tuple
        read_only_fields = fields  # type: ignore[assignment]  # a longer tuple

    def get_approvals(self, definition: Definition) -> list[dict[str, Any]]:
        """Each team that is asked, Marketing first."""
        asked = asked_teams(definition)
        given = current_approvals(definition) if asked else {}
        rows = [
            {
                "team": team.value,
                "approved_by": given[team].approved_by if team in given else None,
                "approved_at": given[team].approved_at if team in given else None,
            }
            for team in asked
        ]
        return list(ApprovalSerializer(rows, many=True).data)


class DraftSerializer(serializers.Serializer[None]):
    """A new draft: exactly one of the three."""

    document = serializers.DictField(required=False, help_text="The definition as JSON.")
    yaml = serializers.CharField(required=False, help_text="The definition as YAML text.")
    copy_of = serializers.CharField(required=False, help_text="Id of any version: the next one of the same key.")


class DraftChangeSerializer(serializers.Serializer[None]):
    """The document that takes the draft's place."""

    document = serializers.DictField(required=False, help_text="The definition as JSON; this or `yaml`.")
    yaml = serializers.CharField(required=False, help_text="The definition as YAML text.")
    revision = serializers.IntegerField(
        required=False, help_text="The revision that was changed; `If-Match` with the answer's `ETag` says the same."
    )


class PublicationSerializer(serializers.Serializer[None]):
    """How loudly."""

    quiet = serializers.BooleanField(
        required=False, default=False, help_text="Offers to Sales follow, but no notices of single changes are sent."
    )


class AgreementSerializer(serializers.Serializer[None]):
    """Whose word."""

    team = serializers.ChoiceField(choices=Team.choices)
    withdraw = serializers.BooleanField(required=False, default=False, help_text="Take the word back.")


class ComparisonSerializer(serializers.Serializer[None]):
    """What to compare with."""

    def get_fields(self) -> dict[str, Any]:
        """Add ``with``: a keyword of Python, so no attribute of the class can have the name."""
        return {"with": serializers.CharField(help_text="A definition's key, or key@version.")}


class BacktestSerializer(serializers.Serializer[None]):
    """How to look back; all may be left out."""

    mode = serializers.ChoiceField(
        choices=(("month-ends", "at the end of every month"), ("own-times", "at each contact's own times")),
        required=False,
    )
    horizon_days = serializers.IntegerField(required=False, help_text="An outcome within so many days counts.")
    since = serializers.DateField(required=False, help_text="First day to judge at.")
    until = serializers.DateField(required=False, help_text="Last day to judge at.")
    outcome = serializers.CharField(
        required=False, help_text="What is foreseen: an evidence of the definition, or kinds of events with commas."
    )
