"""Calendars and their holidays: what changes is checked, and running clocks go on by the new hours."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from config.web.formats import format_number
from contacts.audit import AuditAct
from contacts.services.auditing import audited
from funnel.models import Holiday, RepProfile, WorkingCalendar
from funnel.permissions import check_change_calendar, check_plan_sales, check_see_rep
from funnel.selectors.people import name_of
from funnel.services.clocks import restate_clocks
from funnel.working_time import WEEKDAYS, time_of, week_of

MOST_HOLIDAYS = 1_000
Hours = Mapping[str, Sequence[Sequence[str]]]


@lru_cache(maxsize=1)
def zone_names() -> tuple[str, ...]:
    """The names of the time zones that there are, UTC first, then by alphabet."""
    named = sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    return ("UTC", *named)


@audited(AuditAct.CALENDAR_CREATED, "result", keep=["name", "time_zone"])
def create_calendar(*, name: str, time_zone: str, hours: Hours, by: User) -> WorkingCalendar:
    """Make a calendar that reps can work by. Raises ``ValidationError`` naming the field, ``PermissionDenied``."""
    check_plan_sales(by)
    checked = _checked(name=name, time_zone=time_zone, hours=hours)
    try:
        with transaction.atomic():
            return WorkingCalendar.objects.create(**checked)
    except IntegrityError as error:
        raise _name_taken(name) from error


@audited(AuditAct.CALENDAR_CHANGED, "calendar", keep=["name", "time_zone"])
def change_calendar(
    *, calendar: WorkingCalendar, name: str, time_zone: str, hours: Hours, by: User, now: datetime
) -> WorkingCalendar:
    """Change a calendar's name, zone and hours. What has run of a clock stays run, the rest goes by the new hours.

    Raises ``ValidationError`` naming the field, ``PermissionDenied``.
    """
    check_change_calendar(by, calendar)
    checked = _checked(name=name, time_zone=time_zone, hours=hours)
    try:
        with restate_clocks(calendar=calendar, now=now):
            for field, value in checked.items():
                setattr(calendar, field, value)
            calendar.save(update_fields=list(checked))
    except IntegrityError as error:
        calendar.refresh_from_db()
        raise _name_taken(name) from error
    return calendar


@audited(AuditAct.CALENDAR_DELETED, "calendar", keep=["calendar.name"])
def delete_calendar(*, calendar: WorkingCalendar, by: User, now: datetime) -> None:
    """Delete a calendar; who worked by it works by the team's from now on.

    Raises ``ValidationError`` for the team's own, ``PermissionDenied``.
    """
    check_change_calendar(by, calendar)
    if calendar.is_team:
        raise ValidationError({"calendar": gettext("The team's calendar stays: it is the clock of the queue.")})
    with restate_clocks(calendar=calendar, now=now):
        calendar.delete()


@audited(AuditAct.CALENDAR_CHOSEN, "person", keep=["result"])
def take_own_hours(*, person: User, by: User, now: datetime) -> WorkingCalendar:
    """Give somebody hours of their own: a copy of the calendar that they work by, with its coming holidays.

    Who has such a calendar already works by it again. Nothing changes for running clocks until it is changed. Raises
    ``PermissionDenied``.
    """
    check_see_rep(by, person)
    with restate_clocks(user_ids=[person.pk], now=now):
        profile, _ = RepProfile.objects.select_for_update().get_or_create(user=person)
        own = WorkingCalendar.objects.filter(person=person).first()
        if own is None:
            used = profile.calendar or WorkingCalendar.objects.get(is_team=True)
            own = WorkingCalendar.objects.create(
                name=_own_name(person), time_zone=used.time_zone, hours=used.hours, person=person
            )
            coming = used.holidays.filter(day__gte=now.date())
            Holiday.objects.bulk_create(Holiday(calendar=own, day=one.day, name=one.name) for one in coming)
        profile.calendar = own
        profile.save(update_fields=["calendar"])
    return own


@audited(AuditAct.HOLIDAYS_ADDED, "calendar", keep=["result"])
def add_holidays(
    *, calendar: WorkingCalendar, days: Iterable[tuple[date, str]], by: User, now: datetime
) -> Sequence[date]:
    """Add whole days on which the calendar does not work, each with its name; return those that were not there yet.

    Raises ``ValidationError`` naming the field, ``PermissionDenied``.
    """
    check_change_calendar(by, calendar)
    named = {day: " ".join(name.split())[:100] for day, name in days}
    if not named:
        raise ValidationError({"days": gettext("Name at least one day.")})
    with restate_clocks(calendar=calendar, now=now):
        there = set(Holiday.objects.filter(calendar=calendar).values_list("day", flat=True))
        if len(there | set(named)) > MOST_HOLIDAYS:
            raise ValidationError(
                {
                    "days": gettext("A calendar has at most %(most_holidays)s holidays.")
                    % {"most_holidays": format_number(MOST_HOLIDAYS)}
                }
            )
        # Two people may add the same day at once.
        Holiday.objects.bulk_create(
            [Holiday(calendar=calendar, day=day, name=name) for day, name in sorted(named.items())],
            update_conflicts=True,
            unique_fields=["calendar", "day"],
            update_fields=["name"],
        )
    return sorted(set(named) - there)


@audited(AuditAct.HOLIDAY_REMOVED, "holiday", keep=["holiday.day", "holiday.calendar_id"])
def remove_holiday(*, holiday: Holiday, by: User, now: datetime) -> None:
    """Let a calendar work on a day again. Raises ``PermissionDenied``."""
    check_change_calendar(by, holiday.calendar)
    with restate_clocks(calendar=holiday.calendar, now=now):
        holiday.delete()


def _checked(*, name: str, time_zone: str, hours: Hours) -> dict[str, Any]:
    """Return what was given in the form that is kept, or raise ``ValidationError`` with all that is wrong."""
    problems: dict[str, str] = {}
    name = " ".join(name.split())
    if not 0 < len(name) <= 100:
        problems["name"] = gettext("Give the calendar a name of at most 100 characters.")
    if time_zone not in available_timezones():
        problems["time_zone"] = gettext("%(what)s is no time zone: choose one such as Europe/Berlin.") % {
            "what": time_zone[:64] or gettext("This")
        }
    kept: dict[str, list[list[str]]] = {}
    try:
        week = week_of(hours)
    except ValueError as error:
        problems["hours"] = str(error)
    else:
        kept = {
            day: [[time_of(opens), time_of(closes)] for opens, closes in spans]
            for day, spans in zip(WEEKDAYS, week, strict=True)
            if spans
        }
        if not kept:
            problems["hours"] = gettext("A calendar works at some time of the week, or its clocks would never run.")
    if problems:
        raise ValidationError(problems)
    return {"name": name, "time_zone": time_zone, "hours": kept}


def _name_taken(name: str) -> ValidationError:
    return ValidationError({"name": gettext("There is a calendar named %(name)s already.") % {"name": name}})


def _own_name(person: User) -> str:
    """What somebody's own hours are called; with their address where a namesake has some."""
    name = f"{name_of(person)}: own hours"[:100]
    if WorkingCalendar.objects.filter(name=name).exists():
        return f"{person.get_username()[:80]} ({person.pk}): own hours"[-100:]
    return name
