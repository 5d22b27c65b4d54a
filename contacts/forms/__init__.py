"""Forms of the facts app."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from contacts.enums import Role, Scope

# A watch that runs a little fast is no lie about the future.
_TOLERANCE = timedelta(minutes=5)


class ActivityForm(forms.Form):
    """A call, meeting or note that a person adds to a contact's facts.

    A call or meeting is two-way contact and says who of ours took part; a note weighs nothing.
    """

    KINDS: ClassVar = (("call_connected", "Call"), ("meeting_held", "Meeting"), ("note", "Note"))

    kind = forms.ChoiceField(label="What happened", choices=KINDS, widget=forms.RadioSelect)
    occurred_at = forms.DateTimeField(
        label="When",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="In UTC. What happened earlier may change where the contact stood since.",
    )
    with_person = forms.CharField(
        label="Who of ours",
        max_length=200,
        required=False,
        help_text="The named person the contact talked with; not needed for a note.",
    )
    note = forms.CharField(
        label="Note", required=False, max_length=5_000, strip=True, widget=forms.Textarea(attrs={"rows": 4})
    )

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        """Remember the moment of asking; nothing can have happened after it."""
        super().__init__(*args, **kwargs)
        self._now = now

    def clean_occurred_at(self) -> datetime:
        """Refuse the future and the time before 2000."""
        moment: datetime = self.cleaned_data["occurred_at"]
        if moment > self._now + _TOLERANCE:
            raise forms.ValidationError("That has not happened yet.")
        if moment.year < 2000:
            raise forms.ValidationError("Enter a date after 1 January 2000.")
        return min(moment, self._now)

    def clean(self) -> dict[str, Any]:
        """Ask for the words of a note, and for the person of a conversation."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("kind") == "note" and not data.get("note") and "note" not in self.errors:
            self.add_error("note", "Write what is worth knowing.")
        if data.get("kind") in ("call_connected", "meeting_held") and not data.get("with_person"):
            self.add_error("with_person", "Name who of ours took part.")
        return data

    def properties(self) -> dict[str, str]:
        """Return the event properties: ``with`` for a conversation, ``note`` where something was written."""
        data = self.cleaned_data
        named = data["with_person"] if data["kind"] != "note" else ""
        return {key: value for key, value in (("with", named), ("note", data["note"])) if value}


class SourceForm(forms.Form):
    """A new source."""

    name = forms.CharField(label="Name", max_length=100, help_text="What the integration is called.")
    channel = forms.CharField(
        label="Channel",
        max_length=100,
        required=False,
        help_text="Where contacts who first come by it count as coming from, such as “website”.",
    )
    public = forms.BooleanField(
        label="The key is used in browsers",
        required=False,
        help_text="Anybody can read such a key, so it may send only what contacts do themselves.",
    )
    scopes = forms.MultipleChoiceField(
        label="What the key may do",
        choices=Scope.choices,
        initial=[Scope.EVENTS_WRITE.value],
        widget=forms.CheckboxSelectMultiple,
    )


class PersonForm(forms.Form):
    """Somebody new."""

    email = forms.EmailField(label="E-mail", max_length=150)
    role = forms.ChoiceField(label="Role", choices=Role.choices)


class TokenForm(forms.Form):
    """A new personal token."""

    name = forms.CharField(label="What for", max_length=100)


def local_now(now: datetime) -> str:
    """Write a moment as a ``datetime-local`` control takes it, in the current zone."""
    return f"{timezone.localtime(now):%Y-%m-%dT%H:%M}"
