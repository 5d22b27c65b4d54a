"""Back-pressure: a key that has used up its share, and everybody while too much waits, are told when to come again."""

import json
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.models import Due, Event
from contacts.services import pressure
from contacts.services.pressure import Gate, Overloaded, Throttled, check_capacity, take_share, timing_storage
from tests.factories import make_contact, make_event, make_source, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("forgotten_shares")]


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A process that has just started, and its clock."""
    clock = Clock()
    monkeypatch.setattr(pressure, "_gate", Gate(clock))
    return clock


def post(key: str, events: int = 1, url: str = "/api/v1/events/") -> Any:
    body = json.dumps({"events": [make_event() for _ in range(events)], "batch": [], "writeKey": key, "api_key": key})
    headers = {"authorization": f"Bearer {key}"} if url.startswith("/api/") else {}
    return Client().post(url, body, content_type="application/json", headers=headers)


def wait_for_judgement(contacts: int, *, seconds: int) -> None:
    for _ in range(contacts):
        make_contact()
    Due.objects.update(queued_at=Now() - timedelta(seconds=seconds))


def test_a_key_gets_its_share_and_is_told_when_to_come_again(settings: Any) -> None:
    settings.INGEST_EVENTS_A_SECOND = 100
    first, other = make_source()[1], make_source()[1]
    assert post(first, 1000).status_code == 200
    answer = post(first, 200)
    assert answer.status_code == 429
    assert answer.json()["code"] == "throttled"
    assert 1 <= int(answer["Retry-After"]) <= 2
    assert Event.objects.count() == 1000
    assert post(other, 200).status_code == 200
    assert post(first, 10, "/v1/batch").status_code == 200, "an empty batch costs nothing"


def test_a_share_fills_up_again(settings: Any) -> None:
    settings.INGEST_EVENTS_A_SECOND = 1_000_000
    key = "fills up again"
    take_share(key=key, messages=10_000_000)
    with pytest.raises(Throttled) as full:
        take_share(key=key, messages=1_000_000)
    assert full.value.seconds == 1
    with pytest.raises(Throttled):
        take_share(key=key, messages=10_000_000)
    settings.INGEST_EVENTS_A_SECOND = 0
    take_share(key=key, messages=10_000_000)


def test_a_full_batch_is_always_granted_to_a_key_that_waited(settings: Any) -> None:
    settings.INGEST_EVENTS_A_SECOND = 1
    take_share(key="slow", messages=1_000)
    with pytest.raises(Throttled):
        take_share(key="slow", messages=1)


def test_people_have_a_share_each(settings: Any) -> None:
    settings.INGEST_EVENTS_A_SECOND = 100
    one, other = (make_token(make_user()) for _ in range(2))
    assert post(one, 1000).status_code == 200
    assert post(one, 200).status_code == 429
    assert post(other, 200).status_code == 200


def test_a_broker_that_is_away_lets_everybody_through(settings: Any, clock: Clock) -> None:
    settings.INGEST_EVENTS_A_SECOND = 1
    url = settings.REDIS_URL
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    key = make_source()[1]
    assert post(key, 1000).status_code == 200
    assert post(key, 1000).status_code == 200
    settings.REDIS_URL = url
    take_share(key="asked again only after a while", messages=5_000)
    clock.now += 6
    with pytest.raises(Throttled):
        take_share(key="asked again only after a while", messages=5_000)


def test_nobody_is_taken_while_too_much_waits_for_judgement(settings: Any, clock: Clock) -> None:
    settings.INGEST_MAX_DUE = 2
    settings.INGEST_MAX_DUE_SECONDS = 30
    key = make_source()[1]
    wait_for_judgement(3, seconds=10)
    assert post(key).status_code == 200, "not for long enough yet"
    Due.objects.update(queued_at=Now() - timedelta(seconds=40))
    assert post(key).status_code == 200, "what one process knows is at most a second old"
    clock.now += 1.1
    for url in ("/api/v1/events/", "/v1/batch", "/batch/"):
        answer = post(key, url=url)
        assert answer.status_code == 503, answer.content
        assert int(answer["Retry-After"]) >= 1
        assert answer.json()["code"] == "unavailable"
    Due.objects.all().delete()
    clock.now += 5.1
    assert post(key).status_code == 200
    settings.INGEST_MAX_DUE = 0
    wait_for_judgement(3, seconds=90)
    clock.now += 5.1
    assert post(key).status_code == 200


def test_few_that_wait_long_and_those_in_quarantine_stop_nobody(settings: Any) -> None:
    settings.INGEST_MAX_DUE = 3
    settings.INGEST_MAX_DUE_SECONDS = 30
    wait_for_judgement(3, seconds=500)
    assert not pressure.is_piled_up()
    wait_for_judgement(2, seconds=500)
    assert pressure.is_piled_up()
    Due.objects.update(quarantined_at=Now())
    assert not pressure.is_piled_up()


def test_a_slow_database_is_left_alone_for_a_while(settings: Any, clock: Clock) -> None:
    settings.INGEST_MAX_SECONDS = 5
    with timing_storage():
        clock.now += 4
    check_capacity()
    with timing_storage():
        clock.now += 6
    with pytest.raises(Overloaded) as closed:
        check_capacity()
    assert closed.value.seconds == 5
    clock.now += 5
    check_capacity()


def test_the_hot_path_asks_the_database_once_a_second_at_most(clock: Clock) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            check_capacity()
        return len(captured)

    assert [queries(), queries(), queries()] == [1, 0, 0]
    clock.now += 1
    assert queries() == 1


def test_two_processes_share_one_bucket(settings: Any) -> None:
    """The control: with a bucket each the second would be granted as much again."""
    settings.INGEST_EVENTS_A_SECOND = 100
    take_share(key="shared", messages=1_000)
    other = redis.Redis.from_url(settings.REDIS_URL)
    assert int(other.eval(pressure._TAKE, 1, "ripen:share:shared", 1_000, 100, 10)) > 0
    assert int(other.eval(pressure._TAKE, 1, "ripen:share:alone", 1_000, 100, 10)) == 0
    other.close()
