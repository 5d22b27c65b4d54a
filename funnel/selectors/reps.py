"""Who may be given a handoff by hand, and how much room each has."""

from dataclasses import dataclass
from datetime import date, datetime

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.translation import gettext

from config.web.formats import format_date
from contacts.permissions import SELLERS
from funnel.selectors.people import name_of
from funnel.selectors.working import Capacity, capacities, working_times


@dataclass(frozen=True, slots=True)
class RepChoice:
    """Somebody who works handoffs, what they hold and may hold, and until when they are away (None: they are there)."""

    person: User
    capacity: Capacity
    away_until: date | None

    @property
    def label(self) -> str:
        """Their name and how they stand: ``Rhea Rep (room for 22 of 25)``."""
        limit, free = self.capacity.limit, self.capacity.free
        room = (
            gettext("room for %(free)s of %(limit)s") % {"free": free, "limit": limit}
            if free
            else gettext("no room: %(taken)s of %(limit)s") % {"taken": self.capacity.taken, "limit": limit}
        )
        away = (
            gettext("; away until %(day)s") % {"day": format_date(self.away_until, today=self.away_until)}
            if self.away_until
            else ""
        )
        return f"{name_of(self.person)} ({room}{away})"


def reps_to_choose(*, now: datetime) -> list[RepChoice]:
    """Everybody active who may claim handoffs, by name; a fixed number of queries."""
    sellers = Q(groups__name__in=[role.value for role in SELLERS]) | Q(is_superuser=True)
    people = list(User.objects.filter(sellers, is_active=True).distinct())
    ids = [person.pk for person in people]
    rooms, times = capacities(ids), working_times(ids)
    choices = [RepChoice(person, rooms[person.pk], times.away_until(person.pk, now)) for person in people]
    return sorted(choices, key=lambda choice: (name_of(choice.person).casefold(), choice.person.pk))
