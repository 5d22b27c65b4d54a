"""What Prometheus is told: every figure where it belongs, cheap, and whatever is down."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from config.metrics import scrapes
from config.version import VERSION
from contacts.models import Contact, Due, Job, Standing
from contacts.selectors.workers import METERS_KEY, SIGNS_KEY
from contacts.services.meters import count_judged, count_rejected, give_sign
from funnel.models import Announcement, HookDelivery, HookEndpoint, HookMessage
from funnel.selectors.operation import observe

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    """No sign of life and no count of another test, and no scrape that is kept."""
    broker = Redis.from_url(settings.REDIS_URL)
    broker.delete(SIGNS_KEY, METERS_KEY)
    scrapes.forget()
    yield
    broker.delete(SIGNS_KEY, METERS_KEY)
    broker.close()
    scrapes.forget()


def figures(client: Client) -> dict[str, float]:
    """Every sample of a fresh scrape, by `name{label="value"}`."""
    scrapes.forget()
    answer = client.get("/metrics")
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_an_empty_installation_waits_for_nothing(client: Client) -> None:
    found = figures(client)
    zeros = (
        "ripen_due_rows", "ripen_due_oldest_seconds", "ripen_quarantined_rows", "ripen_reviews_overdue",
        'ripen_outbox_rows{outbox="transitions"}', 'ripen_hook_deliveries{state="dead"}', "ripen_ingest_refusing",
        'ripen_work_rows{state="running",work="runs"}', 'ripen_mail_rows{mail="people",state="due"}',
        'ripen_queue_messages{queue="hooks"}',
    )  # fmt: skip
    assert {name: found[name] for name in zeros} == dict.fromkeys(zeros, 0.0)
    assert found['ripen_up{part="database"}'] == found['ripen_up{part="migrations"}'] == 1
    assert found["ripen_database_connections_max"] >= found["ripen_database_connections"] >= 1
    assert found["ripen_database_size_bytes"] > 1_000_000
    assert any(name.startswith("ripen_build_info{") and f'version="{VERSION}"' in name for name in found)
    assert any(name.startswith("django_http_requests") for name in found), "and what web requests did"


def test_what_waits_is_told_with_its_age(client: Client) -> None:
    now = timezone.now()
    contact = Contact.objects.create()
    ago = now - timedelta(seconds=90)
    Due.objects.create(contact=contact, occurred_at=ago, queued_at=ago)
    Due.objects.create(contact=contact, occurred_at=now, queued_at=now)
    Due.objects.create(contact=contact, occurred_at=now, queued_at=ago - timedelta(days=1), quarantined_at=now)
    Standing.objects.create(
        contact=contact, stage="lead", furthest_stage="lead", stage_since=now, engagement_mp=0, fit_mp=0,
        last_activity_at=now, evaluated_at=now, review_at=ago,
    )  # fmt: skip
    Announcement.objects.create(type="contact.merged", at=ago, hooked_at=now)
    Job.objects.create(kind="export_person", requested_at=ago)
    Job.objects.create(kind="export_person", state="failed", finished_at=now)
    endpoint = HookEndpoint.objects.create(url="https://example.com/", failing_since=ago)
    for number, fields in enumerate(
        (
            {"state": "waiting", "due_at": ago},
            {"state": "waiting", "due_at": now + timedelta(hours=1)},
            {"state": "dead", "closed_at": now},
        )
    ):
        message = HookMessage.objects.create(uid=f"msg_{number}", type="contact.merged", body="{}", at=now)
        HookDelivery.objects.create(message=message, endpoint=endpoint, **fields)

    found = figures(client)

    assert (found["ripen_due_rows"], found["ripen_quarantined_rows"]) == (2, 1)
    assert (found["ripen_reviews_overdue"], found['ripen_outbox_rows{outbox="people"}']) == (1, 1)
    assert found['ripen_outbox_rows{outbox="machines"}'] == 0
    assert found['ripen_work_rows{state="queued",work="jobs"}'] == 1
    assert found['ripen_work_rows{state="failed",work="jobs"}'] == 1
    states = {state: found[f'ripen_hook_deliveries{{state="{state}"}}'] for state in ("due", "scheduled", "dead")}
    assert states == {"due": 1, "scheduled": 1, "dead": 1}
    assert found['ripen_hook_endpoints{state="failing"}'] == 1
    for name in (
        "ripen_due_oldest_seconds", "ripen_reviews_overdue_seconds", "ripen_hook_oldest_due_seconds",
        'ripen_outbox_oldest_seconds{outbox="people"}', 'ripen_work_oldest_seconds{work="jobs"}',
    ):  # fmt: skip
        assert 90 <= found[name] < 120, name


def test_what_other_processes_count_is_told(client: Client, django_capture_on_commit_callbacks: object) -> None:
    began = time.time()
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]  # a fixture without a type
        count_judged(3, queued_at=[began - 0.15, began - 0.3, began - 7, began - 900])
    count_rejected(["bad_email", "bad_email", "too_deep"])

    found = figures(client)

    assert found["ripen_judged_contacts_total"] == 3
    assert found['ripen_judgement_wait_seconds_bucket{le="0.1"}'] == 0
    assert found['ripen_judgement_wait_seconds_bucket{le="0.2"}'] == 1
    assert found['ripen_judgement_wait_seconds_bucket{le="10.0"}'] == 3
    assert found["ripen_judgement_wait_seconds_count"] == 4
    assert found["ripen_judgement_wait_seconds_sum"] == pytest.approx(907.45, abs=1)
    assert found['ripen_rejected_messages_total{code="bad_email"}'] == 2


def test_a_silent_worker_is_down_and_a_lively_one_is_not(client: Client) -> None:
    assert give_sign("celery@one", of=["celery"])
    assert give_sign("celery@two", of=["celery"], at=time.time() - 5)
    assert give_sign("celery@gone", of=["celery"], at=time.time() - 600)
    assert give_sign("hooks@one", of=["hooks"], at=time.time() - 31)

    found = figures(client)

    # A machine that stands still in between makes everybody silent.
    ages = {name: age for name, age in found.items() if name.startswith("ripen_sign_age_seconds")}
    assert found['ripen_workers{queue="celery"}'] == 2, ages
    up = {part: found[f'ripen_up{{part="{part}"}}'] for part in ("worker", "hooks", "runs", "beat")}
    assert up == {"worker": 1, "hooks": 0, "runs": 0, "beat": 0}
    assert 31 <= found['ripen_sign_age_seconds{of="hooks"}'] < 45
    assert found['ripen_sign_age_seconds{of="celery"}'] < 5
    assert 'ripen_sign_age_seconds{of="beat"}' not in found, "it never gave one"


def test_a_broker_that_is_away_leaves_the_rest(client: Client) -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        found = figures(client)
    assert found['ripen_up{part="broker"}'] == 0
    assert found['ripen_up{part="database"}'] == 1
    assert found["ripen_due_rows"] == 0
    assert 'ripen_up{part="worker"}' not in found, "nobody knows"


def test_a_part_that_cannot_be_read_leaves_the_rest(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE contacts_due RENAME TO contacts_lost")
    found = figures(client)
    assert found['ripen_scrape_failed{part="facts"}'] == 1
    assert found['ripen_scrape_failed{part="judgement"}'] == 0
    assert "ripen_due_rows" not in found
    assert found['ripen_outbox_rows{outbox="transitions"}'] == 0


def test_a_scrape_asks_as_often_however_much_there_is(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            observe(now=timezone.now())
        return len(asked)

    observe(now=timezone.now())
    before = queries()
    now = timezone.now()
    for _ in range(3):
        contact = Contact.objects.create()
        Due.objects.create(contact=contact, occurred_at=now)
        endpoint = HookEndpoint.objects.create(url="https://example.com/")
        message = HookMessage.objects.create(uid=f"msg_{contact.pk}", type="contact.merged", body="{}", at=now)
        HookDelivery.objects.create(message=message, endpoint=endpoint, state="waiting", due_at=now)
    assert queries() == before


def test_two_scrapes_at_once_cost_one(client: Client) -> None:
    assert client.get("/metrics").status_code == 200
    with CaptureQueriesContext(connection) as asked:
        assert client.get("/metrics").status_code == 200
    assert [query["sql"] for query in asked if "contacts_due" in query["sql"]] == []
