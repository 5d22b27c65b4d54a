"""Forms about consent: what somebody said, and addresses that nothing is sent to."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from contacts.enums import ConsentAction, SuppressionReason
from contacts.selectors.consent import all_purposes

# A watch that runs a little fast is no lie about the future.
_TOLERANCE = timedelta(minutes=5)


class ConsentForm(forms.Form):
    """What somebody said about being written to, and how we know."""

    purpose = forms.ChoiceField(label=gettext_lazy("What about"))
    action = forms.ChoiceField(
        label=gettext_lazy("What they said"),
        choices=[
            (ConsentAction.WITHDRAWN.value, gettext_lazy("No more")),
            (ConsentAction.GRANTED.value, gettext_lazy("Yes, please")),
        ],
        widget=forms.RadioSelect,
        initial=ConsentAction.WITHDRAWN.value,
    )
    at = forms.DateTimeField(
        label=gettext_lazy("When"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("On your own clock."),
    )
    proof = forms.CharField(
        label=gettext_lazy("How we know"),
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "Their words, where and to whom, such as “told Rhea on the phone”. It is kept for good."
        ),
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
            raise forms.ValidationError(gettext("That has not happened yet."))
        if moment.year < 2000:
            raise forms.ValidationError(gettext("Enter a date after 1 January 2000."))
        return min(moment, self._now)


class AddressForm(forms.Form):
    """An address to look up."""

    email = forms.CharField(label=gettext_lazy("E-mail"), max_length=254, widget=forms.EmailInput)


class SuppressForm(AddressForm):
    """An address to send nothing to any more."""

    reason = forms.ChoiceField(
        label=gettext_lazy("Why"),
        choices=[
            (SuppressionReason.BY_HAND.value, gettext_lazy("We decided so")),
            (SuppressionReason.OBJECTED.value, gettext_lazy("They objected")),
            (SuppressionReason.UNSUBSCRIBED.value, gettext_lazy("They unsubscribed")),
            (SuppressionReason.BOUNCED.value, gettext_lazy("The address does not exist")),
            (SuppressionReason.COMPLAINED.value, gettext_lazy("They complained of spam")),
        ],
    )


class LiftForm(AddressForm):
    """An address to let mail through to again, and why."""

    because = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=255,
        help_text=gettext_lazy("It is kept, with your name. Complaints and objections are not ours to lift."),
    )
