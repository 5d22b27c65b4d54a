"""A long queue is drained by as many processes as have nothing else to do."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.db import connection, transaction
from pytest_django import Settings

from config.network import of_client
from contacts.models import Contact, Due, Standing
from contacts.services.wake import clear_wake
from funnel.tasks import drains, turns
from scoring.models import Transition
from scoring.services.evaluate import drain_due
from scoring.tasks import BATCH, drain
from tests.factories import SourceFactory, make_event, record

committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def let_wait(contacts: int, now: datetime = NOW) -> None:
    """So many contacts with a fact that nobody judged."""
    source = SourceFactory.create()
    for first in range(0, contacts, 1000):
        events = [
            make_event(occurred_at=(now - timedelta(hours=1)).isoformat()) for _ in range(min(contacts - first, 1000))
        ]
        record(*events, source=source, received_at=now)


def drains_sent(broker: redis.Redis) -> int:
    """How many hints to judge wait to be taken."""
    return len([message for message in broker.lrange("celery", 0, -1) if b'"scoring.drain"' in message])


@committed
def test_a_drain_passes_by_what_another_holds_and_finds_contacts_of_its_own() -> None:
    let_wait(25)
    held = list(Contact.objects.order_by("pk").values_list("pk", flat=True)[:10])
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                list(Contact.objects.select_for_update(no_key=True).filter(pk__in=held))
                taken.set()
                done.wait(30)
        finally:
            connection.close()

    other = threading.Thread(target=hold)
    other.start()
    assert taken.wait(30)
    try:
        # The other's are the oldest of the queue; a drain of as many contacts is not kept from working by that.
        assert drain_due(now=NOW, limit=10) == 10
        assert drain_due(now=NOW, limit=10) == 5
        assert drain_due(now=NOW, limit=10) == 0
    finally:
        done.set()
        other.join()
    assert set(Due.objects.values_list("contact_id", flat=True)) == set(held)
    assert drain_due(now=NOW, limit=10) == 10
    assert Standing.objects.count() == 25


@committed
def test_who_has_waited_longest_is_judged_first_however_new_the_contact_is() -> None:
    let_wait(3)
    oldest, middle, newest = Contact.objects.order_by("pk").values_list("pk", flat=True)
    Due.objects.all().delete()
    for place, contact_id in enumerate((newest, oldest, middle)):
        at = NOW - timedelta(minutes=10 - place)
        Due.objects.create(contact_id=contact_id, occurred_at=at, queued_at=at)
    for judged in (newest, oldest, middle):
        assert drain_due(now=NOW, limit=1) == 1
        assert Standing.objects.filter(contact_id=judged).exists()


@committed
def test_rows_of_somebody_who_is_gone_for_good_go_too() -> None:
    """Written by who appended while the contact was erased, without holding it."""
    let_wait(1)
    Due.objects.create(contact_id=2**40, occurred_at=NOW)
    assert drain_due(now=NOW) == 1
    assert drain_due(now=NOW) == 0
    assert not Due.objects.exists()


@committed
@pytest.mark.parametrize(("contacts", "woken"), [(BATCH + 50, 1), (50, 0)])
def test_whoever_finds_a_full_batch_wakes_one_more_drain(settings: Settings, contacts: int, woken: int) -> None:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    let_wait(contacts, datetime.now(UTC))
    broker.delete("celery")
    clear_wake("funnel.drain")
    drain()
    assert not Due.objects.exists()
    assert drains_sent(broker) == woken
    broker.delete("celery")


@committed
def test_what_comes_while_a_drain_works_is_judged_by_it_and_wakes_no_other(settings: Settings) -> None:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    clear_wake("scoring.drain")
    let_wait(5, datetime.now(UTC))
    assert drains_sent(broker) == 1, "who is first wakes it"
    broker.delete("celery")
    came: list[int] = []

    def report() -> None:
        try:
            let_wait(3, datetime.now(UTC))
        finally:
            connection.close()

    def meanwhile(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith("DELETE FROM contacts_due WHERE id") and not came:
            other = threading.Thread(target=report)
            other.start()
            other.join(60)
            came.append(Due.objects.count())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(meanwhile):
        drain()

    assert came == [8]
    assert not Due.objects.exists()
    assert drains_sent(broker) == 0
    let_wait(1, datetime.now(UTC))
    assert drains_sent(broker) == 1, "who comes later wakes it again"
    broker.delete("celery")


@committed
@pytest.mark.parametrize(("turn", "woken"), [(0.0, 1), (60.0, 0)])
def test_consequences_give_their_process_back_when_their_turn_is_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, turn: float, woken: int
) -> None:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    let_wait(40, datetime.now(UTC))
    drain()
    broker.delete("celery")
    monkeypatch.setattr(drains, "BATCH", 10)
    monkeypatch.setattr(turns, "TURN_SECONDS", turn)

    drains.drain()

    # One batch of the turn, and one after the hint was cleared; or all.
    assert Transition.objects.filter(consumed_at=None).count() == (20 if woken else 0)
    sent = [message for message in broker.lrange("celery", 0, -1) if b'"funnel.drain"' in message]
    assert len(sent) == woken
    broker.delete("celery")


@pytest.mark.parametrize("host", ["", "/run/postgresql"])
def test_a_socket_of_this_machine_needs_no_signs_of_life(host: str) -> None:
    database = {"HOST": host, "OPTIONS": {}}
    assert of_client(database) == database


def test_a_server_that_vanishes_is_given_up_in_seconds_unless_the_url_says_otherwise() -> None:
    options = of_client({"HOST": "db.example", "OPTIONS": {"keepalives_idle": "60"}})["OPTIONS"]
    assert options["keepalives_idle"] == "60"
    assert options["tcp_user_timeout"] == "10000"
