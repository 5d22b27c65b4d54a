"""Who works when, as the arithmetic of business time; who is away; how much each may hold."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

from django.db import connection

from funnel.enums import HandoffState
from funnel.models import Absence, SalesSettings, WorkingCalendar
from funnel.moves import HELD_STATES
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


# Nobody (NULL) goes by the team's calendar, as does everybody without another one.
_TIMES: Final = """
SELECT one.id, calendar.time_zone, calendar.hours,
    ARRAY(SELECT holiday.day FROM funnel_holiday AS holiday WHERE holiday.calendar_id = calendar.id),
    ARRAY(SELECT ARRAY[away.first_day, away.last_day] FROM funnel_absence AS away WHERE away.user_id = one.id)
FROM unnest(%s::int[]) AS one (id)
LEFT JOIN funnel_repprofile AS profile ON profile.user_id = one.id
LEFT JOIN funnel_workingcalendar AS calendar
    ON calendar.id = coalesce(profile.calendar_id, (SELECT team.id FROM funnel_workingcalendar AS team WHERE is_team))
"""


def working_times(user_ids: Iterable[int | None] = ()) -> WorkingTimes:
    """Load the business time of the team and of these people; one query."""
    wanted = sorted({user_id for user_id in user_ids if user_id is not None})
    with connection.cursor() as cursor:
        cursor.execute(_TIMES, [[None, *wanted]])
        found = cursor.fetchall()
    # An installation has a team's calendar from its first migration on.
    usual = WorkingCalendar(is_team=True)
    times: dict[int | None, WorkingTime] = {
        user_id: working_time(
            WorkingHours(
                zone or usual.time_zone,
                _week(hours or json.dumps(usual.hours)),
                frozenset(free),
                frozenset((first, last) for first, last in away),
            )
        )
        for user_id, zone, hours, free, away in found
    }
    return WorkingTimes(team=times[None], people={user_id: times[user_id] for user_id in wanted})


@lru_cache(maxsize=256)
def _week(hours: str) -> tuple[tuple[tuple[int, int], ...], ...]:
    """A calendar's hours as ``WorkingHours`` has them; a cursor gives them as the text of their JSON."""
    return week_of(json.loads(hours))


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


# A limit of their own may be none at all, 0.
_CAPACITIES: Final = """
SELECT one.id,
    coalesce(profile.claim_limit, (SELECT claim_limit FROM funnel_salessettings WHERE id = 1), %s),
    (SELECT count(*) FROM funnel_handoff AS held WHERE held.claimed_by_id = one.id AND held.state = ANY(%s)),
    (SELECT count(*) FROM funnel_handoff AS kept WHERE kept.assigned_to_id = one.id AND kept.state = %s)
FROM unnest(%s::int[]) AS one (id) LEFT JOIN funnel_repprofile AS profile ON profile.user_id = one.id
"""


def capacities(user_ids: Iterable[int]) -> dict[int, Capacity]:
    """How much each of these people has and may have; one query."""
    wanted = sorted(set(user_ids))
    usual = SalesSettings().claim_limit
    with connection.cursor() as cursor:
        cursor.execute(_CAPACITIES, [usual, list(HELD_STATES), HandoffState.OFFERED, wanted])
        return {
            user_id: Capacity(limit=limit, held=held, kept=kept) for user_id, limit, held, kept in cursor.fetchall()
        }
