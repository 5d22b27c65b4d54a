"""Concurrent writers: one contact a person, one row a message, no deadlock; and what it costs."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from contacts.ingest.bursts import MANY_LINKS
from contacts.ingest.incoming import IncomingEvent
from contacts.ingest.native import read_events
from contacts.models import Company, Contact, Due, Event, Identity, Message, Source
from contacts.services import machines
from contacts.services import record as recording
from contacts.services.record import Receipt, record_events
from tests.factories import SourceFactory, make_contact, make_event, record

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WRITERS = 8


@pytest.mark.django_db
@pytest.mark.parametrize("shape", ["known", "new", "identify", "company"])
def test_the_number_of_statements_does_not_depend_on_the_number_of_events(shape: str) -> None:
    source = SourceFactory.create()

    def events(count: int, name: str) -> list[dict[str, Any]]:
        made = []
        for number in range(count):
            event = make_event(contact={"external_id": f"{name} {number}", "email": f"{name}{number}@x{number}.com"})
            if shape in {"identify", "company"}:
                event["traits"] = {"first_name": "Ann", "plan": number}
            if shape == "company":
                event["traits"]["company"] = {"name": f"Company {name} {number}", "employees": number}
            made.append(event)
        return made

    def statements(count: int, name: str) -> int:
        if shape == "known":
            record(*events(count, name), source=source)
        with CaptureQueriesContext(connection) as queries:
            assert not record(*events(count, name), source=source).rejected
        return len(queries)

    assert statements(1, "a") == statements(3, "b") == statements(60, "c")
    if shape == "known":
        assert statements(3, "d") <= 5  # savepoint, who, events, due, release


def at_once(call: Callable[[int], Any], writers: int = WRITERS) -> list[Any]:
    """What ``call`` returned or raised in each of several threads that begin together."""
    start = threading.Barrier(writers)

    def run(number: int) -> Any:
        try:
            start.wait()
            return call(number)
        except Exception as error:  # noqa: BLE001  the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(writers) as pool:
        return list(pool.map(run, range(writers)))


def people(count: int, writer: int, *, backwards: bool) -> list[dict[str, Any]]:
    """Messages about the same people from every writer, in different orders."""
    events = [
        make_event(
            message_id=f"{writer} {number}",
            contact={"external_id": f"u{number}", "email": f"p{number}@company{number % 3}.com"},
            traits={"first_name": f"by {writer}", "company": {"name": f"Company {number % 3}", "employees": writer}},
        )
        for number in range(count)
    ]
    return events[::-1] if backwards else events


def write(source: Source, attempt: int, count: int, writer: int) -> Receipt:
    return record(*people(count, writer + 100 * attempt, backwards=writer % 2 == 0), source=source)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_concurrent_writers_of_the_same_people_make_each_once() -> None:
    source = SourceFactory.create()
    for attempt in range(3):
        outcomes = at_once(partial(write, source, attempt, 20))
        assert [getattr(outcome, "accepted", outcome) for outcome in outcomes] == [20] * WRITERS
        assert Contact.objects.count() == 20
        assert Identity.objects.count() == 40
        assert Company.objects.count() == 3
        assert Event.objects.count() == 20 * WRITERS * (attempt + 1)
        assert not Contact.objects.filter(events=None).exists()
    assert set(Due.objects.values_list("contact", flat=True)) == set(Contact.objects.values_list("pk", flat=True))


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_same_messages_from_everybody_are_stored_once() -> None:
    source = SourceFactory.create()
    events = [make_event(contact={"external_id": f"u{number}"}) for number in range(50)]
    outcomes = at_once(lambda n: record(*(events if n % 2 else events[::-1]), source=source))
    assert sum(outcome.accepted for outcome in outcomes) == 50
    assert sum(outcome.duplicates for outcome in outcomes) == 50 * (WRITERS - 1)
    assert Event.objects.count() == 50


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_ten_senders_of_the_same_batches_store_each_message_once() -> None:
    """Events, traits, companies and identifies, new people and known ones, each sender in an order of its own."""
    source = SourceFactory.create()
    batches = []
    for number in range(4):
        made = people(15, number, backwards=False)
        identify = IncomingEvent(
            index=len(made), message_id=f"identify {number}", kind=None, occurred_at=NOW, external_id="u3",
            traits={"job_title": f"Title {number}"}, body_digest=number,
        )  # fmt: skip
        batches.append([*read_events({"events": made}, received_at=NOW).events, identify])

    def send(sender: int) -> list[Receipt]:
        order = random.Random(sender).sample(batches, len(batches))
        return [record_events(source=source, events=batch, received_at=NOW) for batch in order]

    outcomes = at_once(send, 10)
    receipts = [receipt for outcome in outcomes for receipt in outcome]
    assert sum(receipt.accepted for receipt in receipts) == 4 * 16
    assert sum(receipt.duplicates for receipt in receipts) == 9 * 4 * 16
    assert not any(receipt.rejected for receipt in receipts)
    assert (Event.objects.count(), Message.objects.count()) == (4 * 15, 4)
    assert (Contact.objects.count(), Identity.objects.count(), Company.objects.count()) == (15, 30, 3)
    assert Contact.objects.get(identities__value="u3").attribute_changes.filter(name="job_title").count() == 4
    assert set(Due.objects.values_list("contact", flat=True)) == set(Contact.objects.values_list("pk", flat=True))


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_message_is_one_thing_only_an_event_or_none() -> None:
    source = SourceFactory.create()
    event = make_event(message_id="m", contact={"external_id": "u"})
    identify = IncomingEvent(index=0, message_id="m", kind=None, occurred_at=NOW, external_id="u", body_digest=1)
    record(event, source=source)
    receipt = record_events(source=source, events=[identify], received_at=NOW)
    assert [refused.code for refused in receipt.rejected] == ["conflict"]
    identify.message_id = event["message_id"] = "n"
    assert record_events(source=source, events=[identify], received_at=NOW).accepted == 1
    assert [refused.code for refused in record(event, source=source).rejected] == ["conflict"]


def scan_at_once(attempt: int) -> set[str]:
    """Let eight senders each report one click of a scanner; the reasons that the clicks then have."""
    source = SourceFactory.create()
    make_contact(email=f"anna{attempt}@acme.test")

    def click(sender: int) -> Receipt:
        return record(
            make_event(
                "email_clicked", contact={"email": f"anna{attempt}@acme.test"}, occurred_at=NOW.isoformat(),
                properties={"message_id": "mail", "url": f"https://acme.test/{sender}"},
            ),
            source=source,
        )  # fmt: skip

    assert [getattr(outcome, "accepted", outcome) for outcome in at_once(click)] == [1] * WRITERS
    return set(Event.objects.filter(source=source).values_list("suspect_reason", flat=True))


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_burst_of_which_each_sender_has_one_click_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(scan_at_once(attempt) == {MANY_LINKS} for attempt in range(5))
    # Control: without the second look some clicks stay a person's.
    monkeypatch.setattr(machines, "look_again", lambda *_, **__: None)
    assert any(scan_at_once(attempt) != {MANY_LINKS} for attempt in range(100, 120))


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_control_looking_and_then_making_makes_people_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without starting over when somebody else was first, a message would be lost or point nowhere."""

    def find_or_make(number: int) -> None:
        with transaction.atomic():
            if not Identity.objects.filter(kind="external_id", value="u").exists():
                meeting.wait(timeout=10)
                contact = Contact.objects.create()
                Identity.objects.create(contact=contact, kind="external_id", value="u")

    meeting = threading.Barrier(WRITERS)
    outcomes = at_once(find_or_make)
    assert sum(isinstance(outcome, IntegrityError) for outcome in outcomes) == WRITERS - 1

    # The same through the product, with the second look switched off: whoever comes second fails.
    Contact.objects.all().delete()
    monkeypatch.setattr(recording, "MAX_ROUNDS", 1)
    source = Source.objects.get(pk=SourceFactory.create().pk)
    lost = 0
    for attempt in range(20):
        outcomes = at_once(partial(write, source, attempt, 30))
        lost += sum(isinstance(outcome, recording.TooBusy) for outcome in outcomes)
        if lost:
            break
        with transaction.atomic():
            Event.objects.all().delete()
            Contact.objects.all().delete()
    assert lost
