"""The form that logs what people of ours and a contact did together."""

from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy

from contacts.enums import Direction
from funnel.conversation import (
    NAME_LENGTH,
    NOT_REACHED,
    NOTE_LENGTH,
    REACHED,
    Activity,
    Said,
    problems_of,
)

# A watch that runs a little fast is no lie about the future.
_TOLERANCE: Final = timedelta(minutes=5)
_RESULTS: Final = [
    ("", gettext_lazy("Choose")),
    (gettext_lazy("Not reached"), [(result.value, result.label) for result in NOT_REACHED]),
    (gettext_lazy("Talked"), [(result.value, result.label) for result in REACHED]),
]


class ActivityForm(forms.Form):
    """A call, mail, meeting, chat or note that a person adds to a contact's facts.

    A conversation is two-way contact and says who of ours took part; a note weighs nothing.
    """

    kind = forms.ChoiceField(label=gettext_lazy("What happened"), choices=Activity.choices, widget=forms.RadioSelect)
    occurred_at = forms.DateTimeField(
        label=gettext_lazy("When"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("In your time zone. What happened earlier may change where the contact stood since."),
    )
    with_person = forms.CharField(
        label=gettext_lazy("Who of ours"),
        max_length=NAME_LENGTH,
        required=False,
        help_text=gettext_lazy("The named person the contact talked with; not needed for a note."),
    )
    direction = forms.ChoiceField(
        label=gettext_lazy("Who began"),
        choices=[
            ("", gettext_lazy("Not said")),
            (Direction.OUTBOUND.value, gettext_lazy("We did")),
            (Direction.INBOUND.value, gettext_lazy("They did")),
        ],
        required=False,
    )
    result = forms.ChoiceField(label=gettext_lazy("Result"), choices=_RESULTS, required=False)
    note = forms.CharField(
        label=gettext_lazy("What was said"),
        required=False,
        max_length=NOTE_LENGTH,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        """Remember the moment of asking; nothing can have happened after it."""
        super().__init__(*args, **kwargs)
        self._now = now

    def clean_occurred_at(self) -> datetime:
        """Refuse the future and the time before 2000."""
        moment: datetime = self.cleaned_data["occurred_at"]
        if moment > self._now + _TOLERANCE:
            raise forms.ValidationError(gettext("That has not happened yet."))
        if moment.year < 2000:
            raise forms.ValidationError(gettext("Enter a date after 1 January 2000."))
        return min(moment, self._now)

    def clean(self) -> dict[str, Any]:
        """Ask for the words of a note, for the person of a conversation, and for a result that fits."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("kind") and "occurred_at" in data:
            for name, text in problems_of(self.said()).items():
                if name not in self.errors:
                    self.add_error(name, text)
        return data

    def said(self) -> Said:
        """Return what the form says; once it is valid."""
        data = self.cleaned_data
        return Said(
            activity=Activity(data["kind"]),
            occurred_at=data["occurred_at"],
            with_person=data.get("with_person", ""),
            direction=data.get("direction", ""),
            result=data.get("result", ""),
            note=data.get("note", ""),
        )
