"""What the pages about the work of Sales show: the team, calendars, one person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.contrib.auth.models import User
from django.db.models import Count, Max, Q, QuerySet

from funnel.models import Absence, RepProfile, WorkingCalendar
from funnel.selectors.reps import RepChoice, reps_to_choose
from funnel.selectors.working import Capacity, capacities, working_times
from funnel.working_time import NeverWorks, WorkingTime, week_in_words, week_of


@dataclass(frozen=True, slots=True)
class TeamMember:
    """Somebody in Sales as the table of the team shows them."""

    choice: RepChoice
    profile: RepProfile

    @property
    def territory(self) -> str:
        """What they look after, in words; "" where nothing is named."""
        return ", ".join([*self.profile.countries, *self.profile.languages])


@dataclass(frozen=True, slots=True)
class HoursShown:
    """A calendar, its week in words, and who works by it."""

    calendar: WorkingCalendar
    week: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class WorkNow:
    """How somebody stands now: what they have, whether they work, when they do next, what is left of an absence."""

    capacity: Capacity
    time: WorkingTime
    is_working: bool
    next_moment: datetime | None
    away_until: date | None


def sales_team(*, now: datetime) -> list[TeamMember]:
    """Everybody active who may claim handoffs, by name, with how they work; a fixed number of queries."""
    choices = reps_to_choose(now=now)
    rows = RepProfile.objects.filter(user__in=[one.person.pk for one in choices]).select_related("calendar")
    profiles = {row.user_id: row for row in rows}
    return [TeamMember(one, profiles.get(one.person.pk) or RepProfile(user=one.person)) for one in choices]


def calendars_with_use() -> list[HoursShown]:
    """The calendars, the team's first, each annotated with its ``users`` and ``last_holiday``; own hours come last."""
    rows = WorkingCalendar.objects.annotate(
        users=Count("repprofile", distinct=True), last_holiday=Max("holidays__day")
    ).order_by("-is_team", "person", "name")
    return [HoursShown(row, week_in_words(week_of(row.hours))) for row in rows.select_related("person")]


def calendars_for(person: User) -> "QuerySet[WorkingCalendar]":
    """The calendars that somebody may choose: the shared ones but the team's (which is the default), and their own."""
    return WorkingCalendar.objects.filter(Q(person=None, is_team=False) | Q(person=person)).order_by("person", "name")


def team_calendar() -> WorkingCalendar:
    """The calendar of the queue, and of everybody without another."""
    return WorkingCalendar.objects.get(is_team=True)


def work_now(person: User, *, now: datetime) -> WorkNow:
    """How somebody stands at ``now``; eight queries."""
    times = working_times([person.pk])
    time = times.of(person.pk)
    try:
        following = time.next_moment(now)
    except NeverWorks:
        following = None
    return WorkNow(
        capacity=capacities([person.pk])[person.pk],
        time=time,
        is_working=following == now,
        next_moment=following,
        away_until=times.away_until(person.pk, now),
    )


def coming_absences(person: User, *, today: date) -> "QuerySet[Absence]":
    """Somebody's absences that are not over, the next first."""
    return Absence.objects.filter(user=person, last_day__gte=today).order_by("first_day", "id")
