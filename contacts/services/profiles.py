"""How one person is called, and in which language and time zone Ripen speaks to them."""

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from contacts.models import Preferences


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person says of themselves. ``language`` "" is what the browser asks for, ``time_zone`` "" is UTC."""

    first_name: str
    last_name: str
    language: str = ""
    time_zone: str = ""


@lru_cache(maxsize=1)
def time_zones() -> tuple[str, ...]:
    """Return the names of the zones that people choose from: places, and UTC."""
    places = {name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))}
    return ("UTC", *sorted(places))


def save_profile(*, user: User, profile: Profile, by: User) -> None:
    """Save it; ``by`` is the person themselves. Raises ``ValidationError`` for an unknown language or zone."""
    if by.pk != user.pk:
        raise ValidationError(gettext("Only they themselves change this."))
    if profile.language and profile.language not in dict(settings.LANGUAGES):
        raise ValidationError({"language": gettext("This language is not there.")})
    if profile.time_zone and profile.time_zone not in time_zones():
        raise ValidationError({"time_zone": gettext("This time zone is not known.")})
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(first_name=profile.first_name, last_name=profile.last_name)
        choice = {"language": profile.language, "time_zone": profile.time_zone}
        Preferences.objects.update_or_create(user=user, defaults=choice)
