"""What people say when they order a run."""

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from scoring.models import Definition

MODES = (
    ("month-ends", gettext_lazy("At the end of every month")),
    ("own-times", gettext_lazy("At each contact's own times")),
)


class CompareForm(forms.Form):
    """Which definition to set beside this one."""

    other = forms.ModelChoiceField(
        queryset=Definition.objects.none(), label=gettext_lazy("Compare with"), empty_label=None, to_field_name="pk"
    )

    def __init__(self, *args: Any, definition: Definition, in_force: int | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["other"]
        field.queryset = Definition.objects.exclude(pk=definition.pk).order_by("key", "-version")  # type: ignore[attr-defined]  # a ModelChoiceField
        if in_force != definition.pk:
            field.initial = in_force


class BacktestForm(forms.Form):
    """How to look back, to backtest or to learn: when to judge each contact, and how long to wait for a purchase."""

    mode = forms.ChoiceField(choices=MODES, initial="month-ends", label=gettext_lazy("Judge every contact"))
    horizon_days = forms.IntegerField(
        min_value=1,
        max_value=1_000,
        initial=90,
        label=gettext_lazy("Days until the purchase"),
        help_text=gettext_lazy("A purchase within them counts."),
    )
    since = forms.DateField(required=False, label=gettext_lazy("From"), widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label=gettext_lazy("To"), widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        given = super().clean() or {}
        since, until = given.get("since"), given.get("until")
        if since and until and until < since:
            self.add_error("until", gettext("The period ends before it begins; choose a later day."))
        return given

    def parameters(self) -> dict[str, Any]:
        """The cleaned answers as a run's parameters; dates ISO 8601, those left out missing."""
        given = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in given.items()}


class PublishForm(forms.Form):
    """Whether people hear of what a publication changes."""

    quiet = forms.TypedChoiceField(
        choices=(("yes", gettext_lazy("Quietly")), ("no", gettext_lazy("Loudly"))),
        coerce=lambda answer: answer == "yes",
        initial="yes",
        widget=forms.RadioSelect,
        label=gettext_lazy("Who hears of it"),
        help_text=gettext_lazy(
            "Either way offers to Sales follow. Loudly, each change of a stage is announced in the feed as well."
        ),
    )
