"""Forms of the webhooks' pages."""

from typing import Any

from django import forms
from django.utils import timezone

from funnel.enums import AnnouncementType
from funnel.models.hooks import HOOKABLE


class EndpointForm(forms.Form):
    """An endpoint, new or changed."""

    url = forms.CharField(
        label="Address",
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://hooks.example.com/ripen", "autocomplete": "off"}),
        help_text="Where messages are posted to: https, at an address of the public internet.",
    )
    description = forms.CharField(
        label="What it is", max_length=200, required=False, help_text="For whoever looks at the list later."
    )
    types = forms.MultipleChoiceField(
        label="What it is told",
        required=False,
        choices=[(kind.value, f"{AnnouncementType(kind).label} ({kind.value})") for kind in HOOKABLE],
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked means everything, also what later versions add.",
    )


class ReplayForm(forms.Form):
    """Since when dead letters are sent again."""

    since = forms.DateTimeField(
        label="Dead letters since",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "iso-8601"],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Say which zone is meant."""
        super().__init__(*args, **kwargs)
        self.fields["since"].help_text = f"Time zone: {timezone.get_current_timezone_name()}."
