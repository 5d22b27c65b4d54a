"""Retracting, restoring and reclassifying events: what the mark does to facts, sources and the queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Direction, Role
from contacts.ingest.incoming import IncomingEvent
from contacts.models import AttributeChange, Contact, Due, Event, EventCorrection, Source
from contacts.services.corrections import BadReason, Corrected, reclassify_events, restore_events, retract_events
from contacts.services.record import internal_source, record_events, record_fact
from tests.factories import SourceFactory, make_event, make_user, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ANN = {"email": "ann@acme.test"}


def happened(kind: str, at: datetime, source: Source | None = None, **fields: Any) -> Event:
    """Record something about Ann and return its row."""
    payload = make_event(kind, contact=ANN, occurred_at=at.isoformat(), **fields)
    receipt = record(payload, source=source, received_at=NOW)
    assert not receipt.rejected, receipt.rejected
    return Event.objects.get(message_id=payload["message_id"])


def retract(*events: Event, reason: str = "sent by a test form", at: datetime = NOW) -> Corrected:
    return retract_events(event_ids=[event.pk for event in events], reason=reason, by=None, now=at)


def restore(*events: Event) -> Corrected:
    return restore_events(event_ids=[event.pk for event in events], reason="it was real", by=None, now=NOW)


def suspect(*events: Event, reason: str = "bot: scanner") -> Corrected:
    return reclassify_events(event_ids=[event.pk for event in events], suspect_reason=reason, by=None, now=NOW)


def origin() -> tuple[str, str, str, datetime | None]:
    """Ann's original source."""
    ann = Contact.objects.get(email=ANN["email"])
    return ann.source_channel, ann.source_direction, ann.source_campaign, ann.source_at


def due() -> list[tuple[int, datetime]]:
    return list(Due.objects.order_by("id").values_list("contact_id", "occurred_at"))


def test_a_retraction_marks_the_event_keeps_the_reason_and_queues_the_contact() -> None:
    event = happened("demo_requested", NOW - 2 * DAY)
    later = happened("page_viewed", NOW - DAY)
    Due.objects.all().delete()
    mara = make_user(Role.MARKETER)
    outcome = retract_events(event_ids=[event.pk], reason="sent by a test form", by=mara, now=NOW)
    assert outcome == Corrected(accepted={event.pk})
    event.refresh_from_db()
    later.refresh_from_db()
    assert (event.retracted_at, later.retracted_at) == (NOW, None)
    kept = EventCorrection.objects.get()
    assert (kept.event, kept.action, kept.reason, kept.corrected_by, kept.corrected_at) == (
        event, "retracted", "sent by a test form", mara, NOW,
    )  # fmt: skip
    assert due() == [(event.contact_id, NOW - 2 * DAY)]


def test_doing_it_again_changes_nothing_and_keeps_the_first_reason() -> None:
    event = happened("demo_requested", NOW - DAY)
    retract(event)
    Due.objects.all().delete()
    assert retract(event, reason="another reason", at=NOW + DAY) == Corrected(unchanged={event.pk})
    event.refresh_from_db()
    assert event.retracted_at == NOW
    assert [row.reason for row in EventCorrection.objects.all()] == ["sent by a test form"]
    assert due() == []
    restore(event)
    assert restore(event) == Corrected(unchanged={event.pk})
    assert suspect(event).accepted == {event.pk}
    assert suspect(event) == Corrected(unchanged={event.pk})
    assert [row.action for row in EventCorrection.objects.order_by("id")] == ["retracted", "restored", "reclassified"]


def test_a_mark_that_changes_no_judgement_queues_nobody() -> None:
    event = happened("email_clicked", NOW - DAY)
    suspect(event)
    Due.objects.all().delete()
    assert suspect(event, reason="bot: another scanner").accepted == {event.pk}
    assert retract(event).accepted == {event.pk}
    assert restore(event).accepted == {event.pk}
    assert due() == []
    event.refresh_from_db()
    assert (event.suspect_reason, event.retracted_at) == ("bot: another scanner", None)
    suspect(event, reason="")
    event.refresh_from_db()
    assert event.suspect_reason == ""
    assert due() == [(event.contact_id, NOW - DAY)]


def test_what_only_ripen_records_nobody_takes_back() -> None:
    bought = happened("purchased", NOW - DAY)
    record_fact(contact_id=bought.contact_id, kind="handoff_returned", by=None, occurred_at=NOW, system=True)
    fact = Event.objects.get(source=internal_source())
    outcome = retract_events(event_ids=[fact.pk, bought.pk, 10**15], reason="", by=None, now=NOW)
    assert outcome == Corrected(accepted={bought.pk}, reserved={fact.pk}, unknown={10**15})
    fact.refresh_from_db()
    assert fact.retracted_at is None
    assert suspect(fact).reserved == {fact.pk}


