"""Deadlines in business time, and what a change of hours does to clocks that run."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from funnel.enums import HandoffState, ReleaseReason
from funnel.models import Absence, Handoff, HandoffMove, RepProfile, RoutingRule, SalesSettings, WorkingCalendar
from funnel.selectors.working import away_since
from funnel.services.calendars import add_holidays, change_calendar, delete_calendar, remove_holiday, take_own_hours
from funnel.services.claiming import claim_handoff
from funnel.services.clocks import attempt_deadline, attempt_deadlines, claim_deadlines
from funnel.services.handoffs import accept_handoff
from funnel.services.releasing import note_attempt
from funnel.services.reps import add_absence, choose_calendar, remove_absence
from funnel.services.stranded import release_all_of, release_stranded
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db

OFFICE = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
# A Wednesday morning.
WEDNESDAY = datetime(2026, 11, 18, 10, tzinfo=UTC)


@pytest.fixture
def working(world: World) -> World:
    """The world on a Wednesday at ten, the team from nine to five in UTC."""
    world.now = WEDNESDAY
    return world


@pytest.fixture
def rep(working: World) -> User:
    return working.person(Role.REP, "Rhea Rep")


@pytest.fixture
def manager(working: World) -> User:
    return working.person(Role.MANAGER, "Mona Manager")


def team() -> WorkingCalendar:
    return WorkingCalendar.objects.get(is_team=True)


def in_zone(name: str, zone: str) -> WorkingCalendar:
    return WorkingCalendar.objects.create(name=name, time_zone=zone, hours=OFFICE)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(handoff: Handoff) -> datetime | None:
    handoff.refresh_from_db()
    return handoff.due_at


# Deadlines


def test_an_offer_is_due_by_the_hours_of_its_stage_or_else_the_usual_ones(working: World) -> None:
    offers = [Handoff(stage="sales_prospect"), Handoff(stage="lead")]
    SalesSettings.objects.update(claim_hours=10, warn_share=0.5)

    agreed, usual = claim_deadlines(offers, since=WEDNESDAY)

    assert (agreed.warn_at, agreed.due_at) == (at("2026-11-18T12:00"), at("2026-11-18T14:00"))
    assert (usual.warn_at, usual.due_at) == (at("2026-11-18T15:00"), at("2026-11-19T12:00"))


def test_an_offer_kept_for_a_rep_is_due_by_their_hours(working: World, rep: User) -> None:
    RepProfile.objects.create(user=rep, calendar=in_zone("New York", "America/New_York"))

    (kept,) = claim_deadlines([Handoff(stage="sales_prospect", assigned_to=rep)], since=WEDNESDAY)

    assert kept.due_at == at("2026-11-18T18:00"), "nine o'clock there is 14:00 UTC"


def test_an_attempt_is_due_by_the_reps_hours_and_absences(working: World, rep: User) -> None:
    Absence.objects.create(user=rep, first_day=date(2026, 11, 19), last_day=date(2026, 11, 20))

    assert attempt_deadline(rep.pk, since=WEDNESDAY).due_at == at("2026-11-23T10:00")


def test_deadlines_take_the_same_number_of_queries_for_one_and_for_many(working: World) -> None:
    people = [working.person(Role.REP, f"Rep Number{number}") for number in range(4)]
    for number, person in enumerate(people):
        RepProfile.objects.create(user=person, calendar=in_zone(f"Calendar {number}", "Europe/Berlin"))

    def statements(count: int) -> tuple[int, int]:
        offers = [Handoff(stage="sales_prospect", assigned_to=person) for person in people[:count]]
        with CaptureQueriesContext(connection) as claims:
            claim_deadlines(offers, since=WEDNESDAY)
        with CaptureQueriesContext(connection) as attempts:
            attempt_deadlines([person.pk for person in people[:count]], since=WEDNESDAY)
        return len(claims), len(attempts)

    statements(1)  # which remembers the definition
    assert statements(1) == statements(4)


# Changes of hours


def test_a_rep_who_changes_zone_keeps_what_has_run(working: World, rep: User) -> None:
    """Claimed in Berlin at noon with eight hours; at three the rep is in New York, where it is nine in the morning."""
    berlin, new_york = in_zone("Berlin", "Europe/Berlin"), in_zone("New York", "America/New_York")
    RepProfile.objects.create(user=rep, calendar=berlin)
    handoff = working.offer()
    working.now = datetime(2026, 11, 18, 12, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    claim_handoff(handoff_id=handoff.pk, by=rep, now=working.now)
    assert due(handoff) == datetime(2026, 11, 19, 12, tzinfo=ZoneInfo("Europe/Berlin"))

    choose_calendar(person=rep, calendar=new_york, by=rep, now=working.later(hours=3))

    # Three of eight hours have run; five are left, from nine in the morning there.
    assert due(handoff) == datetime(2026, 11, 18, 14, tzinfo=ZoneInfo("America/New_York"))
    assert handoff.warn_at == datetime(2026, 11, 18, 12, tzinfo=ZoneInfo("America/New_York"))


def test_a_rep_who_changes_zone_over_the_change_of_the_clocks(working: World, rep: User) -> None:
    """From Berlin, whose clocks went back that night, to Lord Howe, whose went forward three weeks before."""
    berlin, lord_howe = in_zone("Berlin", "Europe/Berlin"), in_zone("Lord Howe", "Australia/Lord_Howe")
    RepProfile.objects.create(user=rep, calendar=berlin)
    working.now = datetime(2026, 10, 23, 15, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    handoff = working.offer()
    claim_handoff(handoff_id=handoff.pk, by=rep, now=working.now)
    # Two hours on Friday, six on Monday by the winter's time.
    assert due(handoff) == datetime(2026, 10, 26, 15, tzinfo=ZoneInfo("Europe/Berlin"))

    monday = datetime(2026, 10, 26, 10, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    choose_calendar(person=rep, calendar=lord_howe, by=rep, now=monday)

    # Five are left; there it is 20:00 on Monday.
    assert due(handoff) == datetime(2026, 10, 27, 14, tzinfo=ZoneInfo("Australia/Lord_Howe"))


def test_a_calendar_that_changes_restates_the_clocks_of_whoever_works_by_it(
    working: World, rep: User, manager: User
) -> None:
    other = working.person(Role.REP, "Ben Rep")
    RepProfile.objects.create(user=other, calendar=in_zone("Elsewhere", "UTC"))
    waiting, theirs, others = (working.offer(f"{name}@acme.example") for name in ("one", "two", "three"))
    claim_handoff(handoff_id=theirs.pk, by=rep, now=working.now)
    claim_handoff(handoff_id=others.pk, by=other, now=working.now)
    before = due(others)

    early = {day: [["09:00", "13:00"]] for day in OFFICE}
    change_calendar(calendar=team(), name="Team", time_zone="UTC", hours=early, by=manager, now=working.later(hours=2))

    # Two of four, and two of eight, hours have run at noon; from now on there are four a day.
    assert due(waiting) == at("2026-11-19T10:00")
    assert due(theirs) == at("2026-11-20T10:00")
    assert due(others) == before, "by a calendar of their own"


def test_a_holiday_stops_the_clock_and_is_taken_back(working: World, manager: User) -> None:
    offer = working.offer()
    working.later(hours=6)
    claimed_late = working.offer("late@acme.example")
    assert (due(offer), due(claimed_late)) == (at("2026-11-18T14:00"), at("2026-11-19T12:00"))

    add_holidays(calendar=team(), days=[(date(2026, 11, 19), "Repentance")], by=manager, now=working.now)
    assert due(claimed_late) == at("2026-11-20T12:00")
    assert due(offer) == at("2026-11-18T14:00"), "its time was up: the sweep sees to it"

    remove_holiday(holiday=team().holidays.get(), by=manager, now=working.later(minutes=30))
    assert due(claimed_late) == at("2026-11-19T12:00")


def test_an_absence_stops_the_clock_and_is_taken_back(working: World, rep: User) -> None:
    handoff = working.claimed(rep)
    first = due(handoff)
    assert first == at("2026-11-19T10:01")

    away = add_absence(person=rep, first_day=date(2026, 11, 19), last_day=date(2026, 11, 22), by=rep, now=working.now)
    assert due(handoff) == at("2026-11-23T10:01")
    remove_absence(absence=away, by=rep, now=working.later(minutes=5))

    assert due(handoff) == first


def test_a_deleted_calendar_leaves_its_people_to_the_teams(working: World, rep: User, manager: User) -> None:
    gone = in_zone("New York", "America/New_York")
    RepProfile.objects.create(user=rep, calendar=gone)
    handoff = working.claimed(rep)
    assert due(handoff) == at("2026-11-18T22:00")

    delete_calendar(calendar=gone, by=manager, now=working.now)

    # Nothing had run there, where it was five in the morning.
    assert due(handoff) == at("2026-11-19T10:01")


def test_own_hours_begin_as_a_copy_and_change_nothing_by_themselves(working: World, rep: User, manager: User) -> None:
    add_holidays(calendar=team(), days=[(date(2026, 12, 25), "Christmas Day")], by=manager, now=working.now)
    handoff = working.claimed(rep)
    before = due(handoff)

    own = take_own_hours(person=rep, by=rep, now=working.now)

    assert due(handoff) == before
    assert [holiday.name for holiday in own.holidays.all()] == ["Christmas Day"]
    change_calendar(calendar=own, name=own.name, time_zone="America/New_York", hours=OFFICE, by=rep, now=working.now)
    assert due(handoff) == at("2026-11-18T22:00")
    assert take_own_hours(person=rep, by=rep, now=working.now) == own


def test_restating_takes_the_same_number_of_queries_for_one_and_for_three(
    working: World, rep: User, manager: User
) -> None:
    def statements(day: int) -> int:
        with CaptureQueriesContext(connection) as queries:
            add_holidays(calendar=team(), days=[(date(2026, 11, day), "")], by=manager, now=working.now)
        return len(queries)

    first = working.offer("one@acme.example")
    statements(17)  # which remembers the manager's roles
    for_one = statements(18)
    others = [working.offer(f"{name}@acme.example") for name in ("two", "three")]
    before = [due(offer) for offer in (first, *others)]

    assert statements(19) == for_one
    assert all(after > then for after, then in zip(map(due, (first, *others)), before, strict=True) if after and then)


# Who cannot see to it


def test_what_a_deactivated_person_held_goes_to_others(working: World, rep: User) -> None:
    colleague = working.person(Role.REP, "Ben Rep")
    claimed, accepted = working.claimed(rep, "one@acme.example"), working.claimed(rep, "two@acme.example")
    accept_handoff(handoff_id=accepted.pk, by=rep, now=working.now)
    RoutingRule.objects.create(name="In turn", mode="round_robin")
    assert release_stranded(now=working.now) == 0

    User.objects.filter(pk=rep.pk).update(is_active=False)
    assert release_stranded(now=working.later(minutes=1)) == 2
    assert release_stranded(now=working.now) == 0

    for handoff in (claimed, accepted):
        handoff.refresh_from_db()
        assert (handoff.state, handoff.claimed_by, handoff.assigned_to) == (HandoffState.OFFERED, None, colleague)
        assert handoff.due_at == working.now + timedelta(hours=4)
        moves = HandoffMove.objects.filter(handoff=handoff).order_by("number")
        assert [move.name for move in moves][-2:] == ["release", "assign"]
        assert moves.get(name="release").reason == ReleaseReason.REP_AWAY
        assert "Rhea Rep" not in handoff.routing["why"]


def test_who_loses_the_role_loses_what_they_held_and_what_was_kept_for_them(working: World, rep: User) -> None:
    rule = RoutingRule.objects.create(name="Rhea's", mode="round_robin")
    rule.reps.add(rep)
    kept = working.offer("kept@acme.example")
    held = working.claimed(rep, "held@acme.example")
    assert kept.assigned_to == rep

    rep.groups.clear()
    assert release_stranded(now=working.now) == 2

    kept.refresh_from_db()
    held.refresh_from_db()
    assert [kept.assigned_to_id, held.claimed_by_id] == [None, None]
    assert kept.routing["passed_over"] == [
        {"id": rep.pk, "person": "Rhea Rep", "why": "is not in Sales any more"},
    ]


def test_whoever_leaves_is_released_by_hand_too(working: World, rep: User, manager: User) -> None:
    handoff = working.claimed(rep)
    note_attempt([handoff.pk], working.now)

    assert release_all_of(rep, by=manager, now=working.now) == 1

    handoff.refresh_from_db()
    assert (handoff.state, handoff.assigned_to) == (HandoffState.OFFERED, None)
    assert HandoffMove.objects.get(handoff=handoff, name="release").by == manager


def test_of_who_is_away_only_what_is_not_begun_goes_to_others(working: World, rep: User) -> None:
    fresh, begun, talking = (working.claimed(rep, f"{name}@acme.example") for name in ("one", "two", "three"))
    note_attempt([begun.pk], working.now)
    accept_handoff(handoff_id=talking.pk, by=rep, now=working.now)
    Absence.objects.create(user=rep, first_day=date(2026, 11, 19), last_day=date(2026, 11, 20), entered_at=working.now)
    assert release_stranded(now=working.now) == 0, "only from tomorrow on"

    working.now = at("2026-11-19T00:00")
    assert release_stranded(now=working.now) == 1

    for handoff in (fresh, begun, talking):
        handoff.refresh_from_db()
    assert [handoff.claimed_by for handoff in (fresh, begun, talking)] == [None, rep, rep]


def test_an_absence_begins_with_the_day_of_the_reps_own_zone(working: World, rep: User) -> None:
    RepProfile.objects.create(user=rep, calendar=in_zone("Auckland", "Pacific/Auckland"))
    Absence.objects.create(user=rep, first_day=date(2026, 11, 19), last_day=date(2026, 11, 19), entered_at=working.now)

    assert away_since(now=at("2026-11-18T10:59")) == {}
    assert away_since(now=at("2026-11-18T11:00")) == {rep.pk: at("2026-11-18T11:00")}
    assert away_since(now=at("2026-11-19T11:00")) == {}


def test_who_falls_ill_today_lets_go_of_this_mornings_claims_and_keeps_what_they_take_after(
    working: World, rep: User
) -> None:
    morning = working.claimed(rep, "morning@acme.example")
    ill = working.later(hours=1)
    Absence.objects.create(user=rep, first_day=ill.date(), last_day=ill.date(), entered_at=ill)
    offer = working.offer("after@acme.example")
    claim_handoff(handoff_id=offer.pk, by=rep, now=working.later(minutes=5))

    assert release_stranded(now=working.now) == 1

    morning.refresh_from_db()
    offer.refresh_from_db()
    assert (morning.claimed_by, offer.claimed_by) == (None, rep)
