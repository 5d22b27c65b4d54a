"""The pages on which Sales is planned: settings, calendars, people, and the rules with their try-out."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.enums import Role
from funnel.models import Absence, Handoff, Holiday, RepProfile, RoutingRule, SalesSettings, WorkingCalendar
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(world: World) -> User:
    return world.person(Role.MANAGER, "Mona Manager")


@pytest.fixture
def rep(world: World) -> User:
    return world.person(Role.REP, "Rhea Rep")


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, url
    return response.content.decode()


def team_calendar() -> WorkingCalendar:
    return WorkingCalendar.objects.get(is_team=True)


SETTINGS = {
    "do": "settings", "claim_hours": "2", "attempt_hours": "6", "warn_share": "0.5", "claim_limit": "10",
    "stale_days": "3", "starving_hours": "12",
}  # fmt: skip
HOURS = {
    "do": "hours",
    "name": "Team",
    "time_zone": "Europe/Berlin",
    "mon": "9-12:30, 13.30–17",
    "tue": "09:00 to 24:00",
}


def test_settings_are_changed_and_what_is_wrong_is_said_beside_its_field(manager: User) -> None:
    client = signed_in(manager)

    assert client.post("/team/sales/", SETTINGS).status_code == 302
    assert SalesSettings.objects.get().claim_hours == 2

    wrong = client.post("/team/sales/", {**SETTINGS, "warn_share": "1.5", "claim_limit": "0"})
    assert wrong.status_code == 422
    assert set(wrong.context["settings"].errors) == {"warn_share", "claim_limit"}
    assert SalesSettings.objects.get().warn_share == 0.5


def test_hours_are_read_as_people_write_them(manager: User) -> None:
    row = team_calendar()

    assert signed_in(manager).post(f"/team/calendars/{row.pk}/", HOURS).status_code == 302

    row.refresh_from_db()
    assert row.time_zone == "Europe/Berlin"
    assert row.hours == {"mon": [["09:00", "12:30"], ["13:30", "17:00"]], "tue": [["09:00", "24:00"]]}
    page = text(signed_in(manager), f"/team/calendars/{row.pk}/")
    assert "09:00–12:30, 13:30–17:00" in page


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("mon", "nine to five", "are no hours"),
        ("mon", "17-9", "09:00 is not after 17:00"),
        ("mon", "9-13, 12-17", "overlap at 12:00"),
        ("mon", "9-25", "25:00 is no time"),
        ("time_zone", "Mars/Olympus", "is no time zone"),
        ("name", "", "required"),
    ],
)
def test_hours_that_cannot_be_are_refused_beside_the_day(manager: User, field: str, value: str, said: str) -> None:
    row = team_calendar()

    page = signed_in(manager).post(f"/team/calendars/{row.pk}/", {**HOURS, field: value})

    assert page.status_code == 422
    assert said in str(page.context["form"].errors[field])
    row.refresh_from_db()
    assert row.time_zone == "UTC"


def test_a_calendar_without_any_hours_is_refused(manager: User) -> None:
    row = team_calendar()

    page = signed_in(manager).post(f"/team/calendars/{row.pk}/", {**HOURS, "mon": "", "tue": ""})

    assert page.status_code == 422
    assert "its clocks would never run" in page.content.decode()


def test_a_year_of_holidays_is_pasted_and_one_is_removed(manager: User) -> None:
    row, client = team_calendar(), signed_in(manager)
    year = timezone.now().year + 1
    days = f"{year}-12-25 Christmas Day\n\n{year}-12-26\n"

    client.post(f"/team/calendars/{row.pk}/", {"do": "holidays", "days": days})

    assert list(Holiday.objects.order_by("day").values_list("day", "name")) == [
        (date(year, 12, 25), "Christmas Day"),
        (date(year, 12, 26), ""),
    ]
    refused = client.post(f"/team/calendars/{row.pk}/", {"do": "holidays", "days": "25 December"})
    assert refused.status_code == 422
    client.post(
        f"/team/calendars/{row.pk}/", {"do": "remove-holiday", "holiday": str(Holiday.objects.earliest("day").pk)}
    )
    assert Holiday.objects.count() == 1


def test_the_teams_calendar_stays_another_one_goes_and_its_people_work_by_the_teams(manager: User, rep: User) -> None:
    client = signed_in(manager)
    client.post("/team/sales/", {**HOURS, "do": "calendar", "name": "Berlin office"})
    made = WorkingCalendar.objects.get(name="Berlin office")
    client.post(f"/team/people/{rep.pk}/", {"do": "calendar", "calendar": str(made.pk)})
    assert "Berlin office" in text(client, f"/team/people/{rep.pk}/")

    again = client.post("/team/sales/", {**HOURS, "do": "calendar", "name": "Berlin office"})
    assert "is a calendar named Berlin office already" in again.content.decode()
    client.post(f"/team/calendars/{team_calendar().pk}/", {"do": "delete"})
    client.post(f"/team/calendars/{made.pk}/", {"do": "delete"})

    assert [row.name for row in WorkingCalendar.objects.all()] == ["Team"]
    assert RepProfile.objects.get(user=rep).calendar is None


def test_a_rep_enters_absences_and_hours_of_their_own_and_nothing_else(rep: User, world: World) -> None:
    client, colleague = signed_in(rep), world.person(Role.REP, "Ben Rep")
    today = timezone.now().date()
    absence = {"do": "absence", "first_day": str(today + timedelta(3)), "last_day": str(today + timedelta(9))}

    assert client.post("/team/people/me/", absence).status_code == 302
    assert client.post("/team/people/me/", {"do": "own-hours"}).status_code == 302
    own = WorkingCalendar.objects.get(person=rep)
    assert client.post(f"/team/calendars/{own.pk}/", {**HOURS, "name": "Mine"}).status_code == 302

    page = text(client, "/team/people/me/")
    assert "Europe/Berlin" in page
    assert 'name="claim_limit"' not in page
    assert client.post("/team/people/me/", {"do": "rep", "claim_limit": "99"}).status_code == 403
    assert client.post(f"/team/calendars/{team_calendar().pk}/", HOURS).status_code == 403
    assert client.get(f"/team/people/{colleague.pk}/").status_code == 403
    assert client.post(f"/team/people/{colleague.pk}/", absence).status_code == 403
    assert signed_in(colleague).post(f"/team/calendars/{own.pk}/", HOURS).status_code == 403
    assert list(Absence.objects.values_list("user", flat=True)) == [rep.pk]
    client.post("/team/people/me/", {"do": "remove-absence", "absence": str(Absence.objects.get().pk)})
    assert not Absence.objects.exists()


def test_a_colleagues_absence_is_not_removed_from_ones_own_page(rep: User, world: World) -> None:
    colleague = world.person(Role.REP, "Ben Rep")
    today = timezone.now().date()
    theirs = Absence.objects.create(user=colleague, first_day=today, last_day=today)

    signed_in(rep).post("/team/people/me/", {"do": "remove-absence", "absence": str(theirs.pk)})

    assert Absence.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [(3, 2, "before the first"), (-9, -5, "over already"), (0, 2000, "three years")],
)
def test_an_absence_that_cannot_be_is_refused(rep: User, first: int, last: int, said: str) -> None:
    today = timezone.now().date()
    days = {"first_day": str(today + timedelta(first)), "last_day": str(today + timedelta(last))}

    page = signed_in(rep).post("/team/people/me/", {"do": "absence", **days})

    assert page.status_code == 422
    assert said in page.content.decode()


def test_a_manager_says_how_much_somebody_takes_and_of_what(manager: User, rep: User) -> None:
    client = signed_in(manager)
    plan = {
        "do": "rep",
        "claim_limit": "5",
        "is_routed": "on",
        "countries": "Germany, austria, GERMANY",
        "languages": "de",
    }

    assert client.post(f"/team/people/{rep.pk}/", plan).status_code == 302

    profile = RepProfile.objects.get(user=rep)
    assert (profile.claim_limit, profile.is_routed, profile.languages) == (5, True, ["de"])
    assert [country.casefold() for country in profile.countries] == ["germany", "austria"]
    wrong = client.post(f"/team/people/{rep.pk}/", {**plan, "languages": "German", "claim_limit": "-1"})
    assert set(wrong.context["plan"].errors) == {"languages", "claim_limit"}
    assert "germany" in text(client, "/team/sales/").casefold()


RULE = {"name": "DACH", "mode": "territory", "countries": "Germany, Austria", "employees_at_least": "50"}


def test_rules_are_made_put_in_order_switched_and_deleted(manager: User, rep: User) -> None:
    client = signed_in(manager)
    client.post("/routing/new/", RULE)
    client.post("/routing/new/", {"name": "In turn", "mode": "round_robin", "reps": [str(rep.pk)]})
    first, second = RoutingRule.objects.all()
    assert first.conditions == {"countries": ["Germany", "Austria"], "employees_at_least": 50}
    assert list(second.reps.all()) == [rep]

    client.post("/routing/", {"do": "up", "rule": str(second.pk)})
    client.post("/routing/", {"do": "up", "rule": str(second.pk)})
    client.post("/routing/", {"do": "off", "rule": str(first.pk)})

    assert [(rule.name, rule.is_active) for rule in RoutingRule.objects.all()] == [("In turn", True), ("DACH", False)]
    page = text(client, "/routing/")
    assert "Contacts from Germany or Austria, with at least 50 employees" in page
    assert "Among Rhea Rep" in page
    client.post(f"/routing/{first.pk}/", {**RULE, "countries": "France"})
    client.post("/routing/", {"do": "on", "rule": str(first.pk)})
    client.post("/routing/", {"do": "delete", "rule": str(second.pk)})
    (left,) = RoutingRule.objects.all()
    assert (left.name, left.is_active, left.conditions["countries"]) == ("DACH", True, ["France"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "Taken"}, "name"),
        ({"mode": "loudest"}, "mode"),
        ({"employees_at_least": "60", "employees_at_most": "50"}, "employees_at_most"),
        ({"reps": ["999999"]}, "reps"),
        ({"stages": ["customer_for_life"]}, "stages"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_beside_its_field(
    manager: User, changes: dict[str, str | list[str]], field: str
) -> None:
    RoutingRule.objects.create(name="Taken")

    page = signed_in(manager).post("/routing/new/", {**RULE, **changes})

    assert page.status_code == 422
    assert list(page.context["form"].errors) == [field]
    assert RoutingRule.objects.count() == 1


def test_the_try_out_says_who_would_get_it_and_why_and_gives_nothing(manager: User, rep: User, world: World) -> None:
    away = world.person(Role.REP, "Ada Away")
    today = timezone.now().date()
    Absence.objects.create(user=away, first_day=today - timedelta(1), last_day=today + timedelta(5))
    contact = world.prospect("ann@acme.example")
    client = signed_in(manager)
    client.post("/routing/new/", {**RULE, "name": "Germany only"})
    client.post("/routing/new/", {"name": "In turn", "mode": "round_robin", "reps": [str(rep.pk), str(away.pk)]})

    page = client.post("/routing/", {"do": "try", "contact": " Ann@acme.example "}).content.decode()

    assert "Kept for Rhea Rep by the rule “In turn”: nobody else can take it" in page
    assert "Does not match: its country is unknown." in page
    assert "Ada Away: is away until" in page
    assert not RepProfile.objects.filter(last_assigned_at__isnull=False).exists()
    assert Handoff.objects.get(contact=contact).assigned_to is None
    nobody = client.post("/routing/", {"do": "try", "contact": "nobody@acme.example"})
    assert "Nobody is known by this address" in nobody.content.decode()


def one_more(world: World, number: int, manager: User) -> None:
    """Another rep with everything that a page shows of one, and another rule, calendar and absence."""
    rep = world.person(Role.REP, f"Rep Number{number}")
    calendar = WorkingCalendar.objects.create(name=f"Calendar {number}")
    Holiday.objects.create(calendar=calendar, day=timezone.now().date() + timedelta(number))
    RepProfile.objects.create(user=rep, calendar=calendar, countries=["Germany"])
    today = timezone.now().date()
    Absence.objects.create(user=rep, first_day=today, last_day=today)
    Absence.objects.create(user=manager, first_day=today + timedelta(number), last_day=today + timedelta(number))
    rule = RoutingRule.objects.create(
        name=f"Rule {number}", mode="round_robin", conditions={"stages": ["sales_prospect"]}
    )
    rule.reps.add(rep)


def test_the_pages_take_the_same_number_of_queries_for_one_and_for_three(world: World, manager: User) -> None:
    client = signed_in(manager)
    addresses: list[Callable[[], str]] = [
        lambda: "/team/sales/",
        lambda: f"/team/calendars/{team_calendar().pk}/",
        lambda: "/team/people/me/",
        lambda: "/routing/",
        lambda: "/routing/new/",
    ]

    def counts() -> list[int]:
        found = []
        for address in addresses:
            url = address()
            with CaptureQueriesContext(connection) as queries:
                client.get(url)
            found.append(len(queries))
        return found

    one_more(world, 1, manager)
    counts()
    for_one = counts()
    one_more(world, 2, manager)
    one_more(world, 3, manager)

    assert counts() == for_one
    assert max(for_one) <= 25
