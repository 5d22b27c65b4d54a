"""Forms of the facts app."""

from datetime import datetime

from django import forms
from django.utils import timezone

from contacts.enums import Role, Scope


class SourceForm(forms.Form):
    """A new source."""

    name = forms.CharField(label="Name", max_length=100, help_text="What the integration is called.")
    channel = forms.CharField(
        label="Channel",
        max_length=100,
        required=False,
        help_text="Where contacts who first come by it count as coming from, such as “website”.",
    )
    public = forms.BooleanField(
        label="The key is used in browsers",
        required=False,
        help_text="Anybody can read such a key, so it may send only what contacts do themselves.",
    )
    scopes = forms.MultipleChoiceField(
        label="What the key may do",
        choices=Scope.choices,
        initial=[Scope.EVENTS_WRITE.value],
        widget=forms.CheckboxSelectMultiple,
    )


class PersonForm(forms.Form):
    """Somebody new."""

    email = forms.EmailField(label="E-mail", max_length=150)
    role = forms.ChoiceField(label="Role", choices=Role.choices)


class TokenForm(forms.Form):
    """A new personal token."""

    name = forms.CharField(label="What for", max_length=100)


def local_now(now: datetime) -> str:
    """Write a moment as a ``datetime-local`` control takes it, in the current zone."""
    return f"{timezone.localtime(now):%Y-%m-%dT%H:%M}"
