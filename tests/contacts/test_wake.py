"""Wake-up hints: sent after the commit, one at a time, never in the way."""

from typing import Any

import pytest
import redis
from celery import current_app
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from contacts.models import Event
from contacts.services.wake import clear_wake, wake
from tests.factories import make_event, record

TASK = "tests.nothing"


@pytest.fixture
def queue(settings: Settings) -> redis.Redis:
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete("celery")
    clear_wake(TASK)
    return client


@pytest.mark.django_db
def test_a_hint_is_sent_on_commit_and_only_once_until_cleared(
    queue: redis.Redis, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        wake(TASK)
        wake(TASK)
        assert queue.llen("celery") == 0
    assert queue.llen("celery") == 1
    with django_capture_on_commit_callbacks(execute=True):
        wake(TASK)
    assert queue.llen("celery") == 1
    clear_wake(TASK)
    with django_capture_on_commit_callbacks(execute=True):
        wake(TASK)
    assert queue.llen("celery") == 2


@pytest.mark.django_db
def test_nothing_is_sent_for_what_is_rolled_back(
    queue: redis.Redis, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        with transaction.atomic():
            wake(TASK)
            transaction.set_rollback(True)
        record(make_event(), dry_run=True)
    assert queue.llen("celery") == 0


@pytest.mark.django_db
def test_facts_are_stored_though_the_broker_is_away(
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with django_capture_on_commit_callbacks(execute=True):
        assert record(make_event()).accepted == 1
    assert Event.objects.count() == 1
    assert "wake_lost" in str([entry.msg for entry in caplog.records])
    clear_wake(TASK)


def test_the_queue_is_the_one_workers_listen_to(queue: redis.Redis, settings: Settings) -> None:
    configured: Any = current_app.conf
    assert configured.task_default_queue == "celery"
    assert settings.REDIS_URL.split("://")[1].split("?")[0] in configured.broker_url
