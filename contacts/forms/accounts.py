"""Forms of people: inviting them, their roles, and one's own profile."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext, gettext_lazy

from contacts.enums import Role
from contacts.models import Invitation
from contacts.services.profiles import Profile, time_zones


def _part_of_name(label: Any, autocomplete: str, *, required: bool = False) -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, max_length=150, required=required, widget=widget)


def _new_password(label: Any, **options: Any) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, max_length=200, strip=False, widget=widget, **options)


class InviteForm(forms.Form):
    """Somebody to be invited."""

    email = forms.EmailField(label=gettext_lazy("E-mail"), max_length=150)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)


class RolesForm(forms.Form):
    """What somebody works as."""

    roles = forms.MultipleChoiceField(
        label=gettext_lazy("Roles"), choices=Role.choices, widget=forms.CheckboxSelectMultiple, required=False
    )


class TokenForm(forms.Form):
    """A new personal token."""

    name = forms.CharField(label=gettext_lazy("What for"), max_length=100)


class ProfileForm(forms.Form):
    """One's own name, language and time zone."""

    first_name = _part_of_name(gettext_lazy("First name"), "given-name")
    last_name = _part_of_name(gettext_lazy("Last name"), "family-name")
    language = forms.ChoiceField(label=gettext_lazy("Language"), required=False)
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the languages and zones there are."""
        super().__init__(*args, **kwargs)
        self.fields["language"] = forms.ChoiceField(
            label=self.fields["language"].label,
            required=False,
            choices=[("", gettext("What my browser asks for")), *settings.LANGUAGES],
        )
        self.fields["time_zone"] = forms.ChoiceField(
            label=self.fields["time_zone"].label,
            required=False,
            choices=[("", gettext("UTC, unless chosen")), *((name, name.replace("_", " ")) for name in time_zones())],
            help_text=gettext("In which times of day are shown to you."),
        )

    def profile(self) -> Profile:
        """Return what was entered; for a valid form."""
        said = self.cleaned_data
        return Profile(said["first_name"], said["last_name"], said["language"], said["time_zone"])


class JoinForm(forms.Form):
    """Name and password of somebody invited; the address stands fast."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        required=False,
        disabled=True,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    first_name = _part_of_name(gettext_lazy("First name"), "given-name", required=True)
    last_name = _part_of_name(gettext_lazy("Last name"), "family-name")
    password = _new_password(
        gettext_lazy("Password"), help_text=gettext_lazy("At least twelve characters. Long beats complicated.")
    )
    again = _new_password(gettext_lazy("Password again"))

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        """Show for which address it is."""
        super().__init__(*args, **{**kwargs, "initial": {"email": invitation.email}})

    def clean(self) -> dict[str, Any]:
        """Compare the two passwords."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("password") and data.get("again") and data["password"] != data["again"]:
            self.add_error("again", gettext("The two passwords differ."))
        return data
