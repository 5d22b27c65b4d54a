"""Forms of acts on many contacts: what is to be done, and the options that the act takes."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from contacts.models import Kind
from contacts.registry import definition_in_force
from contacts.selectors.browse import possible_owners, tag_names
from contacts.services.pinning import LONGEST, MAX_NOTE
from contacts.services.tags import MAX_NAME, BadTag, clean_tag

_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class ActForm(forms.Form):
    """What every act's form can say: its options, JSON-ready."""

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        """Remember the moment that ends and beginnings are told by."""
        super().__init__(*args, **{**kwargs, "prefix": "act"})
        self.now = now

    def options(self) -> dict[str, Any]:
        """Return the options as ``order_act`` takes them."""
        return {}


class TagForm(ActForm):
    """Which tag; one that there is, or a new one."""

    tag = forms.CharField(
        label=gettext_lazy("Tag"), max_length=MAX_NAME, widget=forms.TextInput(attrs={"list": "tags"})
    )

    def clean_tag(self) -> str:
        """Tidy it up."""
        try:
            return clean_tag(self.cleaned_data["tag"])
        except BadTag as error:
            raise forms.ValidationError(str(error)) from None

    def options(self) -> dict[str, Any]:
        """The tag."""
        return {"tag": self.cleaned_data["tag"]}


class UntagForm(ActForm):
    """Which of the tags there are."""

    tag = forms.ChoiceField(label=gettext_lazy("Tag"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the tags there are."""
        super().__init__(*args, **kwargs)
        tag = self.fields["tag"]
        if isinstance(tag, forms.ChoiceField):
            tag.choices = [(name, name) for name in tag_names()]

    def options(self) -> dict[str, Any]:
        """The tag."""
        return {"tag": self.cleaned_data["tag"]}


class PinForm(ActForm):
    """To which stage, until when, and why."""

    stage = forms.ChoiceField(label=gettext_lazy("Stage"))
    until = forms.DateField(
        label=gettext_lazy("Until"), widget=_DAY, help_text=gettext_lazy("The pin ends with this day.")
    )
    note = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=MAX_NOTE,
        help_text=gettext_lazy("Whoever sees the pin reads this."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the stages in use, and a month."""
        super().__init__(*args, **kwargs)
        stage, until = self.fields["stage"], self.fields["until"]
        if isinstance(stage, forms.ChoiceField):
            stage.choices = list(definition_in_force().labels.items())
        until.initial = (timezone.localtime(self.now) + timedelta(days=30)).date()

    def clean_until(self) -> Any:
        """Refuse a day that is over, and one that is more than a year ahead."""
        day = self.cleaned_data["until"]
        if not self.now < _end_of(day) <= self.now + LONGEST:
            raise forms.ValidationError(gettext("A pin ends within a year from now."))
        return day

    def options(self) -> dict[str, Any]:
        """The stage's key, the end and the note."""
        said = self.cleaned_data
        return {"stage": said["stage"], "until": _end_of(said["until"]).isoformat(), "note": said["note"]}


class AssignForm(ActForm):
    """To whom."""

    to = forms.ChoiceField(label=gettext_lazy("Owner"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the people who sell."""
        super().__init__(*args, **kwargs)
        to = self.fields["to"]
        if isinstance(to, forms.ChoiceField):
            to.choices = [(str(one.pk), one.get_full_name() or one.email) for one in possible_owners()]

    def options(self) -> dict[str, Any]:
        """The person's id."""
        return {"to": int(self.cleaned_data["to"])}


class EventsForm(ActForm):
    """Which events of the contacts: of a kind, from a day to a day."""

    kind = forms.ChoiceField(label=gettext_lazy("Kind"), required=False)
    since = forms.DateField(label=gettext_lazy("From"), widget=_DAY)
    until = forms.DateField(label=gettext_lazy("To"), widget=_DAY, help_text=gettext_lazy("This day included."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the kinds there are, and the last seven days."""
        super().__init__(*args, **kwargs)
        kind = self.fields["kind"]
        if isinstance(kind, forms.ChoiceField):
            names = Kind.objects.filter(system=False).order_by("name").values_list("name", flat=True)
            kind.choices = [("", gettext("All kinds")), *((name, name) for name in names)]
        today = timezone.localtime(self.now).date()
        self.fields["since"].initial, self.fields["until"].initial = today - timedelta(days=7), today

    def clean(self) -> dict[str, Any]:
        """The first day is not after the last one."""
        said = super().clean() or {}
        if said.get("since") and said.get("until") and said["since"] > said["until"]:
            self.add_error("until", gettext("This is before the first day."))
        return said

    def options(self) -> dict[str, Any]:
        """The kind's name and the two moments, the last one not included."""
        said = self.cleaned_data
        return {
            "kind": said["kind"],
            "since": (_end_of(said["since"]) - timedelta(days=1)).isoformat(),
            "until": _end_of(said["until"]).isoformat(),
        }


class RetractForm(EventsForm):
    """Which events never happened, and why that is known."""

    reason = forms.CharField(label=gettext_lazy("Why"), max_length=300)

    def options(self) -> dict[str, Any]:
        """The events and the reason."""
        return {**super().options(), "reason": self.cleaned_data["reason"]}


FORMS: dict[str, type[ActForm]] = {
    "tag": TagForm,
    "untag": UntagForm,
    "pin": PinForm,
    "unpin": ActForm,
    "assign": AssignForm,
    "retract": RetractForm,
    "bot": EventsForm,
}


def _end_of(day: Any) -> datetime:
    """The end of a day in the current time zone."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time()))
