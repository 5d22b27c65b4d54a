"""How somebody wants to be told."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from funnel.enums import MailMode, NoticeKind
from funnel.notice_kinds import KINDS, KindFacts, Ways
from funnel.services.notices.reading import Wishes, known_zones

DAYS = (
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
)


class WishesForm(forms.Form):
    """For each kind whether it is shown and mailed; and when the digest goes out."""

    hour = forms.TypedChoiceField(
        label=gettext_lazy("At"),
        coerce=int,
        choices=[(hour, f"{hour:02d}:00") for hour in range(24)],
        help_text=gettext_lazy("In the time zone below."),
    )
    days = forms.TypedMultipleChoiceField(
        label=gettext_lazy("On"),
        coerce=int,
        choices=list(enumerate(DAYS)),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose a day, or mail nothing in the digest.")},
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), required=False)

    def __init__(self, data: QueryDict | None = None, *, wishes: Wishes, usual_zone: str) -> None:
        """Begin with the present ``wishes``; ``usual_zone`` is that of the person's calendar."""
        initial: dict[str, Any] = {"hour": wishes.hour, "days": list(wishes.days), "time_zone": wishes.time_zone}
        super().__init__(data, initial=initial)
        self._kinds = list(wishes.ways)
        zones = [
            ("", gettext("That of your working hours (%(usual_zone)s)") % {"usual_zone": usual_zone}),
            *((name, name) for name in known_zones()),
        ]
        self.fields["time_zone"] = forms.ChoiceField(label=gettext("Time zone"), required=False, choices=zones)
        for kind, ways in wishes.ways.items():
            self.fields[f"{kind}-app"] = forms.BooleanField(
                label=gettext("%(kind)s: in the app") % {"kind": kind.label}, required=False, initial=ways.in_app
            )
            self.fields[f"{kind}-mail"] = forms.ChoiceField(
                label=gettext("%(kind)s: by e-mail") % {"kind": kind.label}, choices=MailMode.choices, initial=ways.mail
            )

    def rows(self) -> Iterator[tuple[NoticeKind, KindFacts, BoundField, BoundField]]:
        """Each kind with what is known of it and its two fields."""
        for kind in self._kinds:
            yield kind, KINDS[kind], self[f"{kind}-app"], self[f"{kind}-mail"]

    def wishes(self) -> Wishes:
        """What a valid form says."""
        said = self.cleaned_data
        return Wishes(
            ways={kind: Ways(said[f"{kind}-app"], MailMode(said[f"{kind}-mail"])) for kind in self._kinds},
            time_zone=said["time_zone"],
            hour=said["hour"],
            days=tuple(said["days"]),
        )
