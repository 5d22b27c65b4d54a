"""Hosts whose clocks differ: a fact that was taken by a host ahead of the worker's is judged, and at once."""

from datetime import UTC, datetime, timedelta

import pytest

from contacts.ingest.incoming import IncomingEvent
from contacts.models import Contact, Due
from contacts.services.record import record_events
from funnel.services.verification import verify_invariants
from scoring.services.evaluate import drain_due
from tests.factories import make_source

pytestmark = pytest.mark.django_db

WORKER = datetime(2026, 11, 22, 9, tzinfo=UTC)


def happens(email: str, *, at: datetime) -> Contact:
    """The host that takes it says that it is ``at`` now."""
    event = IncomingEvent(
        index=0, message_id=email, kind="demo_requested", occurred_at=at, email=email, traits={}, properties={}
    )
    receipt = record_events(source=make_source()[0], events=[event], received_at=at)
    return Contact.objects.get(pk=receipt.contact_ids[0])


@pytest.mark.parametrize("ahead", [timedelta(seconds=30), timedelta(days=400)])
def test_a_fact_of_a_host_that_is_ahead_waits_for_nothing(ahead: timedelta) -> None:
    early, late = happens("early@acme.example", at=WORKER), happens("late@acme.example", at=WORKER + ahead)
    while drain_due(now=WORKER, clock=lambda: WORKER):
        pass
    assert not Due.objects.exists()
    for contact, at in ((early, WORKER), (late, WORKER + ahead)):
        assert contact.standing.stage == "marketing_prospect"
        assert contact.standing.evaluated_at == at
    assert [v for v in verify_invariants(now=WORKER) if v.invariant in {3, 4}] == []
    # Of whoever has nothing to do with it nothing was judged before its time.
    assert early.standing.review_at is not None
    assert early.standing.review_at > WORKER


def test_without_looking_ahead_it_would_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what was done before lost sight of the fact."""
    monkeypatch.setattr("scoring.services.evaluate._AHEAD", "SELECT 1, now() WHERE false")
    late = happens("late@acme.example", at=WORKER + timedelta(seconds=30))
    while drain_due(now=WORKER, clock=lambda: WORKER):
        pass
    assert not Due.objects.exists()
    late.refresh_from_db()
    assert not hasattr(late, "standing")
