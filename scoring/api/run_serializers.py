"""Runs, and the contacts behind their numbers, as JSON."""

from typing import Any

from rest_framework import serializers

from contacts.enums import WorkState
from scoring.enums import RunKind


class RunSerializer(serializers.Serializer[Any]):
    """Long work on a definition: the order, the progress, and the result once it is there."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=RunKind.choices)
    state = serializers.ChoiceField(choices=WorkState.choices)
    definition = serializers.CharField(help_text="key@version")
    other = serializers.CharField(allow_null=True, help_text="The second definition of a comparison, key@version.")
    revision = serializers.IntegerField(help_text="Of the draft that is tried.")
    done = serializers.IntegerField()
    total = serializers.IntegerField(help_text="0 while it is not known.")
    unit = serializers.CharField(help_text="What is counted.")
    share = serializers.FloatField(allow_null=True, help_text="Done of total, 0 to 1.")
    rate = serializers.FloatField(allow_null=True, help_text="Units a second.")
    remaining = serializers.FloatField(allow_null=True, help_text="Seconds it will still take at that rate.")
    error = serializers.CharField(help_text="Why it failed; empty otherwise.")
    result = serializers.JSONField(allow_null=True)
    parameters = serializers.DictField()
    requested_at = serializers.DateTimeField()
    requested_by = serializers.CharField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    cancel_requested_at = serializers.DateTimeField(allow_null=True)
    attempts = serializers.IntegerField()


class CellContactSerializer(serializers.Serializer[Any]):
    """Who it is."""

    id = serializers.CharField()
    name = serializers.CharField(source="display_name")
    email = serializers.CharField()
    company = serializers.SerializerMethodField()

    def get_company(self, contact: Any) -> str | None:
        """Name of the employer."""
        return str(contact.company) if contact.company else None


class StageReasonSerializer(serializers.Serializer[Any]):
    """A stage under one definition, and why."""

    key = serializers.CharField(source="stage_key")
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    sentence = serializers.CharField()


class BothVerdictsSerializer(serializers.Serializer[Any]):
    """One contact with both verdicts and their reasons: now and under the draft, or under the two definitions."""

    contact = CellContactSerializer()

    def get_fields(self) -> dict[str, Any]:
        """Add ``from`` and ``to``: ``from`` is a keyword of Python, so no attribute of the class can have the name."""
        verdicts = {"from": StageReasonSerializer(source="before"), "to": StageReasonSerializer(source="after")}
        return {**super().get_fields(), **verdicts}


class CellPageSerializer(serializers.Serializer[None]):
    """A page of the contacts behind a cell."""

    results = BothVerdictsSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="The following page.")
