"""How Sales works: settings, calendars, holidays, people, absences."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy

from funnel.models import SalesSettings, WorkingCalendar
from funnel.working_time import WEEKDAYS, minutes_of, time_of

_DAYS: Final = (
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
)
_SPAN: Final = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?\s*(?:-|–|—|to)\s*(\d{1,2})(?:[:.](\d{2}))?")


class SettingsForm(forms.Form):
    """How the installation hands over; bounds are the service's, where the database keeps them."""

    claim_hours = forms.FloatField(
        label=gettext_lazy("To claim an offer, hours"),
        help_text=gettext_lazy("Business hours; a stage of the definition may name its own."),
    )
    attempt_hours = forms.FloatField(
        label=gettext_lazy("To the first attempt, hours"),
        help_text=gettext_lazy("Business hours from the claim; then others may have it."),
    )
    warn_share = forms.FloatField(
        label=gettext_lazy("Warn after this part"),
        help_text=gettext_lazy("Of either time: 0.75 warns when three quarters have run."),
    )
    claim_limit = forms.IntegerField(
        label=gettext_lazy("Handoffs a rep holds at most"), help_text=gettext_lazy("Unless their page says otherwise.")
    )
    stale_days = forms.IntegerField(
        label=gettext_lazy("Stale after days"), help_text=gettext_lazy("Accepted, and nothing happened since.")
    )
    starving_hours = forms.FloatField(
        label=gettext_lazy("Alarm after hours in the queue"),
        help_text=gettext_lazy("Business hours since it was first offered."),
    )

    @classmethod
    def of(cls, settings: SalesSettings) -> "SettingsForm":
        """The form as the settings are."""
        return cls(initial={name: getattr(settings, name) for name in cls.base_fields})


class CalendarForm(forms.Form):
    """A calendar: its name, its zone, and a line of hours for each day of the week."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"}),
        help_text=gettext_lazy("Such as Europe/Berlin. Its changes of the clocks are kept by themselves."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ask for the hours of each day."""
        super().__init__(*args, **kwargs)
        for key, label in zip(WEEKDAYS, _DAYS, strict=True):
            self.fields[key] = forms.CharField(
                label=label,
                required=False,
                max_length=200,
                widget=forms.TextInput(attrs={"placeholder": gettext("free")}),
            )

    @classmethod
    def of(cls, calendar: WorkingCalendar) -> "CalendarForm":
        """The form as the calendar is."""
        hours = {
            day: ", ".join(f"{opens}–{closes}" for opens, closes in calendar.hours.get(day, ())) for day in WEEKDAYS
        }
        return cls(initial={"name": calendar.name, "time_zone": calendar.time_zone, **hours})

    @property
    def days(self) -> list[forms.BoundField]:
        """The fields of the days, Monday first."""
        return [self[day] for day in WEEKDAYS]

    def clean(self) -> dict[str, Any]:
        """Read each day's hours, and say beside the day what cannot be."""
        data: dict[str, Any] = super().clean() or {}
        for day in WEEKDAYS:
            try:
                data[day] = read_spans(data.get(day, ""))
            except ValueError as error:
                self.add_error(day, str(error))
        return data

    @property
    def hours(self) -> Mapping[str, Sequence[Sequence[str]]]:
        """The hours of a valid form, as calendars keep them."""
        return {day: self.cleaned_data[day] for day in WEEKDAYS if self.cleaned_data[day]}


def read_spans(text: str) -> list[list[str]]:
    """Read hours as people write them: ``9-12:30, 13.30 to 17`` is ``[["09:00", "12:30"], ["13:30", "17:00"]]``.

    Raises ``ValueError`` for anything else, an end that is not after its start, and hours that overlap.
    """
    spans = []
    for part in filter(None, (part.strip() for part in re.split(r"[,;]", text))):
        found = _SPAN.fullmatch(part)
        if found is None:
            raise ValueError(
                gettext("“%(what)s” are no hours: write 09:00–12:00, 13:00–17:00, or nothing for a free day.")
                % {"what": part[:30]}
            )
        opens, closes = (
            minutes_of(f"{hour}:{minute or '00'}") for hour, minute in (found.group(1, 2), found.group(3, 4))
        )
        if closes <= opens:
            raise ValueError(
                gettext("%(time_of)s is not after %(time_of_2)s. Past midnight goes on the next day.")
                % {"time_of": time_of(closes), "time_of_2": time_of(opens)}
            )
        spans.append((opens, closes))
    spans.sort()
    for (_, closes), (opens, _) in pairwise(spans):
        if opens < closes:
            raise ValueError(gettext("These hours overlap at %(time_of)s.") % {"time_of": time_of(opens)})
    return [[time_of(opens), time_of(closes)] for opens, closes in spans]


class HolidaysForm(forms.Form):
    """Days on which a calendar does not work, one a line."""

    days = forms.CharField(
        label=gettext_lazy("Days"),
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "2026-12-25 Christmas Day"}),
        help_text=gettext_lazy("One a line: the date, then what day it is. Paste a whole year."),
    )

    def clean_days(self) -> list[tuple[date, str]]:
        """Return each line's date and name."""
        found = []
        for line in filter(None, (line.strip() for line in self.cleaned_data["days"].splitlines())):
            day, _, name = line.partition(" ")
            try:
                found.append((date.fromisoformat(day), name.strip()))
            except ValueError:
                raise forms.ValidationError(
                    gettext("“%(what)s” begins with no date: write 2026-12-25 Christmas.") % {"what": line[:40]}
                ) from None
        return found


class AbsenceForm(forms.Form):
    """Somebody is away, from the first day to the last."""

    first_day = forms.DateField(label=gettext_lazy("First day"), widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(label=gettext_lazy("Last day"), widget=forms.DateInput(attrs={"type": "date"}))
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Managers see it. Holiday or training, never an illness."),
    )


class RepForm(forms.Form):
    """How much somebody takes, and of what."""

    claim_limit = forms.IntegerField(label=gettext_lazy("Handoffs at most"), required=False)
    is_routed = forms.BooleanField(label=gettext_lazy("Rules may give them handoffs"), required=False)
    countries = forms.CharField(
        label=gettext_lazy("Countries"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("With commas between, written as contacts have them: Germany or DE."),
    )
    languages = forms.CharField(
        label=gettext_lazy("Languages"), required=False, help_text=gettext_lazy("Codes with commas between: de, en.")
    )

    def words(self, name: str) -> list[str]:
        """The texts of a valid form's list."""
        return words_of(self.cleaned_data[name])


def words_of(text: str) -> list[str]:
    """Take a list apart that was written with commas or on lines."""
    return [word.strip() for word in re.split(r"[,;\n]", text) if word.strip()]


class ChooseCalendarForm(forms.Form):
    """By which calendar somebody works; nothing is the team's."""

    calendar = forms.ModelChoiceField(
        label=gettext_lazy("Works by"),
        queryset=WorkingCalendar.objects.none(),
        required=False,
        empty_label=gettext_lazy("The team's calendar"),
    )

    def __init__(self, *args: Any, calendars: "Any", **kwargs: Any) -> None:
        """Offer these calendars."""
        super().__init__(*args, **kwargs)
        field = self.fields["calendar"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = calendars
