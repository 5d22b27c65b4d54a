"""Forms of the facts app."""

from datetime import datetime

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy

from contacts.enums import Scope


class SourceForm(forms.Form):
    """A new source."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("What the integration is called.")
    )
    channel = forms.CharField(
        label=gettext_lazy("Channel"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("Where contacts who first come by it count as coming from, such as “website”."),
    )
    public = forms.BooleanField(
        label=gettext_lazy("The key is used in browsers"),
        required=False,
        help_text=gettext_lazy("Anybody can read such a key, so it may send only what contacts do themselves."),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What the key may do"),
        choices=Scope.choices,
        initial=[Scope.EVENTS_WRITE.value],
        widget=forms.CheckboxSelectMultiple,
    )


def local_now(now: datetime) -> str:
    """Write a moment as a ``datetime-local`` control takes it, in the current zone."""
    return f"{timezone.localtime(now):%Y-%m-%dT%H:%M}"
