"""How Sales works: settings and the team, calendars with their holidays, and each person's hours and absences."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from config.web.pages import add_errors, page, person_of
from funnel.forms.planning import (
    AbsenceForm,
    CalendarForm,
    ChooseCalendarForm,
    HolidaysForm,
    RepForm,
    SettingsForm,
)
from funnel.models import Absence, Holiday, RepProfile, WorkingCalendar
from funnel.permissions import can_change_calendar, can_plan_sales, check_plan_sales, check_see_rep, check_work_handoffs
from funnel.selectors.people import name_of
from funnel.selectors.planning import (
    calendars_for,
    calendars_with_use,
    coming_absences,
    sales_team,
    team_calendar,
    work_now,
)
from funnel.selectors.working import sales_settings
from funnel.services.calendars import (
    add_holidays,
    change_calendar,
    create_calendar,
    delete_calendar,
    remove_holiday,
    take_own_hours,
    zone_names,
)
from funnel.services.reps import add_absence, change_rep, choose_calendar, remove_absence
from funnel.services.sales_settings import change_sales_settings
from funnel.working_time import NeverWorks, WorkingHours, week_in_words, week_of, working_time

_LARGEST_ID = 2**63 - 1
_LARGEST_USER = 2**31 - 1
_SHOWN = 200
_METHODS = ["GET", "HEAD", "POST"]


@page(check_plan_sales)
@never_cache
@require_http_methods(_METHODS)
def sales(request: HttpRequest) -> HttpResponse:
    """Show how handoffs are made, who takes how many, and the calendars; change the settings, add a calendar."""
    now, by = timezone.now(), person_of(request)
    doing = request.POST.get("do") if request.method == "POST" else ""
    settings = SettingsForm(request.POST) if doing == "settings" else SettingsForm.of(sales_settings())
    new = CalendarForm(request.POST) if doing == "calendar" else CalendarForm.of(team_calendar())
    if doing == "settings" and _done(settings, lambda: change_sales_settings(by=by, now=now, **settings.cleaned_data)):
        messages.success(request, gettext("Saved. Hours hold for clocks that start from now on, limits at once."))
        return redirect("sales-settings")
    if doing == "calendar":
        made: list[WorkingCalendar] = []
        if _done(new, lambda: made.append(_new_calendar(new, by=by))):
            messages.success(
                request, gettext("The calendar is there. Add its holidays, and choose it on people's pages.")
            )
            return redirect("calendar", made[0].pk)
    if doing != "calendar":
        new.initial["name"] = ""
    context = {
        "settings": settings,
        "new": new,
        "zones": zone_names(),
        "team": sales_team(now=now)[:_SHOWN],
        "calendars": calendars_with_use()[:_SHOWN],
    }
    return render(request, "funnel/sales.html", context, status=422 if settings.errors or new.errors else 200)


@page(check_work_handoffs)
@never_cache
@require_http_methods(_METHODS)
def calendar(request: HttpRequest, calendar_id: int) -> HttpResponse:
    """Show a calendar; whoever may change it does that here."""
    now, by = timezone.now(), person_of(request)
    rows = WorkingCalendar.objects.select_related("person")
    row = get_object_or_404(rows, pk=min(calendar_id, _LARGEST_ID))
    may_change = can_change_calendar(by, row)
    doing = request.POST.get("do") if request.method == "POST" else ""
    form = CalendarForm(request.POST) if doing == "hours" else CalendarForm.of(row)
    holidays = HolidaysForm(request.POST) if doing == "holidays" else HolidaysForm()
    if doing and not may_change:
        raise PermissionDenied(gettext("Only managers change a calendar that others work by."))
    if doing == "hours" and _done(
        form,
        lambda: change_calendar(
            calendar=row,
            name=form.cleaned_data["name"],
            time_zone=form.cleaned_data["time_zone"],
            hours=form.hours,
            by=by,
            now=now,
        ),
    ):
        messages.success(request, gettext("Saved. What has run of a clock stays run; the rest goes by the new hours."))
        return redirect("calendar", row.pk)
    if doing == "holidays" and _done(
        holidays, lambda: add_holidays(calendar=row, days=holidays.cleaned_data["days"], by=by, now=now)
    ):
        messages.success(request, gettext("Added. Running clocks stand still on these days."))
        return redirect("calendar", row.pk)
    if doing == "remove-holiday":
        _remove_holiday(request, row, by=by, now=now)
        return redirect("calendar", row.pk)
    if doing == "delete":
        return _delete_calendar(request, row, by=by, now=now)
    wrong = bool(form.errors or holidays.errors)
    context = {
        "row": row,
        "form": form,
        "holidays_form": holidays,
        "zones": zone_names() if may_change else (),
        "may_change": may_change,
        "may_plan": can_plan_sales(by),
        "holidays": row.holidays.filter(day__gte=now.date() - timedelta(days=31)).order_by("day")[:_SHOWN],
        "users": User.objects.filter(rep_profile__calendar=row).order_by("first_name", "last_name")[:_SHOWN],
        "week": week_in_words(week_of(row.hours)),
        **_now_by(row, now=now),
    }
    return render(request, "funnel/calendar.html", context, status=422 if wrong else 200)


@page(check_work_handoffs)
@never_cache
@require_http_methods(_METHODS)
def rep(request: HttpRequest, user_id: int | None = None) -> HttpResponse:
    """Show how somebody works (without an id: oneself); they enter their absences and hours, managers the rest."""
    now, by = timezone.now(), person_of(request)
    person = by if user_id is None else get_object_or_404(User, pk=min(user_id, _LARGEST_USER))
    check_see_rep(by, person)
    here = redirect("my-hours") if user_id is None else redirect("rep", person.pk)
    profile = RepProfile.objects.select_related("calendar").filter(user=person).first() or RepProfile(user=person)
    doing = request.POST.get("do") if request.method == "POST" else ""
    absence = AbsenceForm(request.POST) if doing == "absence" else AbsenceForm()
    plan = RepForm(request.POST) if doing == "rep" else RepForm(initial=_plan_of(profile))
    choosing = {"calendars": calendars_for(person)}
    choose = (
        ChooseCalendarForm(request.POST, **choosing)
        if doing == "calendar"
        else ChooseCalendarForm(initial={"calendar": profile.calendar_id}, **choosing)
    )
    acts: dict[str | None, tuple[Form, Callable[[], Any], str]] = {
        "absence": (
            absence,
            lambda: add_absence(person=person, by=by, now=now, **absence.cleaned_data),
            gettext("Entered. From that day on others get what they have not begun."),
        ),
        "calendar": (
            choose,
            lambda: choose_calendar(person=person, calendar=choose.cleaned_data["calendar"], by=by, now=now),
            gettext("Saved. What has run of a clock stays run; the rest goes by the new hours."),
        ),
        "rep": (plan, lambda: _change_rep(plan, person=person, by=by), gettext("Saved.")),
    }
    if doing in acts:
        form, act, done = acts[doing]
        if _done(form, act):
            messages.success(request, done)
            return here
    elif doing == "own-hours":
        messages.success(request, gettext("These hours are their own now: change them as they work."))
        return redirect("calendar", take_own_hours(person=person, by=by, now=now).pk)
    elif doing == "remove-absence":
        number = request.POST.get("absence", "")
        theirs = Absence.objects.filter(user=person, pk=int(number) if number.isdecimal() else 0).first()
        if theirs is not None:
            remove_absence(absence=theirs, by=by, now=now)
            messages.success(request, gettext("Taken back."))
        return here
    work = work_now(person, now=now)
    context = {
        "person": person,
        "name": name_of(person),
        "is_self": person == by,
        "may_plan": can_plan_sales(by),
        "profile": profile,
        "work": work,
        "week": week_in_words(work.time.hours.week),
        "zone": work.time.hours.zone,
        "used": profile.calendar or team_calendar(),
        "absences": coming_absences(person, today=work.time.day_of(now))[:_SHOWN],
        "absence": absence,
        "plan": plan,
        "choose": choose,
    }
    wrong = bool(absence.errors or plan.errors or choose.errors)
    return render(request, "funnel/rep.html", context, status=422 if wrong else 200)


def _done(form: Form, act: Callable[[], Any]) -> bool:
    """Do what a valid form asks; put what is refused beside its field. Tell whether it was done."""
    if not form.is_valid():
        return False
    try:
        act()
    except ValidationError as error:
        add_errors(form, error)
        return False
    return True


def _new_calendar(form: CalendarForm, *, by: User) -> WorkingCalendar:
    given = form.cleaned_data
    return create_calendar(name=given["name"], time_zone=given["time_zone"], hours=form.hours, by=by)


def _change_rep(form: RepForm, *, person: User, by: User) -> RepProfile:
    return change_rep(
        person=person,
        claim_limit=form.cleaned_data["claim_limit"],
        is_routed=form.cleaned_data["is_routed"],
        countries=form.words("countries"),
        languages=form.words("languages"),
        by=by,
    )


def _plan_of(profile: RepProfile) -> dict[str, Any]:
    lists = {name: ", ".join(getattr(profile, name)) for name in ("countries", "languages")}
    return {"claim_limit": profile.claim_limit, "is_routed": profile.is_routed, **lists}


def _remove_holiday(request: HttpRequest, row: WorkingCalendar, *, by: User, now: datetime) -> None:
    number = request.POST.get("holiday", "")
    holiday = Holiday.objects.filter(calendar=row, pk=int(number) if number.isdecimal() else 0).first()
    if holiday is not None:
        remove_holiday(holiday=holiday, by=by, now=now)
        messages.success(request, gettext("The calendar works on that day again."))


def _delete_calendar(request: HttpRequest, row: WorkingCalendar, *, by: User, now: datetime) -> HttpResponse:
    try:
        delete_calendar(calendar=row, by=by, now=now)
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect("calendar", row.pk)
    messages.success(request, gettext("Deleted. Who worked by it works by the team's calendar now."))
    return redirect("sales-settings") if can_plan_sales(by) else redirect("my-hours")


def _now_by(row: WorkingCalendar, *, now: datetime) -> dict[str, Any]:
    """What the calendar says of this moment: whether it works, when it does next, when an offer would be due."""
    free = frozenset(row.holidays.values_list("day", flat=True))
    time = working_time(WorkingHours(row.time_zone, week_of(row.hours), free))
    try:
        following = time.next_moment(now)
        due = time.add(now, timedelta(hours=sales_settings().claim_hours))
    except NeverWorks:
        return {"is_working": False, "next_moment": None, "due": None}
    return {"is_working": following == now, "next_moment": following, "due": due}
