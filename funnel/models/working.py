"""When Sales works, how much each rep takes, and who is to get what."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from funnel.enums import RoutingMode


def office_hours() -> dict[str, list[list[str]]]:
    """Monday to Friday, nine to five."""
    return {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}


class WorkingCalendar(models.Model):
    """Working hours in one time zone.

    ``hours``: for each day of the week a list of ``["HH:MM", "HH:MM"]``, in order and apart; a day that is left out is
    free. The team's calendar (``is_team``, exactly one) is the clock of the queue and of every rep without another one.
    ``person``: whose own hours these are; nobody else goes by them, and they may change them themselves.
    """

    name = models.CharField(max_length=100, unique=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    hours = models.JSONField(default=office_hours)
    is_team = models.BooleanField(default=False)
    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="own_calendar"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_team"], condition=models.Q(is_team=True), name="calendar_one_team"),
        ]

    def __str__(self) -> str:
        return self.name


class Holiday(models.Model):
    """A whole day on which a calendar does not work."""

    calendar = models.ForeignKey(WorkingCalendar, on_delete=models.CASCADE, related_name="holidays", db_index=False)
    day = models.DateField()
    name = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["calendar", "day"], name="holiday_once")]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d} {self.name}"


class RepProfile(models.Model):
    """How somebody works handoffs. Whoever has none takes the defaults: the team's calendar and the usual limit.

    ``claim_limit``: how many open handoffs they may hold; NULL is the settings' one. ``is_routed``: rules may give them
    handoffs. ``countries`` (as contacts name them) and ``languages`` (codes) are what they look after.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="rep_profile")
    calendar = models.ForeignKey(WorkingCalendar, on_delete=models.SET_NULL, null=True, blank=True)
    claim_limit = models.PositiveSmallIntegerField(null=True, blank=True)
    is_routed = models.BooleanField(default=True, db_default=True)
    countries = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    languages = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    last_assigned_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"how {self.user_id} works"


class Absence(models.Model):
    """Somebody is away from the first day to the last, both whole days of their calendar's zone."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="absences")
    first_day = models.DateField()
    last_day = models.DateField()
    note = models.CharField(max_length=200, blank=True)
    entered_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(last_day__gte=models.F("first_day")), name="absence_ends_after_it_begins"
            ),
        ]
        indexes = [models.Index(fields=["user", "last_day"], name="absence_of_user")]

    def __str__(self) -> str:
        return f"{self.user_id} away {self.first_day} to {self.last_day}"


class SalesSettings(models.Model):
    """How the installation hands over; one row (id 1).

    Hours are business hours. ``claim_hours`` holds for stages whose definition names no ``sla_hours``;
    ``attempt_hours``: from the claim to the first logged attempt; ``warn_share``: part of a clock after which it warns;
    ``stale_days``: an accepted handoff without activity for so many days is flagged; ``starving_hours``: an offer that
    waits this long since it was first offered raises the alarm.
    """

    claim_hours = models.FloatField(default=4.0, validators=[MinValueValidator(0.1), MaxValueValidator(10_000)])
    attempt_hours = models.FloatField(default=8.0, validators=[MinValueValidator(0.1), MaxValueValidator(10_000)])
    warn_share = models.FloatField(default=0.75, validators=[MinValueValidator(0.1), MaxValueValidator(1)])
    claim_limit = models.PositiveSmallIntegerField(default=25, validators=[MinValueValidator(1)])
    stale_days = models.PositiveSmallIntegerField(default=7, validators=[MinValueValidator(1)])
    starving_hours = models.FloatField(default=16.0, validators=[MinValueValidator(0.1), MaxValueValidator(10_000)])
    starving_said_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return "how handoffs are made"


class RoutingRule(models.Model):
    """Who gets an offer that matches. Rules are asked in order of ``position``; none that matches means the queue.

    ``conditions``: ``{"stages": [], "countries": [], "languages": [], "industries": [], "sources": [],
    "employees_at_least": n, "employees_at_most": n}``; what is left out asks nothing. ``mode``: in turn among ``reps``
    by free capacity, to the rep who has the company already, by what reps look after, or to the queue.
    """

    name = models.CharField(max_length=100, unique=True)
    position = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    conditions = models.JSONField(default=dict, blank=True)
    mode = models.CharField(max_length=13, choices=RoutingMode, default=RoutingMode.QUEUE)
    reps = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(mode__in=RoutingMode.values), name="routingrule_mode_known"),
        ]
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name
