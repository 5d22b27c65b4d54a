"""Forms of the consequence app: how a handoff ends."""

from django import forms

from funnel.enums import ReturnReason


class ReturnForm(forms.Form):
    """Hand a contact back to Marketing, saying why."""

    reason = forms.ChoiceField(
        label="Reason", choices=[("", "Choose a reason"), *ReturnReason.choices], help_text="The judgement uses it."
    )
    note = forms.CharField(label="Note", required=False, max_length=5_000, widget=forms.Textarea(attrs={"rows": 3}))


class WinForm(forms.Form):
    """Close a handoff as won, saying what was won."""

    note = forms.CharField(
        label="What was won",
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Product, plan, size.",
    )
