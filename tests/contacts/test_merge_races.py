"""Merging while others are at work: nothing is lost, nobody is merged twice, nobody waits in a circle."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import override_settings

from contacts.models import Contact, Due, Event, Identity, Merge, MergeSuggestion, Source, Standing
from contacts.services import corrections, merging, messages, uniting
from contacts.services import record as recording
from contacts.services.corrections import retract_events
from contacts.services.merge_verification import verify_merges
from contacts.services.merging import merge_contacts
from contacts.services.parting import undo_merge
from contacts.services.uniting import CannotMerge
from scoring.services.evaluate import drain_due
from tests.factories import SourceFactory, make_contact, make_event, record

committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each of these returned or raised, all of them begun together."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            start.wait()
            return call()
        except Exception as error:  # noqa: BLE001  the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def merge(winner: Contact, loser: Contact) -> Merge:
    return merge_contacts(winner_id=winner.pk, loser_id=loser.pk, by=None, source=None, reason="", now=NOW)


def pair() -> tuple[Contact, Contact]:
    return make_contact(email="ann@acme.test"), make_contact(email="double@acme.test")


def sender(source: Source, email: str, number: int, *, batch: int = 3) -> Callable[[], Any]:
    """Send many events of one contact, with traits in some, as one of several clients."""

    def send() -> int:
        stored = 0
        for turn in range(8):
            events = [
                make_event(
                    message_id=f"{email} {number} {turn} {place}",
                    contact={"email": email},
                    traits={"plan": f"{number} {turn}"} if turn % 2 else {},
                )
                for place in range(batch)
            ]
            stored += record(*events, source=source).accepted
        return stored

    return send


def strayed() -> list[str]:
    return [str(fault) for fault in verify_merges(others=["funnel_handoff"])]


@committed
def test_of_any_number_of_merges_of_two_contacts_one_is_made() -> None:
    ann, double = pair()
    outcomes = at_once(*[lambda: merge(ann, double)] * 3, *[lambda: merge(double, ann)] * 3)
    made = [outcome for outcome in outcomes if isinstance(outcome, Merge)]
    assert len(made) == 1
    assert {getattr(outcome, "code", type(outcome)) for outcome in outcomes if outcome is not made[0]} == {
        "merged_away"
    }
    assert Contact.objects.filter(present=True).count() == 1
    assert strayed() == []


@committed
def test_no_event_is_lost_or_left_behind_while_two_merge_and_part() -> None:
    source = SourceFactory.create()
    ann, double = pair()

    def merge_and_part() -> int:
        for _ in range(6):
            made = merge(ann, double)
            threading.Event().wait(0.02)
            undo_merge(merge_id=made.pk, by=None, now=NOW)
            MergeSuggestion.objects.all().delete()
        merge(ann, double)
        return 7

    def judge() -> None:
        for _ in range(10):
            drain_due(now=datetime.now(UTC))

    senders = [sender(source, email, number) for number in range(2) for email in ("ann@acme.test", "double@acme.test")]
    outcomes = at_once(*senders, merge_and_part, judge)
    assert outcomes == [24, 24, 24, 24, 7, None]
    assert Event.objects.count() == 2 + 96
    assert strayed() == []
    assert Event.objects.filter(contact=ann).count() == 98

    undo_merge(merge_id=Merge.objects.latest("id").pk, by=None, now=NOW)
    assert strayed() == []
    # By the names that they were sent under, whenever that was.
    for contact, email in ((ann, "ann@acme.test"), (double, "double@acme.test")):
        sent = Event.objects.filter(message_id__startswith=f"{email} ")
        assert set(sent.values_list("contact", "origin_contact_id")) == {(contact.pk, contact.pk)}
        assert sent.count() == 48
    now = datetime.now(UTC)
    while drain_due(now=now):
        pass
    assert set(Standing.objects.values_list("contact", flat=True)) == {ann.pk, double.pk}
    assert not Due.objects.exists()


def interleaved(
    monkeypatch: pytest.MonkeyPatch, source: Source, meanwhile: Callable[[], Any], email: str = "double@acme.test"
) -> None:
    """Send an event, and let ``meanwhile`` happen after it was resolved and before it is held by its due row."""
    write = messages.write_messages
    happened: list[Any] = []

    def write_late(*args: Any, **kwargs: Any) -> None:
        write(*args, **kwargs)
        if not happened:
            happened.append(at_once(meanwhile)[0])

    monkeypatch.setattr(recording, "write_messages", write_late)
    assert record(make_event(contact={"email": email}), source=source).accepted == 1
    assert not isinstance(happened[0], Exception), happened


@committed
def test_an_event_that_was_under_way_when_its_contact_was_merged_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, double = pair()
    interleaved(monkeypatch, SourceFactory.create(), lambda: merge(ann, double))
    assert strayed() == []
    assert set(Event.objects.values_list("contact", "origin_contact_id")) == {(ann.pk, ann.pk), (ann.pk, double.pk)}


@committed
def test_control_who_does_not_look_again_leaves_it_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, double = pair()
    monkeypatch.setattr(messages, "INSERT_DUE_BY_EVENTS", messages.INSERT_DUE_BY_EVENTS.replace("AND c.present", ""))
    interleaved(monkeypatch, SourceFactory.create(), lambda: merge(ann, double))
    assert strayed() == [
        f"invariant 6: contact {double.pk}: was merged into {ann.pk} and still has 1 rows of contacts_event"
    ]


@committed
def test_an_event_that_was_under_way_when_its_contact_parted_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, double = pair()
    made = merge(ann, double)
    interleaved(monkeypatch, SourceFactory.create(), lambda: undo_merge(merge_id=made.pk, by=None, now=NOW))
    assert strayed() == []
    assert Event.objects.filter(contact=double, origin_contact_id=double.pk).count() == 2


@committed
def test_control_who_does_not_ask_for_the_origin_leaves_it_with_the_winner(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, double = pair()
    made = merge(ann, double)
    monkeypatch.setattr(messages, "FIND_PARTED", "SELECT false FROM (SELECT %s::jsonb) AS asked")
    interleaved(monkeypatch, SourceFactory.create(), lambda: undo_merge(merge_id=made.pk, by=None, now=NOW))
    (fault,) = strayed()
    assert f"has 1 rows of contacts_event that belong to contact {double.pk}, which is no part of it" in fault


@committed
def test_a_merge_waits_for_facts_under_way_and_takes_them_along() -> None:
    ann, double = pair()
    waits = threading.Event()

    def merge_later() -> Merge:
        waits.set()
        return merge(ann, double)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            record(make_event(contact={"email": "double@acme.test"}))
            merged = pool.submit(lambda: at_once(merge_later)[0])
            waits.wait(10)
            wait_until_somebody_waits()
        made = merged.result(20)
    assert isinstance(made, Merge)
    assert (made.winner_events, made.loser_events, made.events_after) == (1, 2, 3)
    assert strayed() == []


@committed
def test_control_a_merge_that_waits_for_nobody_leaves_their_facts_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, double = pair()
    monkeypatch.setattr(merging, "_LOCK", merging._LOCK.replace("FOR UPDATE", ""))
    with transaction.atomic():
        record(make_event(contact={"email": "double@acme.test"}))
        (made,) = at_once(lambda: merge(ann, double))
    assert isinstance(made, Merge)
    assert len(strayed()) == 1


def wait_until_somebody_waits() -> None:
    for _ in range(1_000):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits for a lock")


@committed
def test_a_merge_gives_way_to_somebody_who_would_wait_for_it_in_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds one of the two and then wants the other, as a batch with traits of several contacts may."""
    ann, double = pair()
    monkeypatch.setattr(uniting, "_WAIT", "50ms")
    gave_way = threading.Event()
    held = threading.Event()

    def work() -> str:
        with transaction.atomic():
            list(Contact.objects.filter(pk=double.pk).select_for_update())
            held.set()
            gave_way.wait(0.3)
            list(Contact.objects.filter(pk=ann.pk).select_for_update())
        return "done"

    def merge_meanwhile() -> Merge:
        held.wait(10)
        return merge(ann, double)

    worker, made = at_once(work, merge_meanwhile)
    assert worker == "done"
    assert isinstance(made, Merge)


