"""A lead-capture form as its visitors fill it in: built from what the form asks."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy

from contacts.ingest.form_fields import FormField
from contacts.ingest.identifiers import MAX_EMAIL_LENGTH, normalise_email
from contacts.ingest.incoming import Refused
from contacts.models import Form
from contacts.services.forms import fields_of

# Hidden from people; what fills it in is a machine. Named like nothing that a browser fills in by itself.
TRAP: Final = "extra_note"
STAMP: Final = "form_stamp"
_AUTOCOMPLETE: Final[Mapping[str, str]] = {
    "first_name": "given-name",
    "last_name": "family-name",
    "company": "organization",
    "job_title": "organization-title",
    "phone": "tel",
    "country": "country-name",
}
_MISSING: Final = {"required": gettext_lazy("Please fill this in.")}


class VisitorForm(forms.Form):
    """The e-mail address, what the form asks beside it, and the consent it asks for."""

    error_css_class = "has-error"
    email = forms.CharField(
        label=gettext_lazy("E-mail"),
        max_length=MAX_EMAIL_LENGTH,
        error_messages={"required": gettext_lazy("Please tell us your e-mail address.")},
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    def __init__(self, asked: Form, *args: Any, **kwargs: Any) -> None:
        """Build the fields of ``asked``."""
        super().__init__(*args, **kwargs)
        for asked_field in fields_of(asked):
            self.fields[asked_field.name] = _field(asked_field)
        if asked.purpose_id is not None:
            self.fields["consent"] = forms.BooleanField(
                label=asked.consent_text,
                required=asked.consent_required,
                error_messages={"required": gettext_lazy("We need this to go on.")},
            )

    def clean_email(self) -> str:
        """Refuse what is no address."""
        try:
            return normalise_email(self.cleaned_data["email"], "email")
        except Refused:
            raise forms.ValidationError(gettext("Please check this address: it looks incomplete.")) from None

    def answers(self) -> dict[str, Any]:
        """Return what was filled in, by field name."""
        return {name: value for name, value in self.cleaned_data.items() if name not in {"email", "consent"}}

    def refuse(self, field: str, message: str) -> None:
        """Show what recording refused, at its field where it has one."""
        self.add_error(field if field in self.fields else None, message)


def _field(asked: FormField) -> forms.Field:
    given: dict[str, Any] = {"label": asked.label, "required": asked.required, "error_messages": _MISSING}
    if asked.type == "checkbox":
        return forms.BooleanField(**given)
    if asked.type == "select":
        choices = [("", gettext("Please choose")), *((option, option) for option in asked.options)]
        return forms.ChoiceField(choices=choices, **given)
    attrs = {"autocomplete": _AUTOCOMPLETE[asked.name]} if asked.name in _AUTOCOMPLETE else {}
    widget: forms.Widget = forms.TextInput(attrs=attrs)
    if asked.type == "tel":
        widget = forms.TextInput(attrs={"autocomplete": "tel", "type": "tel", **attrs})
    elif asked.type == "textarea":
        widget = forms.Textarea(attrs={"rows": 4})
    return forms.CharField(max_length=asked.longest, widget=widget, **given)
