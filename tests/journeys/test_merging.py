"""A merge that can be undone: two worlds, one with merges that were all taken back, one in which nobody ever merged."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.enums import SourceKind
from contacts.ingest.native import read_events
from contacts.models import AttributeChange, Company, ConsentEntry, Contact, Event, Identity, Source, Standing
from contacts.selectors.merges import roots_of
from contacts.services.corrections import restore_events, retract_events
from contacts.services.merge_verification import verify_merges
from contacts.services.merging import merge_contacts
from contacts.services.parting import undo_merge
from contacts.services.record import record_events
from funnel.services.verification import verify_invariants
from scoring.models import Transition
from scoring.services.evaluate import drain_due
from tests.factories import SourceFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PEOPLE = 4
Op = tuple[Any, ...]

traits = st.fixed_dictionaries(
    {},
    optional={
        "first_name": st.sampled_from(["Ann", "Bob", "", None]),
        "job_title": st.sampled_from(["CTO", "Intern", None]),
        "means": st.sampled_from(["yes", "no", None]),
        "details_confirmed": st.booleans(),
        "plan": st.sampled_from(["gold", {"a": [1]}, None]),
        "company": st.sampled_from([None, "Globex", {"name": "Acme", "employees": 200, "industry": "software"}]),
    },
)
public_traits = st.fixed_dictionaries(
    {},
    optional={
        "first_name": st.sampled_from(["Pam", "Pat", None]),
        "plan": st.sampled_from(["free", None]),
        "company": st.sampled_from(["Globex", "Acme"]),
    },
)
KINDS = [
    "page_viewed",
    "demo_requested",
    "details_confirmed",
    "email_sent",
    "purchased",
    "unsubscribed",
    None,
    "custom",
]


@st.composite
def says(draw: st.DrawFn) -> Op:
    """A message of one of the people, by the names that they have."""
    person, public = draw(st.integers(0, PEOPLE - 1)), draw(st.booleans())
    return (
        "say",
        person,
        {
            "public": public,
            "kind": "page_viewed" if public else draw(st.sampled_from(KINDS)),
            "days": draw(st.integers(0, 40)),
            "traits": draw(public_traits if public else traits),
            "channel": draw(st.sampled_from(["", "ads", "web"])),
            # Whose address it shows: mostly one's own, sometimes that of another.
            "email": None if public else draw(st.sampled_from([None, person, person, (person + 1) % PEOPLE])),
            "anonymous": draw(st.booleans()),
            "by_id": False if public else draw(st.booleans()),
        },
    )


pairs = st.tuples(st.just("merge"), st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1))
histories = st.lists(
    st.one_of(
        says(),
        says(),
        says(),
        pairs,
        pairs,
        st.tuples(st.just("undo"), st.integers(0, 5)),
        st.tuples(st.just("retract"), st.integers(0, 9)),
        st.tuples(st.just("restore"), st.integers(0, 9)),
        st.tuples(st.just("judge")),
    ),
    min_size=4,
    max_size=14,
)


def message_id(number: int) -> str:
    """The id of the nth message, the same in every world whatever number its source has."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"message {number}"))


