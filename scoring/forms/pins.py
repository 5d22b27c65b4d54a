"""The form that pins a contact to a stage."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from contacts.services.pinning import LONGEST, MAX_NOTE

_USUAL: Final = timedelta(days=30)


class PinForm(forms.Form):
    """Which stage, why, and until when."""

    stage = forms.ChoiceField(label=gettext_lazy("Stage to show"))
    note = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=MAX_NOTE,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Everybody who sees the pin reads this."),
    )
    until = forms.DateField(
        label=gettext_lazy("Until the end of"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Then the judged stage is shown again by itself. A year at most."),
    )

    def __init__(self, *args: Any, stages: Sequence[tuple[str, str]], now: datetime, **kwargs: Any) -> None:
        """Offer these stages ((key, label) pairs); the pin ends after ``now``, usually in a month."""
        super().__init__(*args, **kwargs)
        self._today = timezone.localdate(now)
        choices = self.fields["stage"]
        if isinstance(choices, forms.ChoiceField):
            choices.choices = list(stages)
        self.fields["until"].initial = self._today + _USUAL
        self.fields["until"].widget.attrs.update(
            {"min": self._today.isoformat(), "max": (self._today + LONGEST - timedelta(days=1)).isoformat()}
        )

    def clean_until(self) -> date:
        """Refuse days gone by, and those too far ahead."""
        day: date = self.cleaned_data["until"]
        if day < self._today:
            raise forms.ValidationError(gettext("That day is over."))
        if day >= self._today + LONGEST:
            raise forms.ValidationError(gettext("A pin ends within a year from now."))
        return day

    def end(self) -> datetime:
        """The moment at which the pin is over: the end of its last day, in the zone of who sets it."""
        day: date = self.cleaned_data["until"]
        return timezone.make_aware(datetime.combine(day, time.max))
