"""When digests go out: on the days and at the hour that each person chose, in their time zone."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from funnel.models import DigestPlan
from funnel.selectors.working import working_times


def next_digest(
    *, after: datetime, zone: str, hour: int, days: Collection[int], sent_on: date | None = None
) -> datetime:
    """The first moment after ``after`` at which a clock in ``zone`` shows ``hour`` on one of ``days`` (Monday is 0).

    Not on the day of the last digest (``sent_on``, local) nor before it. Of an hour that comes twice in autumn the
    first; one that is skipped in spring is the moment after the gap. Without any day there is none for a year.
    """
    place = ZoneInfo(zone)
    first = after.astimezone(place).date()
    for ahead in range(9):
        day = first + timedelta(days=ahead)
        at = datetime.combine(day, time(hour), place).astimezone(UTC)
        if at > after and day.weekday() in days and (sent_on is None or day > sent_on):
            return at
    return after + timedelta(days=365)


def zones_of(user_ids: Iterable[int]) -> dict[int, str]:
    """Everybody's time zone: the one they chose, else their working calendar's, else the team's; five queries."""
    wanted = list(user_ids)
    times = working_times(wanted)
    chosen = dict(DigestPlan.objects.filter(user__in=wanted).exclude(time_zone="").values_list("user_id", "time_zone"))
    return {user_id: chosen.get(user_id) or times.of(user_id).hours.zone for user_id in wanted}


def plan_digests(user_ids: Iterable[int], *, now: datetime) -> None:
    """See to it that these people have a plan: mornings of working days, unless they chose otherwise."""
    planned = set(DigestPlan.objects.filter(user__in=list(user_ids)).values_list("user_id", flat=True))
    missing = sorted(set(user_ids) - planned)
    if not missing:
        return
    zones = zones_of(missing)
    DigestPlan.objects.bulk_create((_fresh_plan(user_id, zones, now=now) for user_id in missing), ignore_conflicts=True)


def fresh_plan(user_id: int, *, now: datetime) -> DigestPlan:
    """The unsaved plan of somebody who chose nothing."""
    return _fresh_plan(user_id, zones_of([user_id]), now=now)


def _fresh_plan(user_id: int, zones: Mapping[int, str], *, now: datetime) -> DigestPlan:
    plan = DigestPlan(user_id=user_id)
    plan.due_at = next_digest(after=now, zone=zones[user_id], hour=plan.hour, days=plan.days)
    return plan
