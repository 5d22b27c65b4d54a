"""Forms about consent: what somebody said, and addresses that nothing is sent to."""

from datetime import datetime, timedelta
from typing import Any

from django import forms

from contacts.enums import ConsentAction, SuppressionReason
from contacts.selectors.consent import all_purposes

# A watch that runs a little fast is no lie about the future.
_TOLERANCE = timedelta(minutes=5)


class ConsentForm(forms.Form):
    """What somebody said about being written to, and how we know."""

    purpose = forms.ChoiceField(label="What about")
    action = forms.ChoiceField(
        label="What they said",
        choices=[(ConsentAction.WITHDRAWN.value, "No more"), (ConsentAction.GRANTED.value, "Yes, please")],
        widget=forms.RadioSelect,
        initial=ConsentAction.WITHDRAWN.value,
    )
    at = forms.DateTimeField(
        label="When",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="In UTC.",
    )
    proof = forms.CharField(
        label="How we know",
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Their words, where and to whom, such as “told Rhea on the phone”. It is kept for good.",
    )

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        """Offer the purposes there are; nothing was said after ``now``."""
        super().__init__(*args, **kwargs)
        self._now = now
        purpose = self.fields["purpose"]
        if isinstance(purpose, forms.ChoiceField):
            purpose.choices = [(row.key, row.label) for row in all_purposes()]

    def clean_at(self) -> datetime:
        """Refuse the future and the time before 2000."""
        moment: datetime = self.cleaned_data["at"]
        if moment > self._now + _TOLERANCE:
            raise forms.ValidationError("That has not happened yet.")
        if moment.year < 2000:
            raise forms.ValidationError("Enter a date after 1 January 2000.")
        return min(moment, self._now)


class AddressForm(forms.Form):
    """An address to look up."""

    email = forms.CharField(label="E-mail", max_length=254, widget=forms.EmailInput)


class SuppressForm(AddressForm):
    """An address to send nothing to any more."""

    reason = forms.ChoiceField(
        label="Why",
        choices=[
            (SuppressionReason.BY_HAND.value, "We decided so"),
            (SuppressionReason.OBJECTED.value, "They objected"),
            (SuppressionReason.UNSUBSCRIBED.value, "They unsubscribed"),
            (SuppressionReason.BOUNCED.value, "The address does not exist"),
            (SuppressionReason.COMPLAINED.value, "They complained of spam"),
        ],
    )


class LiftForm(AddressForm):
    """An address to let mail through to again, and why."""

    because = forms.CharField(
        label="Why",
        max_length=255,
        help_text="It is kept, with your name. Complaints and objections are not ours to lift.",
    )
