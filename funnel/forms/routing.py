"""Routing rules, and asking who would get a contact."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy

from funnel.enums import RoutingMode
from funnel.forms.planning import words_of
from funnel.models import RoutingRule
from funnel.routing import BOUNDS, LISTS

_TEXTS: Final = ("countries", "languages", "industries", "sources")
MODES: Final = {
    RoutingMode.ROUND_ROBIN: gettext_lazy("In turn: to whom has the most room"),
    RoutingMode.COMPANY_OWNER: gettext_lazy("To who has the company's other contacts"),
    RoutingMode.TERRITORY: gettext_lazy("To who looks after its country or language"),
    RoutingMode.QUEUE: gettext_lazy("To the queue, for whoever claims it"),
}


class RuleForm(forms.Form):
    """A rule: what it asks of a contact, and how it chooses."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("It is shown with every handoff that it gave."),
    )
    mode = forms.ChoiceField(label=gettext_lazy("Goes"), choices=list(MODES.items()), widget=forms.RadioSelect)
    reps = forms.MultipleChoiceField(
        label=gettext_lazy("Among"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Nobody ticked: every rep who takes handoffs by rules."),
    )
    stages = forms.MultipleChoiceField(
        label=gettext_lazy("Offered at"), required=False, widget=forms.CheckboxSelectMultiple
    )
    countries = forms.CharField(label=gettext_lazy("Countries"), required=False, max_length=10_000)
    languages = forms.CharField(
        label=gettext_lazy("Languages"),
        required=False,
        max_length=10_000,
        help_text=gettext_lazy("Codes: de, en. The contact's language or locale."),
    )
    industries = forms.CharField(label=gettext_lazy("Industries"), required=False, max_length=10_000)
    sources = forms.CharField(
        label=gettext_lazy("Source channels"),
        required=False,
        max_length=10_000,
        help_text=gettext_lazy("Of the original source: website, partner."),
    )
    employees_at_least = forms.IntegerField(label=gettext_lazy("Employees at least"), required=False, min_value=0)
    employees_at_most = forms.IntegerField(label=gettext_lazy("Employees at most"), required=False, min_value=0)

    def __init__(self, *args: Any, people: list[tuple[int, str]], stages: list[tuple[str, str]], **kwargs: Any) -> None:
        """Offer these people and stages."""
        super().__init__(*args, **kwargs)
        for name, choices in (("reps", people), ("stages", stages)):
            field = self.fields[name]
            if isinstance(field, forms.MultipleChoiceField):
                field.choices = choices

    @staticmethod
    def values_of(rule: RoutingRule) -> dict[str, Any]:
        """What a form shows of a rule."""
        values: dict[str, Any] = {"name": rule.name, "mode": rule.mode}
        values["reps"] = [str(rep.pk) for rep in rule.reps.all()]
        values["stages"] = rule.conditions.get("stages", [])
        values |= {name: ", ".join(rule.conditions.get(name, ())) for name in _TEXTS}
        return values | {name: rule.conditions.get(name) for name in BOUNDS}

    @property
    def rep_ids(self) -> list[int]:
        """Whom a valid form ticked."""
        return [int(number) for number in self.cleaned_data["reps"]]

    @property
    def conditions(self) -> dict[str, Any]:
        """What a valid form asks of a contact."""
        given = self.cleaned_data
        asked: dict[str, Any] = {name: words_of(given[name]) if name in _TEXTS else given[name] for name in LISTS}
        return asked | {name: given[name] for name in BOUNDS}


class TryForm(forms.Form):
    """Whose offer to try the rules on."""

    contact = forms.CharField(
        label=gettext_lazy("Contact"), max_length=254, help_text=gettext_lazy("Its e-mail address or number.")
    )
