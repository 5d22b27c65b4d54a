"""The demo as it stands: something of everything, and nothing that facts of the ordinary way would not be."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F, Q
from pytest_django.plugin import DjangoDbBlocker

from contacts.ingest.incoming import IncomingEvent
from contacts.models import AttributeChange, Contact, Due, Event, Standing
from contacts.services.record import record_events
from funnel.enums import HandoffState, ReturnReason
from funnel.models import Handoff, HandoffMove
from funnel.services.demo import seed_demo
from funnel.services.expiring import expire_offers, release_unattempted, set_clocks, warn_of_deadlines
from funnel.services.verification import verify_invariants
from scoring.models import Transition
from scoring.services.evaluate import drain_due

NOW = datetime(2026, 6, 17, 14, tzinfo=UTC)


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """One demo for the tests that only look; undone when they have."""
    with django_db_blocker.unblock(), transaction.atomic():
        seed_demo(contacts=400, events=4_000, seed=7, now=NOW, report=lambda line: None)
        yield
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_there_is_something_of_everything_to_look_at(demo: None) -> None:
    stages = Counter(Standing.objects.values_list("stage", flat=True))
    assert set(stages) == {"audience", "lead", "marketing_prospect", "sales_prospect", "customer"}
    assert min(stages.values()) >= 10, stages

    handoffs = Counter(Handoff.objects.values_list("state", flat=True))
    assert {"offered", "claimed", "accepted", "returned", "won"} <= set(handoffs)
    assert Handoff.objects.filter(reason=ReturnReason.NO_AUTHORITY).exists()
    assert Contact.objects.filter(authority="no", handoffs__reason=ReturnReason.NO_AUTHORITY).exists()
    assert Event.objects.exclude(suspect_reason="").exists()

    order = ["audience", "lead", "marketing_prospect", "sales_prospect", "customer"]
    moves = Transition.objects.exclude(from_stage="").values_list("from_stage", "to_stage", "cause")
    falls = Counter(cause for origin, target, cause in moves if order.index(target) < order.index(origin))
    assert falls["time"] >= 10, "interest decays"
    assert Transition.objects.filter(from_stage="customer").exists(), "somebody churned"


@pytest.mark.django_db
def test_all_invariants_hold_and_nothing_waits(demo: None) -> None:
    assert list(verify_invariants(now=NOW)) == []
    assert not Due.objects.exists()
    assert not Transition.objects.filter(consumed_at=None).exists()
    assert drain_due(now=NOW) == 0


@pytest.mark.django_db
def test_every_handoff_has_its_evidence_transition_rep_and_owner(demo: None) -> None:
    assert not Handoff.objects.filter(transition=None).exists()
    for handoff in Handoff.objects.all():
        assert handoff.evidence["sentence"], handoff
        assert handoff.evidence["fit"] >= 20
    held = Handoff.objects.filter(state__in=[HandoffState.CLAIMED, HandoffState.ACCEPTED])
    assert held.count() == held.filter(contact__standing__owner=F("claimed_by")).count() > 0
    returned = Handoff.objects.filter(state=HandoffState.RETURNED)
    reopened = Handoff.objects.exclude(state=HandoffState.RETURNED).values("contact")
    assert not returned.exclude(contact__in=reopened).filter(contact__standing__owner__isnull=False).exists()


@pytest.mark.django_db
def test_clocks_are_believable_and_nothing_is_due_at_the_first_look(demo: None) -> None:
    open_ = Handoff.objects.filter(closed_at=None)
    running = open_.filter(Q(state="offered") | Q(attempted_at=None))
    assert running.filter(state="offered").count() > 0
    assert running.exclude(state="offered").count() > 0
    assert not running.filter(Q(waiting_since=None) | Q(due_at=None) | Q(due_at__lte=NOW)).exists()
    assert not open_.exclude(pk__in=running).exclude(due_at=None).exists(), "whoever was tried is waited for no more"
    warned = running.filter(warned_at__isnull=False).count()
    assert 0 < warned < running.count()
    for sweep in (set_clocks, warn_of_deadlines, release_unattempted, expire_offers):
        assert sweep(now=NOW) == 0, sweep
    # They ring one after the other.
    due = list(running.order_by("due_at").values_list("due_at", flat=True))
    assert len({f"{moment:%d %H}" for moment in due}) > 2


@pytest.mark.django_db
def test_some_waited_in_vain_and_conversations_have_come_somewhere(demo: None) -> None:
    again = Handoff.objects.exclude(previous=None)
    assert again.filter(state="offered", escalation__gte=1).exists()
    assert Handoff.objects.filter(state="expired").count() == again.count()
    assert HandoffMove.objects.filter(name="outcome").exists()
    assert Handoff.objects.filter(state="accepted", next_at__gt=NOW).exclude(outcome="").exists()
    claims = HandoffMove.objects.filter(name="claim")
    in_time = claims.filter(at__lte=F("due_at")).count()
    assert in_time > 0.8 * claims.count(), "most are claimed in time"


@pytest.mark.django_db
def test_columns_are_the_values_in_force_and_origins_those_of_the_first_fact(demo: None) -> None:
    latest: dict[tuple[int, str], Any] = {}
    for change in AttributeChange.objects.order_by("effective_at", "message"):
        latest[change.contact_id, change.name] = change.value
    for contact in Contact.objects.all():
        for name in ("first_name", "last_name", "email", "phone", "job_title", "country"):
            assert latest.pop((contact.pk, name), "") == getattr(contact, name)
        for name in ("means", "authority"):
            assert latest.pop((contact.pk, name), "unknown") == getattr(contact, name)
        assert latest.pop((contact.pk, "company"), None) == contact.company_id
        assert latest.pop((contact.pk, "details_confirmed"), False) == contact.details_confirmed
    assert latest == {}

    firsts = Event.objects.order_by("contact_id", "occurred_at", "dedupe_id").distinct("contact_id")
    for event in firsts.select_related("contact", "source"):
        contact = event.contact
        assert (contact.source_at, contact.source_message) == (event.occurred_at, event.dedupe_id)
        assert contact.source_channel == event.source.channel
        assert contact.source_direction == event.source.direction
        assert contact.source_campaign == event.properties.get("campaign", "")


@pytest.mark.django_db
def test_sending_a_seeded_message_again_changes_nothing(demo: None) -> None:
    """The rows are those that record_events would have written: it knows them again."""
    event = Event.objects.filter(kind__name="asset_downloaded").select_related("contact", "source").first()
    assert event is not None
    before = Contact.objects.filter(pk=event.contact_id).values().get()
    again = IncomingEvent(
        index=0,
        message_id=event.message_id,
        kind="asset_downloaded",
        occurred_at=event.occurred_at,
        email=event.contact.email,
        properties=event.properties,
    )
    receipt = record_events(source=event.source, events=[again], received_at=NOW)
    assert (receipt.accepted, receipt.duplicates, receipt.rejected) == (0, 1, [])
    known = IncomingEvent(
        index=0,
        message_id="fresh",
        kind="page_viewed",
        occurred_at=NOW,
        email=event.contact.email,
        traits={"job_title": event.contact.job_title, "company": {"domain": event.contact.company.domain}}
        if event.contact.company
        else {},
    )
    assert record_events(source=event.source, events=[known], received_at=NOW).created == set()
    after = Contact.objects.filter(pk=event.contact_id).values().get()
    assert {name: value for name, value in after.items() if name != "updated_at"} == {
        name: value for name, value in before.items() if name != "updated_at"
    }
