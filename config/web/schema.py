"""What the OpenAPI document says about every endpoint."""

from rest_framework import serializers


class ErrorSerializer(serializers.Serializer[None]):
    """The one shape of every error."""

    code = serializers.CharField(help_text="snake_case; stable, programs decide by it.")
    message = serializers.CharField(help_text="A sentence for a person.")
    fields = serializers.DictField(  # type: ignore[assignment]  # the contract's name; Serializer has a property so called
        child=serializers.CharField(), help_text="What is wrong with which field."
    )