@dataclass
class World:
    """What happens, with or without merges. Everything gets the same ids and times in each."""

    merging: bool
    checked: bool = True
    now: datetime = NOW
    numbers: int = 0
    merges: list[int] = field(default_factory=list)
    sources: dict[bool, Source] = field(default_factory=dict)

    def live(self, ops: Sequence[Op]) -> None:
        self.sources = {
            False: SourceFactory.create(name="server", channel="crm"),
            True: SourceFactory.create(name="browser", kind=SourceKind.PUBLIC),
        }
        for op in ops:
            self.now += timedelta(minutes=1)
            getattr(self, op[0])(*op[1:])
            if self.merging and self.checked:
                assert list(verify_merges(others=["funnel_handoff"])) == []
        self.now += timedelta(minutes=1)

    def say(self, person: int, said: dict[str, Any]) -> None:
        self.numbers += 1
        contact: dict[str, Any] = {"external_id": f"u{person}"}
        if said["email"] is not None:
            contact["email"] = f"p{said['email']}@company{said['email']}.test"
        if said["anonymous"]:
            contact["anonymous_id"] = f"browser {person}"
        known = self.contact_of(person)
        if said["by_id"] and known is not None:
            contact["id"] = str(known)
        payload = {
            "message_id": message_id(self.numbers),
            "kind": said["kind"] or "page_viewed",
            "occurred_at": (NOW - timedelta(days=said["days"], hours=person)).isoformat(),
            "contact": contact,
            "traits": said["traits"],
            "properties": {"channel": said["channel"]} if said["channel"] else {},
        }
        batch = read_events(payload, received_at=self.now)
        if said["kind"] is None:
            batch.events[0].kind = None
        before = Event.objects.count()
        receipt = record_events(source=self.sources[said["public"]], events=batch.events, received_at=self.now)
        assert not receipt.rejected, receipt.rejected
        assert Event.objects.count() == before + (said["kind"] is not None)

    def contact_of(self, person: int) -> int | None:
        """The contact that was made for a person, whoever it is part of now."""
        name = Identity.objects.filter(kind="external_id", value=f"u{person}").first()
        return None if name is None else name.origin_contact_id or name.contact_id

    def merge(self, one: int, other: int) -> None:
        ids = [self.contact_of(one), self.contact_of(other)]
        if not self.merging or None in ids:
            return
        roots = roots_of(contact_id for contact_id in ids if contact_id is not None)
        winner_id, loser_id = (roots[contact_id] for contact_id in ids if contact_id is not None)
        if winner_id == loser_id:
            return
        events, due_before = Event.objects.count(), set(Event.objects.values_list("id", "origin_contact_id"))
        made = merge_contacts(winner_id=winner_id, loser_id=loser_id, by=None, source=None, reason="", now=self.now)
        assert (Event.objects.count(), set(Event.objects.values_list("id", "origin_contact_id"))) == (
            events,
            due_before,
        )
        self.merges.append(made.pk)

    def undo(self, number: int) -> None:
        if self.merges:
            events = Event.objects.count()
            undo_merge(merge_id=self.merges.pop(number % len(self.merges)), by=None, now=self.now)
            assert Event.objects.count() == events

    def retract(self, number: int) -> None:
        retract_events(event_ids=self.event(number), reason="", by=None, now=self.now)

    def restore(self, number: int) -> None:
        restore_events(event_ids=self.event(number), reason="", by=None, now=self.now)

    def event(self, number: int) -> list[int]:
        return list(Event.objects.filter(message_id=message_id(number + 1)).values_list("id", flat=True))

    def judge(self) -> None:
        while drain_due(now=self.now):
            pass


def known(world: World) -> dict[str, Any]:
    """All that is known of each person, told by the names that they go by, without any row's number."""
    companies = {row.pk: row.normalised_name or row.domain for row in Company.objects.all()}
    found: dict[str, Any] = {}
    for contact in Contact.objects.filter(present=True):
        names = sorted(
            Identity.objects.filter(contact=contact).values_list("kind", "value", "origin_contact_id", "seen_at")
        )
        columns = {
            name: getattr(contact, name)
            for name in (
                *("email", "phone", "first_name", "last_name", "job_title", "role", "country", "means", "authority"),
                *("details_confirmed", "attributes", "search_text", "source_channel", "source_direction"),
                *("source_motion", "source_campaign", "source_at", "source_message", "created_at"),
            )
        }
        columns["company"] = companies.get(contact.company_id or 0)
        rows = AttributeChange.objects.filter(contact=contact)
        changes = [
            (row.name, companies[row.value] if row.name == "company" and row.value else row.value, row.effective_at,
             row.received_at, row.message, row.weak, row.source_id is None, row.origin_contact_id)
            for row in rows
        ]  # fmt: skip
        events = Event.objects.filter(contact=contact, origin_contact_id=contact.pk)
        assert events.count() == Event.objects.filter(contact=contact).count()
        consent = ConsentEntry.objects.filter(contact=contact)
        standing = Standing.objects.filter(contact=contact).values(
            *("stage", "stage_since", "furthest_stage", "engagement_mp", "fit_mp", "last_activity_at", "owner"),
        )
        transitions = Transition.objects.filter(contact=contact, superseded_at=None).order_by("effective_at")
        found[str(names[:1])] = {
            "names": names,
            "columns": columns,
            "changes": sorted(changes, key=repr),
            "events": sorted(events.values_list("message_id", "kind__name", "occurred_at", "retracted_at", "channel")),
            "consent": sorted(consent.values_list("purpose__key", "action", "at", "origin_contact_id")),
            "standing": list(standing),
            "transitions": list(
                transitions.values_list("from_stage", "to_stage", "effective_at", "cause", "engagement_mp", "fit_mp")
            ),
        }
    return found


def outcome(ops: Sequence[Op], *, merging: bool, order: Sequence[int] = ()) -> dict[str, Any]:
    """What is known at the end of a world in which all of it happened, every merge undone; the world is forgotten."""
    with transaction.atomic():
        world = World(merging=merging)
        world.live(ops)
        for number in order:
            world.undo(number)
        while world.merges:
            world.undo(0)
        world.judge()
        if merging:
            # Nobody draws consequences here, nor tells of what was done.
            assert [fault for fault in verify_invariants(now=world.now) if fault.invariant not in {5, 8}] == []
        found = known(world)
        transaction.set_rollback(True)
        return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(ops=histories, order=st.lists(st.integers(0, 5), max_size=4))
def test_undoing_every_merge_gives_the_world_without_any(ops: list[Op], order: list[int]) -> None:
    assert outcome(ops, merging=True, order=order) == outcome(ops, merging=False)
