"""What nobody announces: agreed days, silence, what contacts did, and notices about definitions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.ingest.incoming import IncomingEvent
from contacts.models import Source
from contacts.services.record import record_events
from funnel.models import DigestPlan, Handoff, NotificationItem
from funnel.services.notices.looking_out import look_out
from scoring.models import Definition, Notice
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> World:
    """Midday, so that it is morning or evening nowhere that matters."""
    return World(now=datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1))


@pytest.fixture
def rita(world: World) -> User:
    return world.person(Role.REP, "Rita Rep")


def found(world: World) -> list[tuple[str, str]]:
    """Look, twice, and say who was told what."""
    look_out(now=world.now)
    assert look_out(now=world.now) == 0, "once is enough"
    rows = NotificationItem.objects.select_related("user").order_by("pk")
    return [(row.user.first_name, row.data.get("kind") or row.what) for row in rows]


def held(world: World, rep: User, email: str = "ann@acme.example", **columns: Any) -> Handoff:
    handoff = world.claimed(by=rep, email=email)
    Handoff.objects.filter(pk=handoff.pk).update(attempted_at=world.now, **columns)
    handoff.refresh_from_db()
    return handoff


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("email_replied", True), ("pricing_requested", True), ("form_submitted", True), ("trial_started", True),
        ("page_viewed", False), ("email_opened", False), ("email_sent", False), ("call_connected", False),
    ],
)  # fmt: skip
def test_a_rep_is_told_what_a_contact_of_theirs_did(world: World, rita: User, kind: str, told: bool) -> None:
    world.claimed(by=rita)
    world.happens("ann@acme.example", kind, at=world.later(minutes=5))
    assert found(world) == ([("Rita", kind)] if told else [])


def test_nobody_is_told_what_a_contact_of_nobodys_or_of_before_did(world: World, rita: User) -> None:
    world.offer("nobodys@acme.example")
    world.happens("nobodys@acme.example", "email_replied", at=world.later(minutes=1))
    world.happens("ann@acme.example", "email_replied", at=world.now - timedelta(days=1))
    world.claimed(by=rita)
    assert found(world) == []


def test_old_and_suspect_and_ones_own_acts_are_not_told(world: World, rita: User) -> None:
    handoff = held(world, rita)
    Handoff.objects.filter(pk=handoff.pk).update(claimed_at=world.now - timedelta(days=30))
    world.happens("ann@acme.example", "email_replied", at=world.now - timedelta(hours=73))
    source = Source.objects.create(name="by hand")
    for number, by in enumerate((rita, world.person(Role.REP, "Ben Rep"))):
        logged = IncomingEvent(
            index=0, message_id=f"call {number}", kind="call_connected", occurred_at=world.now, id=handoff.contact_id,
            properties={"with": "us"},
        )  # fmt: skip
        record_events(source=source, events=[logged], received_at=world.now, by=by)
    told = [("Rita", "demo_requested"), ("Rita", "call_connected")]
    assert found(world) == told, "Ben's call, not her own, and nothing of three days ago"


def test_an_agreed_day_is_told_on_its_morning_where_the_rep_is(world: World, rita: User) -> None:
    due = world.now + timedelta(days=1)
    held(world, rita, next_at=due)
    assert found(world) == []
    world.now = due.replace(hour=5)
    assert found(world) == []
    DigestPlan.objects.create(user=rita, time_zone="Europe/Berlin", due_at=due)
    assert found(world) == [("Rita", "due")]
    world.later(hours=20)
    assert found(world) == [("Rita", "due")], "not again the next day"


def test_silence_is_told_once_until_somebody_speaks(world: World, rita: User) -> None:
    held(world, rita)
    world.later(days=6)
    assert found(world) == []
    world.later(days=2)
    assert found(world) == [("Rita", "stale")]
    world.later(days=1)
    assert found(world) == [("Rita", "stale")]
    Handoff.objects.update(last_activity_at=world.now)
    world.later(days=8)
    assert found(world) == [("Rita", "stale"), ("Rita", "stale")]


def test_notices_about_definitions_go_to_those_who_tune_them(world: World, rita: User) -> None:
    world.person(Role.MARKETER, "Mara Marketer")
    Notice.objects.create(definition=Definition.objects.earliest("id"), text="It drifts.", created_at=world.now)
    old = world.now - timedelta(days=4)
    Notice.objects.create(definition=Definition.objects.earliest("id"), text="Long ago.", created_at=old)
    assert found(world) == [("Mara", "definition")]


def test_the_number_of_queries_does_not_depend_on_the_number(world: World, rita: User) -> None:
    def cost(*names: str) -> int:
        for name in names:
            held(world, rita, f"{name}@acme.example")
            held(world, rita, f"{name}.too@acme.example", next_at=world.now)
            world.happens(f"{name}@acme.example", "email_replied", at=world.later(minutes=1))
        with CaptureQueriesContext(connection) as captured:
            assert look_out(now=world.now) == 2 * len(names)
        return len(captured)

    cost("zoe")
    assert cost("ann", "ben", "cleo") == cost("dora")
