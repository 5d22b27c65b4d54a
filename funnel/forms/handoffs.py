"""What people do with a handoff: how it goes on, who has it, and how it ends."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from funnel.enums import InterimOutcome, ReturnReason
from funnel.services.outcomes import problems_of_outcome

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NOTE_LENGTH = 5_000
_NOTE = gettext_lazy("Note")


def _note(label: "StrOrPromise" = _NOTE, *, required: bool = False, help_text: "StrOrPromise" = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=NOTE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=help_text,
    )


class ReturnForm(forms.Form):
    """Hand a contact back to Marketing, saying why."""

    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"),
        choices=[("", gettext_lazy("Choose a reason")), *ReturnReason.choices],
        help_text=gettext_lazy("The judgement uses it."),
    )
    note = _note()


class WinForm(forms.Form):
    """Close a handoff as won, saying what was won."""

    note = _note(gettext_lazy("What was won"), required=True, help_text=gettext_lazy("Product, plan, size."))


class OutcomeForm(forms.Form):
    """An interim result and when to go on; the conversation stays open."""

    outcome = forms.ChoiceField(
        label=gettext_lazy("So far"), choices=[("", gettext_lazy("Choose")), *InterimOutcome.choices]
    )
    next_at = forms.DateTimeField(
        label=gettext_lazy("Next date"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("In your time zone. Until then it waits; then it asks for you."),
    )
    note = _note()

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        """Remember the moment of asking; what is next comes after it."""
        super().__init__(*args, **kwargs)
        self._now = now

    def clean(self) -> dict[str, Any]:
        """Ask for a date where the result needs one."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("outcome") and "next_at" not in self.errors:
            problems = problems_of_outcome(data["outcome"], data.get("next_at"), now=self._now)
            for name, text in problems.items():
                self.add_error(name, text)
        return data


class ReleaseForm(forms.Form):
    """Put a handoff back into the queue."""

    note = _note()


class ReassignForm(forms.Form):
    """Give a handoff to another rep."""

    rep = forms.ChoiceField(label=pgettext_lazy("receiver", "To"))
    override = forms.BooleanField(label=gettext_lazy("Even where they hold as many as they may"), required=False)
    note = _note()

    def __init__(self, *args: Any, reps: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        """Take the people to choose from: ids and what to call them."""
        super().__init__(*args, **kwargs)
        choices = [("", gettext("Choose a rep")), *((str(key), label) for key, label in reps)]
        self.fields["rep"].choices = choices  # type: ignore[attr-defined]  # of a ChoiceField
