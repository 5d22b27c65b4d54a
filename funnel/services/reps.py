"""How each person in Sales works: their limit, calendar, territory, and when they are away."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from config.web.formats import format_number
from contacts.audit import AuditAct
from contacts.services.auditing import audited
from funnel.models import Absence, RepProfile, WorkingCalendar
from funnel.permissions import check_change_absences, check_plan_sales, check_see_rep
from funnel.services.clocks import restate_clocks

MOST_OPEN: Final = 1_000
MOST_ABSENCES: Final = 200
LONGEST_ABSENCE: Final = timedelta(days=3 * 366)


@audited(AuditAct.REP_CHANGED, "person", keep=["claim_limit", "is_routed"])
def change_rep(
    *,
    person: User,
    claim_limit: int | None,
    is_routed: bool,
    countries: Iterable[str],
    languages: Iterable[str],
    by: User,
) -> RepProfile:
    """Say how many open handoffs somebody may hold (None: the usual), whether rules give them some, and for where.

    ``countries`` are compared with the contacts' as texts, without case; ``languages`` are codes such as ``de``. Raises
    ``ValidationError`` naming the field, ``PermissionDenied``.
    """
    check_plan_sales(by)
    problems: dict[str, str] = {}
    if claim_limit is not None and not 0 <= claim_limit <= MOST_OPEN:
        problems["claim_limit"] = gettext("A limit is between 0 and %(most_open)s, or left empty.") % {
            "most_open": format_number(MOST_OPEN)
        }
    places = _words(countries)
    if any(len(place) > 100 for place in places) or len(places) > 250:
        problems["countries"] = gettext("Name at most 250 countries, each in at most 100 characters.")
    codes = [code.lower() for code in _words(languages)]
    if wrong := [code for code in codes if not (2 <= len(code) <= 3 and code.isascii() and code.isalpha())]:
        problems["languages"] = gettext("%(what)s is no language code: write de for German, en for English.") % {
            "what": wrong[0][:20]
        }
    if problems:
        raise ValidationError(problems)
    values: dict[str, Any] = {
        "claim_limit": claim_limit,
        "is_routed": is_routed,
        "countries": places,
        "languages": list(dict.fromkeys(codes)),
    }
    profile, _ = RepProfile.objects.update_or_create(user=person, defaults=values)
    return profile


@audited(AuditAct.CALENDAR_CHOSEN, "person", keep=["calendar"])
def choose_calendar(*, person: User, calendar: WorkingCalendar | None, by: User, now: datetime) -> RepProfile:
    """Let somebody work by another calendar (None: the team's). Running clocks keep what has run of them.

    Raises ``ValidationError`` for a calendar that is somebody else's own, ``PermissionDenied``.
    """
    check_see_rep(by, person)
    if calendar is not None and calendar.person_id not in (None, person.pk):
        raise ValidationError({"calendar": gettext("These are somebody else's own hours.")})
    with restate_clocks(user_ids=[person.pk], now=now):
        profile, _ = RepProfile.objects.update_or_create(user=person, defaults={"calendar": calendar})
    return profile


@audited(AuditAct.ABSENCE_ADDED, "result", keep=["person"])
def add_absence(*, person: User, first_day: date, last_day: date, note: str = "", by: User, now: datetime) -> Absence:
    """Enter that somebody is away from the first day to the last, both whole days of their calendar.

    Their clocks stand still meanwhile; once it begins, rules pass them over, and what they have not begun goes to
    others (services/stranded.py). Raises ``ValidationError`` naming the field, ``PermissionDenied``.
    """
    check_change_absences(by, person)
    if last_day < first_day:
        raise ValidationError({"last_day": gettext("The last day is before the first.")})
    if last_day - first_day > LONGEST_ABSENCE:
        raise ValidationError({"last_day": gettext("Enter at most three years at once.")})
    if last_day < now.date() - timedelta(days=1):
        raise ValidationError({"last_day": gettext("That is over already.")})
    with restate_clocks(user_ids=[person.pk], now=now):
        if Absence.objects.filter(user=person, last_day__gte=now.date()).count() >= MOST_ABSENCES:
            raise ValidationError(
                {
                    "first_day": gettext("There are %(most_absences)s absences to come already.")
                    % {"most_absences": MOST_ABSENCES}
                }
            )
        return Absence.objects.create(
            user=person, first_day=first_day, last_day=last_day, note=" ".join(note.split())[:200]
        )


@audited(AuditAct.ABSENCE_REMOVED, "absence", keep=["absence.user_id"])
def remove_absence(*, absence: Absence, by: User, now: datetime) -> None:
    """Take an absence back; clocks run as if it had never been entered. Raises ``PermissionDenied``."""
    check_change_absences(by, absence.user)
    with restate_clocks(user_ids=[absence.user_id], now=now):
        absence.delete()


def _words(given: Iterable[str]) -> list[str]:
    """Return texts without blanks around and without repeats, whatever their case."""
    kept = {text.casefold(): text for text in (" ".join(one.split()) for one in given) if text}
    return list(kept.values())