def test_who_may_and_what_a_reason_may_be() -> None:
    event = happened("demo_requested", NOW - DAY)
    with pytest.raises(PermissionDenied):
        retract_events(event_ids=[event.pk], reason="", by=make_user(Role.REP), now=NOW)
    for reason in ("x" * 301, "nul \0"):
        with pytest.raises(BadReason):
            retract(event, reason=reason)
    with pytest.raises(BadReason):
        suspect(event, reason="x" * 101)
    assert not EventCorrection.objects.exists()


def test_the_original_source_goes_with_the_fact_that_gave_it_and_comes_back() -> None:
    fair = SourceFactory.create(name="fair", channel="trade fair", motion="lead_generation")
    site = SourceFactory.create(name="site", channel="website")
    bought = happened("list_imported", NOW - 9 * DAY, fair, properties={"campaign": "Spring list"})
    signed_up = happened("newsletter_subscribed", NOW - 5 * DAY, site, properties={"campaign": "Spring mail"})
    # What a message says beside its row (here: a file's own columns) comes back as it was, too.
    Contact.objects.update(source_channel="stand 7")
    before = origin()
    assert before == ("stand 7", Direction.OUTBOUND, "Spring list", NOW - 9 * DAY)
    retract(bought)
    assert origin() == ("website", Direction.INBOUND, "Spring mail", NOW - 5 * DAY)
    suspect(signed_up)
    assert origin() == ("", "", "", None)
    suspect(signed_up, reason="")
    assert origin() == ("website", Direction.INBOUND, "Spring mail", NOW - 5 * DAY)
    restore(bought)
    assert origin() == before


def test_the_original_source_of_another_fact_stays() -> None:
    happened("list_imported", NOW - 9 * DAY)
    second = happened("newsletter_subscribed", NOW - 5 * DAY)
    before = origin()
    retract(second)
    assert origin() == before
    restore(second)
    assert origin() == before


def test_a_message_that_is_no_event_can_be_the_beginning() -> None:
    first = happened("form_submitted", NOW - 9 * DAY, traits={"job_title": "Head"})
    identify = IncomingEvent(
        index=0, message_id="m", kind=None, occurred_at=NOW - 7 * DAY, email=ANN["email"], traits={"country": "NO"}
    )
    record_events(source=SourceFactory.create(name="crm"), events=[identify], received_at=NOW)
    happened("page_viewed", NOW - 5 * DAY)
    retract(first)
    assert origin() == ("crm", "", "", NOW - 7 * DAY)
    ann = Contact.objects.get(email=ANN["email"])
    assert (ann.job_title, ann.country) == ("Head", "NO"), "what a message said stays"


def test_a_confirmation_goes_with_its_event_and_comes_back() -> None:
    def confirmed() -> bool:
        return Contact.objects.get(email=ANN["email"]).details_confirmed

    first, second = happened("details_confirmed", NOW - 9 * DAY), happened("details_confirmed", NOW - 5 * DAY)
    assert confirmed()
    retract(second)
    assert confirmed(), "the other one still says so"
    suspect(first)
    assert not confirmed()
    restore(second)
    assert confirmed()
    rows = AttributeChange.objects.filter(name="details_confirmed")
    assert list(rows.values_list("value", "effective_at")) == [(True, NOW - 5 * DAY)]
    suspect(first, reason="")
    assert rows.count() == 2
    told = happened("page_viewed", NOW - 3 * DAY, traits={"details_confirmed": False})
    assert not confirmed()
    retract(told)
    assert not confirmed(), "what a message told beside stays"


def test_after_everything_was_retracted_the_next_fact_is_the_beginning() -> None:
    retract(happened("form_submitted", NOW - 9 * DAY))
    assert origin() == ("", "", "", None)
    happened("demo_requested", NOW - DAY, SourceFactory.create(name="phone"))
    assert origin() == ("phone", Direction.INBOUND, "", NOW - DAY)


def test_the_number_of_statements_does_not_depend_on_the_number_of_events() -> None:
    def statements(count: int) -> list[int]:
        payloads = [make_event("details_confirmed") for _ in range(count)]
        record(*payloads, received_at=NOW)
        events = list(Event.objects.filter(message_id__in=[payload["message_id"] for payload in payloads]))
        counts = []
        for correct in (retract, restore, suspect):
            with CaptureQueriesContext(connection) as queries:
                assert len(correct(*events).accepted) == count
            counts.append(len(queries))
        return counts

    assert statements(1) == statements(3) == statements(200)
    with pytest.raises(ValueError, match="1,000"):
        retract_events(event_ids=range(1_001), reason="", by=None, now=NOW)