@committed
def test_a_merge_that_never_gets_its_turn_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, double = pair()
    monkeypatch.setattr(uniting, "_WAIT", "10ms")
    with transaction.atomic():
        list(Contact.objects.filter(pk=double.pk).select_for_update())
        (refused,) = at_once(lambda: merge(ann, double))
    assert isinstance(refused, CannotMerge)
    assert refused.code == "busy"
    assert strayed() == []


@committed
def test_a_drain_leaves_those_alone_who_are_being_merged_and_judges_the_winner_next() -> None:
    ann, double = pair()
    now = datetime.now(UTC)
    with transaction.atomic():
        merge(ann, double)
        assert at_once(lambda: drain_due(now=now)) == [0]
    while drain_due(now=now):
        pass
    assert list(Standing.objects.values_list("contact", flat=True)) == [ann.pk]
    # What somebody wrote for the one that is no more goes on to whom it became.
    Due.objects.create(contact=double, occurred_at=NOW)
    assert drain_due(now=now) == 1
    assert drain_due(now=now) == 0
    assert not Due.objects.exists()
    assert list(Standing.objects.values_list("contact", flat=True)) == [ann.pk]


@committed
def test_an_event_retracted_while_its_contact_is_merged_is_retracted_of_the_winner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann, double = pair()
    event = Event.objects.get(contact=double)
    happened: list[Any] = []

    def lock_late(cursor: Any, contact_ids: list[int]) -> Any:
        if not happened:
            happened.extend(at_once(lambda: merge(ann, double)))
        return lock(cursor, contact_ids)

    lock = corrections._lock_contacts
    monkeypatch.setattr(corrections, "_lock_contacts", lock_late)
    outcome = retract_events(event_ids=[event.pk], reason="", by=None, now=NOW)
    assert outcome.accepted == {event.pk}
    assert isinstance(happened[0], Merge)
    now = datetime.now(UTC)
    while drain_due(now=now):
        pass
    assert list(Standing.objects.values_list("contact", flat=True)) == [ann.pk]


@committed
@pytest.mark.parametrize("cap", [1_000, 0])
def test_concurrent_identifies_of_one_person_end_as_one_contact(cap: int) -> None:
    """Each device was seen before; with no merges allowed (the control) as many contacts remain."""
    source = SourceFactory.create()
    for number in range(6):
        record(make_event("page_viewed", contact={"anonymous_id": f"device {number}"}), source=source)

    def identify(number: int) -> Any:
        return record(make_event(contact={"external_id": "u1", "anonymous_id": f"device {number}"}), source=source)

    with override_settings(MERGES_A_DAY=cap):
        outcomes = at_once(*[lambda number=number: identify(number) for number in range(6)])
        assert [getattr(outcome, "accepted", outcome) for outcome in outcomes] == [1] * 6
        for suggestion in MergeSuggestion.objects.filter(decision=""):
            merging.merge_suggested(source=source, pairs=[(suggestion.contact_id, suggestion.other_id)], now=NOW)
    assert Contact.objects.filter(present=True).count() == (1 if cap else 6)
    assert Identity.objects.filter(kind="external_id").count() == 1
    assert Event.objects.count() == 12
    assert strayed() == []
