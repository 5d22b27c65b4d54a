"""The form that erases a person."""

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from contacts.enums import ErasureReason


class EraseForm(forms.Form):
    """Why somebody is erased, and their name typed once more: what is erased does not come back."""

    reason = forms.ChoiceField(label=gettext_lazy("Why"), choices=ErasureReason.choices, initial=ErasureReason.ASKED)
    name = forms.CharField(
        label=gettext_lazy("Type the name to confirm"),
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        """Remember which name has to be typed."""
        super().__init__(*args, **{**kwargs, "prefix": "erase"})
        self._expected = expected
        self.fields["name"].help_text = gettext("“%(name)s”, as it is shown here.") % {"name": expected}

    def clean_name(self) -> str:
        """Compare without case and spacing."""
        given: str = self.cleaned_data["name"]
        if " ".join(given.split()).casefold() != " ".join(self._expected.split()).casefold():
            raise forms.ValidationError(gettext("That is not the name that is shown."))
        return given
