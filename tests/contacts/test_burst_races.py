"""Two batches that only together show a burst, at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from contacts.ingest.bursts import MANY_LINKS
from contacts.models import Contact, Event, Source
from contacts.services import machines
from tests.factories import SourceFactory, make_contact, make_event, record

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
# So that nothing about the contact itself changes, which would be waited for in any case.
LONG_AGO = {"kind": "page_viewed", "occurred_at": (NOON - timedelta(days=9)).isoformat()}


def clicks(links: str, *people: int, job_title: str = "") -> list[dict[str, Any]]:
    return [
        make_event(
            "email_clicked",
            contact={"email": f"p{number}@acme.test"},
            occurred_at=NOON.isoformat(),
            properties={"message_id": "m1", "url": f"https://vendor.test/{link}"},
            **({"traits": {"job_title": job_title}} if job_title else {}),
        )
        for number in people
        for link in links
    ]


def send_apart(source: Source) -> list[str]:
    """Two links in a transaction that is still open while the third is stored; the marks in the end."""

    def other() -> None:
        try:
            record(*clicks("c", 1), source=source)
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        record(*clicks("ab", 1), source=source)
        thread.start()
        thread.join(timeout=60)
        assert not thread.is_alive()
    return list(Event.objects.filter(kind__name="email_clicked").values_list("suspect_reason", flat=True))


def test_nobody_waits_and_the_last_to_be_committed_sees_both() -> None:
    make_contact(LONG_AGO, email="p1@acme.test")
    assert send_apart(SourceFactory.create()) == [MANY_LINKS] * 3


def test_control_without_looking_again_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "look_again", lambda stretches, *, expected, now: None)
    make_contact(LONG_AGO, email="p1@acme.test")
    assert send_apart(SourceFactory.create()) == [""] * 3


def test_whoever_shares_a_batch_with_a_burst_is_not_waited_for() -> None:
    source = SourceFactory.create()
    for number in (1, 2):
        make_contact(LONG_AGO, email=f"p{number}@acme.test")
    record(*clicks("ab", 1), source=source)
    neighbour = make_event("page_viewed", contact={"email": "p2@acme.test"}, occurred_at=NOON.isoformat())

    def other() -> int:
        try:
            return record(*clicks("c", 1), neighbour, source=source).accepted
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        # As whoever judges the neighbour does.
        Contact.objects.select_for_update(no_key=True).get(email="p2@acme.test")
        assert pool.submit(other).result(timeout=60) == 2
    marked = Event.objects.filter(kind__name="email_clicked")
    assert list(marked.values_list("suspect_reason", flat=True)) == [MANY_LINKS] * 3


def test_many_writers_in_any_order_find_all_and_never_wait_in_a_circle() -> None:
    source = SourceFactory.create()
    for number in range(8):
        make_contact(email=f"p{number}@acme.test")
    start = threading.Barrier(6)

    def write(writer: int) -> int:
        people = list(range(8)) if writer % 2 else list(range(7, -1, -1))
        try:
            start.wait()
            events = clicks("abcdef"[writer], *people, job_title=f"by {writer}")
            return record(*events, *clicks("x", 8 + writer), source=source).accepted
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(write, range(6))) == [9] * 6
    marked = Event.objects.filter(kind__name="email_clicked", contact__email__in=[f"p{n}@acme.test" for n in range(8)])
    assert set(marked.values_list("suspect_reason", flat=True)) == {MANY_LINKS}
    assert marked.count() == 48
