"""A small world to hand contacts over in, made through the services that the product uses."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from contacts.enums import Role
from contacts.ingest.incoming import IncomingEvent
from contacts.models import Contact, Source
from contacts.services.record import record_events
from funnel.models import Announcement, Handoff, HandoffMove
from funnel.services.consequences import draw_consequences
from funnel.services.counting import count_due
from funnel.services.handoffs import claim_handoff, return_handoff
from funnel.services.hooks.messages import take_announcements
from funnel.services.notices.telling import tell_announcements
from funnel.services.verification import verify_invariants
from scoring.services.evaluate import drain_due

FITTING = {
    "job_title": "Head of Operations",
    "company": {"name": "Acme", "domain": "acme.example", "industry": "software", "employees": 200},
}


@dataclass
class World:
    """People, contacts and a clock that stands still until a test moves it."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def later(self, **passed: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(**passed)
        return self.now

    def person(self, role: Role = Role.REP, name: str = "Rhea Rep") -> User:
        """Somebody with a role."""
        first, _, last = name.partition(" ")
        address = f"{first}.{last}@ripen.example".lower()
        user = User.objects.create_user(username=address, email=address, first_name=first, last_name=last)
        user.groups.add(Group.objects.get(name=role.value))
        return user

    def happens(
        self,
        email: str,
        kind: str | None,
        *,
        at: datetime | None = None,
        traits: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> Contact:
        """A source reports something about a contact; nothing is judged yet."""
        source, _ = Source.objects.get_or_create(name="crm")
        event = IncomingEvent(
            index=0,
            message_id=str(uuid.uuid4()),
            kind=kind,
            occurred_at=at or self.now,
            email=email,
            traits=dict(traits or {}),
            properties=dict(properties or {}),
        )
        receipt = record_events(source=source, events=[event], received_at=self.now)
        assert receipt.rejected == []
        return Contact.objects.get(pk=receipt.contact_ids[0])

    def settle(self) -> None:
        """Judge, draw consequences and count until nothing is left to do."""
        while drain_due(now=self.now) or draw_consequences(now=self.now) or count_due(now=self.now):
            pass

    def tell(self) -> None:
        """Tell people and machines what was announced."""
        while tell_announcements(now=self.now) or take_announcements(now=self.now):
            pass

    def stage(self, contact: Contact) -> str:
        """Where the contact stands."""
        contact.refresh_from_db()
        return contact.standing.stage

    def prospect(self, email: str = "ann@acme.example") -> Contact:
        """A contact that asked for a demo and fits: a sales prospect, offered to Sales."""
        contact = self.happens(email, "demo_requested", traits=FITTING)
        self.settle()
        assert self.stage(contact) == "sales_prospect"
        return contact

    def offer(self, email: str = "ann@acme.example") -> Handoff:
        """An open offer."""
        return Handoff.objects.get(contact=self.prospect(email))

    def claimed(self, by: User, email: str = "ann@acme.example") -> Handoff:
        """A handoff that ``by`` has claimed, judged."""
        offer = self.offer(email)
        claim_handoff(handoff_id=offer.pk, by=by, now=self.later(minutes=1))
        claimed = Handoff.objects.get(pk=offer.pk)
        self.settle()
        return claimed


@pytest.fixture
def world(db: None) -> World:
    return World()


def moves_of(handoff: Handoff) -> list[tuple[int, str, str, str]]:
    """A handoff's moves in order: number, name, from, to."""
    rows = HandoffMove.objects.filter(handoff=handoff).order_by("number")
    return list(rows.values_list("number", "name", "from_state", "to_state"))


def told(
    type_: str, *, keys: frozenset[str] | set[str] = frozenset({"state", "rep", "escalation"})
) -> list[tuple[int | None, dict[str, Any]]]:
    """What was announced of a type, in order: the handoff, and these keys of what was said."""
    rows = Announcement.objects.filter(type=type_).order_by("id")
    return [(row.handoff_id, {key: row.data[key] for key in keys if key in row.data}) for row in rows]


@pytest.fixture
def sound(world: World) -> World:
    """Contacts of several stages with late, repeated and returned facts, all judged: nothing is wrong here."""
    # The database's own clock stamps what is queued and recorded: live in its present.
    world.now = datetime.now(UTC) - timedelta(minutes=2)
    rep = world.person(Role.REP)
    world.happens("audience@acme.example", "email_sent", traits=FITTING)
    world.happens("lead@acme.example", "newsletter_subscribed", at=world.now - timedelta(days=3))
    world.happens("buyer@acme.example", "demo_requested", at=world.now - timedelta(days=150), traits=FITTING)
    world.happens("buyer@acme.example", "page_viewed", at=world.now - timedelta(days=9))
    world.settle()
    world.happens("buyer@acme.example", "call_connected", at=world.now - timedelta(days=50), properties={"with": "Ann"})
    world.happens("lead@acme.example", "asset_downloaded", at=world.now - timedelta(days=8))
    world.happens("husk@acme.example", None, traits={"first_name": "Only known"})
    world.settle()
    world.claimed(by=rep, email="claimed@acme.example")
    back = world.claimed(by=rep, email="back@acme.example")
    return_handoff(handoff_id=back.pk, by=rep, reason="no_means", now=world.later(seconds=20))
    world.offer("offered@acme.example")
    world.settle()
    world.tell()
    return world


def contact(name: str) -> Contact:
    """One of the sound world's, by the first half of its address."""
    return Contact.objects.get(email=f"{name}@acme.example")


def found(now: datetime | None = None) -> list[tuple[int, int | None, str]]:
    """What breaks which invariant: its number, the contact and the words."""
    violations = verify_invariants(now=now or datetime.now(UTC))
    return [(violation.invariant, violation.contact_id, violation.message) for violation in violations]


def sql(statement: str) -> None:
    """Do something behind everybody's back."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)
