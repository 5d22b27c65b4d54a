"""Forms of a source's pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from contacts.models import Kind
from contacts.services.sources import MAX_EVENT_NAME


class MappingForm(forms.Form):
    """What an unmapped kind means."""

    target = forms.ModelChoiceField(
        label=gettext_lazy("It means"),
        queryset=Kind.objects.none(),
        empty_label=gettext_lazy("Choose a kind"),
        help_text=gettext_lazy(
            "Past events are judged so, too: contacts may change their stage, in their history as well."
        ),
    )

    def __init__(self, *args: Any, targets: list[Kind], **kwargs: Any) -> None:
        """Offer ``targets``."""
        super().__init__(*args, **kwargs)
        field = self.fields["target"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = Kind.objects.filter(pk__in=[target.pk for target in targets]).order_by("name")


class PayloadForm(forms.Form):
    """A rejected message as it is read again."""

    payload = forms.CharField(
        label=gettext_lazy("The message"),
        strip=False,
        widget=forms.Textarea(attrs={"rows": 14, "class": "input code", "spellcheck": "false"}),
        help_text=gettext_lazy("JSON. What is changed here is kept in place of what came."),
    )


class KindNamesForm(forms.Form):
    """Which kind a tracker's event name means, one a line."""

    names = forms.CharField(
        label=gettext_lazy("Names of this source"),
        required=False,
        widget=forms.Textarea(
            attrs={
                "rows": 6,
                "class": "input code",
                "spellcheck": "false",
                "placeholder": "Order Completed = purchased",
            },
        ),
        help_text=gettext_lazy("One a line: event name = kind. For Segment, RudderStack and PostHog, from now on."),
    )

    def clean_names(self) -> dict[str, str]:
        """Return the lines as a map of names to kinds."""
        names: dict[str, str] = {}
        for line in self.cleaned_data["names"].splitlines():
            if not line.strip():
                continue
            name, equals, kind = (part.strip() for part in line.rpartition("="))
            if not equals or not name or not kind:
                raise forms.ValidationError(gettext("Write “name = kind” instead of “%(line)s”.") % {"line": line[:60]})
            if len(name) > MAX_EVENT_NAME:
                raise forms.ValidationError(
                    gettext("An event name holds at most %(number)s characters.") % {"number": MAX_EVENT_NAME}
                )
            names[name] = kind
        return names


def lines_of(names: dict[str, str]) -> str:
    """Return a map of names to kinds as the form shows it."""
    return "\n".join(f"{name} = {kind}" for name, kind in sorted(names.items()))
