"""Forms of the facts app."""

from datetime import datetime

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy

from contacts.enums import Role, Scope


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


class PersonForm(forms.Form):
    """Somebody new."""

    email = forms.EmailField(label=gettext_lazy("E-mail"), max_length=150)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)


class TokenForm(forms.Form):
    """A new personal token."""

    name = forms.CharField(label=gettext_lazy("What for"), max_length=100)


def local_now(now: datetime) -> str:
    """Write a moment as a ``datetime-local`` control takes it, in the current zone."""
    return f"{timezone.localtime(now):%Y-%m-%dT%H:%M}"
