"""Forms of the webhooks' pages."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from funnel.enums import AnnouncementType
from funnel.models.hooks import HOOKABLE


def _types() -> list[tuple[str, str]]:
    """What may be told, in the reader's language and as the message names it."""
    return [(kind.value, f"{AnnouncementType(kind).label} ({kind.value})") for kind in HOOKABLE]


class EndpointForm(forms.Form):
    """An endpoint, new or changed."""

    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://hooks.example.com/ripen", "autocomplete": "off"}),
        help_text=gettext_lazy("Where messages are posted to: https, at an address of the public internet."),
    )
    description = forms.CharField(
        label=gettext_lazy("What it is"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("For whoever looks at the list later."),
    )
    types = forms.MultipleChoiceField(
        label=gettext_lazy("What it is told"),
        required=False,
        choices=_types,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked means everything, also what later versions add."),
    )


class ReplayForm(forms.Form):
    """Since when dead letters are sent again."""

    since = forms.DateTimeField(
        label=gettext_lazy("Dead letters since"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "iso-8601"],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Say which zone is meant."""
        super().__init__(*args, **kwargs)
        self.fields["since"].help_text = gettext("Time zone: %(zone)s.") % {
            "zone": timezone.get_current_timezone_name()
        }
