"""The editor of a lead-capture form: its settings, and a row for each thing it asks."""

import re
from typing import Any, Final
from urllib.parse import urlsplit

from django import forms
from django.forms import BaseFormSet, formset_factory
from django.utils.translation import gettext, gettext_lazy

from contacts.ingest.form_fields import MAX_FIELDS, TRAITS, TYPES
from contacts.models import Form, Purpose
from contacts.selectors.consent import all_purposes
from contacts.services.forms import KINDS, FormPlan

_SPARE_ROWS: Final = 2
_TYPE_LABELS: Final = {
    "text": gettext_lazy("Text"),
    "tel": gettext_lazy("Phone"),
    "select": gettext_lazy("Choice"),
    "textarea": gettext_lazy("Long text"),
    "checkbox": gettext_lazy("Yes or no"),
}


class NewFormForm(forms.Form):
    """A new form."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("For you; visitors see the title.")
    )


class CaptureForm(forms.Form):
    """What a form says and does."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("For you; it is kept with each answer.")
    )
    title = forms.CharField(label=gettext_lazy("Title"), max_length=200)
    introduction = forms.CharField(
        label=gettext_lazy("Introduction"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    kind = forms.ChoiceField(label=gettext_lazy("What filling it in means"))
    button = forms.CharField(label=gettext_lazy("Button"), max_length=60)
    thanks = forms.CharField(label=gettext_lazy("Thanks"), widget=forms.Textarea(attrs={"rows": 2}))
    redirect_url = forms.URLField(
        label=gettext_lazy("Or go on to"),
        required=False,
        assume_scheme="https",
        help_text=gettext_lazy("A page of yours, instead of the thanks."),
    )
    allowed_origins = forms.CharField(
        label=gettext_lazy("Only from these sites"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("One a line, such as https://www.example.com. They may also show the form in a frame."),
    )
    purpose = forms.ChoiceField(label=gettext_lazy("Ask for consent to"), required=False)
    consent_text = forms.CharField(
        label=gettext_lazy("What they agree to"),
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Another text is a new version; whoever agreed before agreed to the old one."),
    )
    consent_required = forms.BooleanField(label=gettext_lazy("It cannot be sent without that consent"), required=False)
    double_opt_in = forms.BooleanField(
        label=gettext_lazy("Ask the mailbox to confirm (double opt-in)"),
        required=False,
        help_text=gettext_lazy("Consent counts from the confirmation on. Without it, anybody can agree for anybody."),
    )
    is_open = forms.BooleanField(label=gettext_lazy("It takes answers"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the purposes and the kinds there are."""
        super().__init__(*args, **kwargs)
        self._purposes: dict[str, Purpose] = {row.key: row for row in all_purposes()}
        purpose, kind = self.fields["purpose"], self.fields["kind"]
        if isinstance(purpose, forms.ChoiceField) and isinstance(kind, forms.ChoiceField):
            purpose.choices = [("", gettext("Nothing")), *((key, row.label) for key, row in self._purposes.items())]
            kind.choices = [(name, name.replace("_", " ").capitalize()) for name in KINDS]

    def clean_allowed_origins(self) -> list[str]:
        """Return the sites as origins: scheme and host, nothing behind."""
        origins = []
        for line in self.cleaned_data["allowed_origins"].split():
            if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/?", line):
                raise forms.ValidationError(
                    gettext("“%(line)s” is no site: write it like https://www.example.com.") % {"line": line[:100]}
                )
            origins.append(line.rstrip("/").lower())
        return origins

    def clean_redirect_url(self) -> str:
        """Refuse what a browser would not go on to."""
        url: str = self.cleaned_data["redirect_url"]
        if url and urlsplit(url).scheme not in {"http", "https"}:
            raise forms.ValidationError(gettext("A page begins with https://."))
        return url

    def plan(self, rows: "BaseFormSet[FieldForm]") -> FormPlan:
        """Return what was said, with the rows of ``rows``."""
        given = dict(self.cleaned_data)
        given["purpose"] = self._purposes.get(given["purpose"])
        return FormPlan(**given, fields=fields_in(rows))


class FieldForm(forms.Form):
    """One thing that the form asks."""

    place = forms.IntegerField(label=gettext_lazy("Place"), required=False, min_value=1, max_value=99)
    label = forms.CharField(label=gettext_lazy("Label"), max_length=200, required=False)
    name = forms.CharField(
        label=gettext_lazy("Stored as"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"list": "known-traits", "autocomplete": "off"}),
    )
    type = forms.ChoiceField(
        label=gettext_lazy("Kind"), choices=[(value, _TYPE_LABELS[value]) for value in TYPES], required=False
    )
    options = forms.CharField(
        label=gettext_lazy("Answers to choose from"), required=False, widget=forms.Textarea(attrs={"rows": 1})
    )
    required = forms.BooleanField(label=gettext_lazy("Needed"), required=False)
    remove = forms.BooleanField(label=gettext_lazy("Remove"), required=False)


FieldForms = formset_factory(FieldForm, extra=_SPARE_ROWS, max_num=MAX_FIELDS + _SPARE_ROWS, absolute_max=100)


def settings_of(form: Form) -> dict[str, Any]:
    """Return a form's settings as the editor's initial values."""
    names = ("name", "title", "introduction", "kind", "button", "thanks", "redirect_url", "consent_text")
    flags = ("consent_required", "double_opt_in", "is_open")
    return {
        **{name: getattr(form, name) for name in (*names, *flags)},
        "allowed_origins": "\n".join(form.allowed_origins),
        "purpose": form.purpose.key if form.purpose else "",
    }


def rows_of(form: Form) -> list[dict[str, Any]]:
    """Return what a form asks as the rows' initial values."""
    return [
        {**row, "place": number, "options": "\n".join(row.get("options", ()))}
        for number, row in enumerate(form.fields, 1)
    ]


def fields_in(rows: "BaseFormSet[FieldForm]") -> list[dict[str, Any]]:
    """Return the rows that are meant, in the order of their places; blank and removed ones are left out.

    A row without a name is stored under its label's words.
    """
    meant = []
    for number, row in enumerate(rows):
        given = row.cleaned_data
        if given.get("remove") or not (given.get("label") or given.get("name")):
            continue
        label = given["label"].strip() or TRAITS.get(given["name"], "")
        name = given["name"].strip().lower() or re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:40]
        options = given["options"].splitlines() if given["type"] == "select" else []
        field = {**given, "label": label, "name": name, "type": given["type"] or "text", "options": options}
        meant.append((given.get("place") or 100, number, field))
    return [field for _, _, field in sorted(meant, key=lambda one: one[:2])]


def row_numbers(rows: "BaseFormSet[FieldForm]") -> list[int]:
    """Return which row each of `fields_in` came from, for errors to stand at."""
    meant = []
    for number, row in enumerate(rows):
        given = row.cleaned_data
        if not given.get("remove") and (given.get("label") or given.get("name")):
            meant.append((given.get("place") or 100, number))
    return [number for _, number in sorted(meant)]
