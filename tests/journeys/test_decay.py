"""Time is an event: a score that decays below `keep` moves the contact at its review time, all by itself."""

from datetime import UTC, datetime, timedelta
from math import log2

import pytest
import time_machine

from contacts.models import Contact, Due
from funnel.services.verification import verify_invariants
from scoring.models import Transition
from scoring.services.explain import explain_contact
from scoring.tasks import drain
from tests.factories import make_event, record

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 3, 1, 9, 30, 17, tzinfo=UTC)
# Two forms make 30 points with a half-life of 30 days; a marketing prospect is kept from 20 points up.
CROSSING = BEGIN + timedelta(days=30) * log2(30 / 20)


def engaged_contact() -> Contact:
    with time_machine.travel(BEGIN, tick=False):
        event = make_event(contact={"email": "fading@decay.test"}, occurred_at=BEGIN.isoformat())
        record(event, {**event, "message_id": "second form"}, received_at=BEGIN)
        drain()
    contact = Contact.objects.get()
    assert contact.standing.stage == "marketing_prospect"
    return contact


def demotion(contact: Contact) -> Transition:
    return Transition.objects.get(contact=contact, superseded_at=None, from_stage="marketing_prospect")


def engagement(contact: Contact, at: datetime) -> float:
    points: float = explain_contact(contact_id=contact.pk, at=at)["scores"]["engagement"]
    return points


def test_the_sweep_moves_a_fading_contact_back_in_its_minute() -> None:
    contact = engaged_contact()
    sweeps = 0
    moment = BEGIN
    while contact.standing.stage == "marketing_prospect":
        assert contact.standing.review_at is not None
        # Nothing is due before the review: a sweep a second earlier changes nothing.
        with time_machine.travel(contact.standing.review_at - timedelta(seconds=1), tick=False):
            before = contact.standing.evaluated_at
            drain()
            contact.standing.refresh_from_db()
            assert contact.standing.evaluated_at == before
        moment = contact.standing.review_at
        with time_machine.travel(moment, tick=False):
            drain()
        contact.standing.refresh_from_db()
        sweeps += 1
        assert sweeps < 20
    assert contact.standing.stage == "lead"
    assert contact.standing.furthest_stage == "marketing_prospect"
    fell = demotion(contact)
    assert (fell.to_stage, fell.cause, fell.effective_at) == ("lead", "time", moment)
    # Exact to the minute in which the rounded score is less than 20 for the first time.
    assert CROSSING <= fell.effective_at <= CROSSING + timedelta(minutes=5)
    assert engagement(contact, fell.effective_at) < 20 <= engagement(contact, fell.effective_at - timedelta(minutes=1))
    assert not Due.objects.exists()
    assert list(verify_invariants(now=moment)) == []


def test_a_sweep_that_comes_months_late_finds_the_same_moment() -> None:
    contact = engaged_contact()
    with time_machine.travel(BEGIN + timedelta(days=200), tick=False):
        drain()
    fell = demotion(contact)
    assert CROSSING <= fell.effective_at <= CROSSING + timedelta(minutes=5)
    assert engagement(contact, fell.effective_at) < 20 <= engagement(contact, fell.effective_at - timedelta(minutes=1))


def test_the_why_foretells_the_fall() -> None:
    contact = engaged_contact()
    foretold = explain_contact(contact_id=contact.pk, at=BEGIN)["next_change"]
    with time_machine.travel(BEGIN + timedelta(days=200), tick=False):
        drain()
    fell = demotion(contact)
    assert foretold == {"at": fell.effective_at.isoformat(), "stage": "lead", "label": "Lead"}
