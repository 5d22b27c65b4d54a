"""Who works when, as the arithmetic of business time; who is away; how much each may hold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Q

from funnel.enums import HandoffState
from funnel.models import Absence, Handoff, Holiday, RepProfile, SalesSettings, WorkingCalendar
from funnel.working_time import WorkingHours, WorkingTime, week_of, working_time


@dataclass(frozen=True, slots=True)
class WorkingTimes:
    """The team's business time, and that of each person who was asked for, their absences taken out of it."""

    team: WorkingTime
    people: Mapping[int, WorkingTime]

    def of(self, user_id: int | None) -> WorkingTime:
        """The time of a person who was asked for; of nobody, the team's."""
        return self.team if user_id is None else self.people[user_id]

    def is_away(self, user_id: int, now: datetime) -> bool:
        """Tell whether the person's calendar shows a day of an absence of theirs now."""
        time = self.people[user_id]
        today = time.day_of(now)
        return any(first <= today <= last for first, last in time.hours.absences)

    def away_until(self, user_id: int, now: datetime) -> date | None:
        """The last day of the absence that somebody is on now; None where they are there."""
        time = self.people[user_id]
        today = time.day_of(now)
        return max((last for first, last in time.hours.absences if first <= today <= last), default=None)


def sales_settings() -> SalesSettings:
    """How the installation hands over; the defaults where the row is not there yet."""
    return SalesSettings.objects.filter(pk=1).first() or SalesSettings(pk=1)


def working_times(user_ids: Iterable[int | None] = ()) -> WorkingTimes:
    """Load the business time of the team and of these people; two queries, four where there are people."""
    wanted = sorted({user_id for user_id in user_ids if user_id is not None})
    own: dict[int, int | None] = {}
    absences: dict[int, list[tuple[date, date]]] = {}
    if wanted:
        own = dict(RepProfile.objects.filter(user__in=wanted).values_list("user_id", "calendar_id"))
        for user_id, first, last in Absence.objects.filter(user__in=wanted).values_list(
            "user_id", "first_day", "last_day"
        ):
            absences.setdefault(user_id, []).append((first, last))
    used = {calendar_id for calendar_id in own.values() if calendar_id is not None}
    calendars = {row.pk: row for row in WorkingCalendar.objects.filter(Q(is_team=True) | Q(pk__in=used))}
    holidays: dict[int, list[date]] = {}
    for calendar_id, day in Holiday.objects.filter(calendar__in=list(calendars)).values_list("calendar_id", "day"):
        holidays.setdefault(calendar_id, []).append(day)
    # An installation has one from its first migration on.
    team = next((row for row in calendars.values() if row.is_team), WorkingCalendar(name="Team", is_team=True))

    def time_of(calendar: WorkingCalendar, away: Iterable[tuple[date, date]] = ()) -> WorkingTime:
        free = frozenset(holidays.get(calendar.pk, ()))
        return working_time(WorkingHours(calendar.time_zone, week_of(calendar.hours), free, frozenset(away)))

    people = {
        user_id: time_of(calendars.get(own.get(user_id) or 0, team), absences.get(user_id, ())) for user_id in wanted
    }
    return WorkingTimes(team=time_of(team), people=people)


def away_since(*, now: datetime) -> dict[int, datetime]:
    """Who is away now, each by the day that their own calendar shows, and since when; one query where nobody is.

    Since the absence began, or was entered, where that was later: what they took on before may have been on their desk
    when they fell ill; what they take on after it they mean to see to.
    """
    # Somewhere it is a day earlier or later than in UTC.
    first, last = now.date() + timedelta(days=1), now.date() - timedelta(days=1)
    maybe = list(Absence.objects.filter(first_day__lte=first, last_day__gte=last))
    if not maybe:
        return {}
    times = working_times(absence.user_id for absence in maybe)
    away: dict[int, datetime] = {}
    for absence in maybe:
        time = times.of(absence.user_id)
        if absence.first_day <= time.day_of(now) <= absence.last_day:
            since = max(time.start_of(absence.first_day), absence.entered_at)
            away[absence.user_id] = max(since, away.get(absence.user_id, since))
    return away


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many handoffs somebody may hold, has claimed, and is to claim because they are kept for them."""

    limit: int
    held: int
    kept: int

    @property
    def taken(self) -> int:
        """What counts against the limit: an offer that is kept for somebody is to find room."""
        return self.held + self.kept

    @property
    def free(self) -> int:
        """How many more there is room for."""
        return max(self.limit - self.taken, 0)

    @property
    def is_over(self) -> bool:
        """Whether they have more than they may."""
        return self.taken > self.limit


def capacities(user_ids: Iterable[int]) -> dict[int, Capacity]:
    """How much each of these people has and may have; four queries."""
    wanted = sorted(set(user_ids))
    usual = sales_settings().claim_limit
    own = dict(RepProfile.objects.filter(user__in=wanted).values_list("user_id", "claim_limit"))
    held = dict(
        Handoff.objects.filter(claimed_by__in=wanted, state__in=[HandoffState.CLAIMED, HandoffState.ACCEPTED])
        .values_list("claimed_by")
        .annotate(n=Count("id"))
    )
    kept = dict(
        Handoff.objects.filter(assigned_to__in=wanted, state=HandoffState.OFFERED)
        .values_list("assigned_to")
        .annotate(n=Count("id"))
    )
    return {
        user_id: Capacity(limit=_limit(own.get(user_id), usual), held=held.get(user_id, 0), kept=kept.get(user_id, 0))
        for user_id in wanted
    }


def _limit(own: int | None, usual: int) -> int:
    """A limit of their own may be none at all, 0."""
    return usual if own is None else own
