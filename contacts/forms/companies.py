"""The form in which a person says what they know about a company."""

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from contacts.ingest.incoming import Refused
from contacts.ingest.resource import read_company
from contacts.models import Company

_FIELDS = ("name", "domain", "industry", "employees", "country")


class CompanyForm(forms.Form):
    """What is known about a company. What is changed is a fact of now; the rest is not said again."""

    name = forms.CharField(label=gettext_lazy("Name"), required=False, max_length=255)
    domain = forms.CharField(
        label=gettext_lazy("Domain"),
        required=False,
        max_length=255,
        help_text=gettext_lazy("Contacts with an address there are with it."),
    )
    industry = forms.CharField(label=gettext_lazy("Industry"), required=False, max_length=100)
    employees = forms.IntegerField(label=gettext_lazy("Employees"), required=False, min_value=0, localize=False)
    country = forms.CharField(label=gettext_lazy("Country"), required=False, max_length=100)

    def __init__(self, *args: Any, company: Company, **kwargs: Any) -> None:
        """Begin with what is known."""
        known = {name: getattr(company, name) for name in _FIELDS}
        super().__init__(*args, **{**kwargs, "initial": known, "prefix": "company"})

    def clean(self) -> dict[str, Any]:
        """Read what was changed as the API would; ``said`` holds that alone."""
        cleaned = super().clean() or {}
        changed = {name: cleaned[name] for name in self.changed_data if name in cleaned}
        for name in ("name", "domain"):
            if name in changed and not changed[name]:
                self.add_error(name, gettext("It cannot be taken away, only changed."))
        try:
            cleaned["said"] = read_company(changed, creating=False) if changed and not self.errors else {}
        except Refused as refused:
            self.add_error(refused.field if refused.field in self.fields else None, refused.message)
        return cleaned
