"""History is event time: what is learned late, in any order or taken back ends as if it had always been so."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.ingest.incoming import IncomingEvent
from contacts.models import Event, Standing
from contacts.services.corrections import reclassify_events, restore_events, retract_events
from scoring.models import Definition, Transition
from scoring.services.evaluate import drain_due
from scoring.services.publish import judge_publication, publish_definition
from scoring.services.rebuild import rebuild_contacts
from tests.scoring.facts import incoming, record
from tests.scoring.test_replayable import EMAILS, END, SPECS, START, drain, outcome

pytestmark = pytest.mark.django_db

# Recorded by Ripen alone, and never taken back.
SYSTEM = {"handoff_returned"}

DAYS = 120
BEGIN = datetime(2026, 2, 1, tzinfo=UTC)
PUBLISHED = BEGIN + timedelta(days=70, hours=5)
LIFE = [
    ("page_viewed", 30), ("email_clicked", 12), ("newsletter_subscribed", 10), ("asset_downloaded", 8),
    ("form_submitted", 8), ("event_registered", 6), ("social_question", 5), ("social_liked", 5), ("email_sent", 8),
    ("list_imported", 4), ("demo_requested", 5), ("pricing_requested", 3), ("call_connected", 5), ("purchased", 2),
    ("refunded", 1), ("churned", 1), ("handoff_returned", 2), ("details_confirmed", 3),
]  # fmt: skip
TRAITS: list[dict[str, Any]] = [
    {"job_title": "Head of Operations"}, {"job_title": "Student"}, {"means": "no"}, {"means": "yes"},
    {"authority": "no"}, {"authority": "yes"}, {"details_confirmed": True},
    {"company": {"domain": "acme.example", "employees": 200, "industry": "software"}},
    {"company": {"domain": "tiny.example", "employees": 3}},
]  # fmt: skip


def lives(people: int, *, seed: int) -> list[tuple[datetime, IncomingEvent]]:
    """The messages of so many contacts over DAYS days, each with the moment it arrives, in order of arrival.

    Most arrive at once; some late, some much later; now and then several carry one instant.
    """
    chance = random.Random(seed)
    kinds, weights = zip(*LIFE, strict=True)
    found = []
    for person in range(people):
        begin = chance.uniform(0, DAYS * 0.7)
        instant = BEGIN + timedelta(days=begin)
        for number in range(chance.randint(1, 9)):
            if chance.random() < 0.85:
                instant = BEGIN + timedelta(seconds=int(86_400 * chance.uniform(begin, DAYS)))
            kind = None if chance.random() < 0.1 else chance.choices(kinds, weights)[0]
            message = incoming(
                kind,
                instant,
                email=f"p{person}@acme.example",
                traits=chance.choice(TRAITS) if kind is None or chance.random() < 0.25 else {},
                message_id=f"{person} {number}",
                **({"with": "Sam"} if kind == "call_connected" else {}),
            )
            late = chance.choices([0.0, chance.uniform(0, 1), chance.uniform(1, 20)], [80, 12, 8])[0]
            found.append((min(instant + timedelta(days=late), BEGIN + timedelta(days=DAYS)), message))
    return sorted(found, key=lambda item: item[0])


def chains() -> list[tuple[Any, ...]]:
    """Every transition in force by contact, in order, with its cause."""
    rows = Transition.objects.filter(superseded_at=None).order_by("contact__email", "effective_at")
    return list(
        rows.values_list(
            "contact__email", "effective_at", "from_stage", "to_stage", "cause", "cause_event__message_id",
            "definition__version", "engagement_mp", "fit_mp",
        )
    )  # fmt: skip


def standings() -> list[tuple[Any, ...]]:
    """Where every contact stands."""
    rows = Standing.objects.order_by("contact__email")
    return list(
        rows.values_list(
            "contact__email", "stage", "stage_since", "furthest_stage", "engagement_mp", "fit_mp", "last_activity_at",
            "evaluated_at", "review_at",
        )
    )  # fmt: skip


def work_off() -> None:
    while drain_due(now=timezone.now()):
        pass


def publish() -> None:
    """Put a second version in force, under which a newsletter is worth a marketing prospect."""
    document = Definition.objects.get(key="default", version=1).document
    signals = [{**s, "points": 40} if s["key"] == "newsletter" else s for s in document["signals"]]
    draft = Definition.objects.create(key="default", version=2, name="x", document={**document, "signals": signals})
    judge_publication(publish_definition(definition_id=draft.pk, by=None, now=PUBLISHED))


def live_through(messages: Sequence[tuple[datetime, IncomingEvent]], *, steps: int) -> None:
    """Receive the messages as they arrive, with the clock moved along and the drain at work after each stretch."""
    ends = [BEGIN + timedelta(days=DAYS) * (step + 1) / steps for step in range(steps)]
    waiting = list(messages)
    for end in sorted({*ends, PUBLISHED}):
        arrived = [message for at, message in waiting if at <= end]
        waiting = waiting[len(arrived) :]
        with time_machine.travel(end, tick=False):
            # One by one in the order of arrival would take the same way in; the batch keeps the test short.
            record_all(arrived, at=end)
            work_off()
            if end == PUBLISHED:
                publish()
                work_off()
    assert not waiting


def record_all(messages: Iterable[IncomingEvent], *, at: datetime) -> None:
    chosen = list(messages)
    for start in range(0, len(chosen), 1_000):
        record(*chosen[start : start + 1_000], at=at)


def test_a_backfill_of_a_thousand_contacts_equals_having_lived_through_it() -> None:
    messages = lives(1_000, seed=3)
    end = BEGIN + timedelta(days=DAYS)
    with transaction.atomic():
        live_through(messages, steps=48)
        lived, stood = chains(), standings()
        assert Transition.objects.filter(superseded_at__isnull=False).count() > 50, "late events corrected nothing"
        transaction.set_rollback(True)
    with transaction.atomic(), time_machine.travel(end, tick=False):
        publish()
        shuffled = [message for _, message in messages]
        random.Random(5).shuffle(shuffled)
        record_all(shuffled, at=end)
        work_off()
        learned, stands = chains(), standings()
        transaction.set_rollback(True)
    assert len(stood) == 1_000
    assert {row[4] for row in lived} == {"event", "attribute", "time", "publication"}
    assert lived == learned
    assert stood == stands


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(specs=SPECS, data=st.data())
def test_what_was_taken_back_never_happened(specs: list[Any], data: st.DataObject) -> None:
    """Judged, then partly retracted or found to be a machine's: as if only the rest had ever been sent."""
    places = st.sets(st.integers(0, len(specs) - 1))
    void, doubted = data.draw(places, label="retracted"), data.draw(places, label="suspect")
    back = data.draw(st.sets(st.sampled_from(sorted(void))) if void else st.just(set()), label="restored")
    gone = (void - back) | doubted

    def say(number: int, *, without_event: bool) -> None:
        kind, at, email, traits = specs[number]
        named: dict[str, Any] = {"with": "Sam"} if kind == "call_connected" else {}
        # What a message says about its contact is a fact of its own, and stays.
        kept = None if without_event else kind
        record(
            incoming(kept, at, email=email, traits=traits, message_id=f"message {number}", **(named if kept else {})),
            at=END,
        )

    def meet() -> None:
        # Both are known in any case: a retraction takes back what they did, not that they exist.
        for email in EMAILS:
            record(incoming(None, START, email=email, traits={"country": "DE"}, message_id=f"meet {email}"), at=START)

    with transaction.atomic():
        meet()
        for number in range(len(specs)):
            say(number, without_event=number in gone and specs[number][0] not in SYSTEM)
        drain()
        expected = comparable(outcome())
        transaction.set_rollback(True)
    with transaction.atomic():
        meet()
        for number in range(len(specs)):
            say(number, without_event=False)
        drain()
        ids = {f"message {number}": number for number in range(len(specs))}
        events = {ids[name]: pk for name, pk in Event.objects.values_list("message_id", "pk") if name in ids}

        def chosen(numbers: set[int]) -> list[int]:
            return [events[number] for number in numbers if number in events]

        retract_events(event_ids=chosen(void), reason="a mistake", by=None, now=END)
        if data.draw(st.booleans(), label="judged between"):
            drain()
        reclassify_events(event_ids=chosen(doubted), suspect_reason="bot", by=None, now=END)
        restore_events(event_ids=chosen(back), reason="", by=None, now=END)
        drain()
        found = comparable(outcome())
        assert found == expected
        rebuild_contacts(now=END)
        assert comparable(outcome()) == expected
        transaction.set_rollback(True)


def comparable(found: dict[str, Any]) -> dict[str, Any]:
    """What judgement says; the log itself keeps what was taken back."""
    return {name: value for name, value in found.items() if name != "events"}


def test_deleting_everything_derived_and_rebuilding_gives_the_same_rows() -> None:
    messages = lives(120, seed=8)
    with transaction.atomic():
        live_through(messages, steps=24)
        now = BEGIN + timedelta(days=DAYS)
        before, stood = chains(), standings()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE scoring_transition SET superseded_by_id = NULL")
            cursor.execute("DELETE FROM scoring_transition")
            cursor.execute("DELETE FROM contacts_standing")
        with time_machine.travel(now, tick=False):
            call_command("rebuild", stdout=StringIO())
        assert chains() == before
        assert standings() == stood
        transaction.set_rollback(True)
