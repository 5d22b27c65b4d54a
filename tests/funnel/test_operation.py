"""How Ripen itself does: what is said of it, whom it is told, and when it is over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from redis import Redis

from contacts.enums import Role
from contacts.models import Contact, Due
from contacts.selectors.backlog import FactsBacklog, MailWaiting, Waiting, WorkWaiting
from contacts.selectors.workers import QUEUES, SIGNS_KEY, Machinery
from contacts.services.meters import give_sign
from contacts.services.people import create_person
from funnel.models import Notification, Trouble
from funnel.operation import PARTS, Finding, Level, judge_operation
from funnel.selectors.operation import Disk, Observed
from funnel.selectors.operation_words import say_operation
from funnel.selectors.proofs import Checked
from funnel.services.troubles import TELL_AFTER, mail_troubles, watch_operation

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOTHING = Waiting(0, None)


@pytest.fixture
def broker() -> Iterator["Redis"]:
    client = Redis.from_url(settings.REDIS_URL)
    client.delete(SIGNS_KEY)
    yield client
    client.delete(SIGNS_KEY)
    client.close()


@pytest.fixture
def admin(db: None) -> User:
    return create_person(email="ada@example.com", role=Role.ADMIN, password="correct horse battery", by=None)


def alive(*but: str, at: datetime) -> None:
    for name in (*QUEUES, "beat"):
        if name not in but:
            give_sign(f"{name}@here", of=[name], at=at.timestamp())


def seen(**parts: object) -> Observed:
    """An installation in order, but for ``parts``."""
    signs = dict.fromkeys((*QUEUES, "beat"), NOW)
    facts = FactsBacklog(NOTHING, 0, NOTHING, MailWaiting(NOTHING, 0), WorkWaiting(NOTHING, 0, 0))
    given = {
        "machinery": Machinery(True, dict.fromkeys(QUEUES, 0), signs, dict.fromkeys(QUEUES, 1)),
        "disk": Disk(100, 50),
        "facts": facts,
        "proof": Checked(NOW, 500, 0),
    }
    return Observed(NOW, **{**given, **parts})  # type: ignore[arg-type]  # whatever the test says


def level_of(part: str, found: Observed) -> Level:
    return next(finding.level for finding in judge_operation(found) if finding.key == part)


def test_what_waits_a_minute_is_an_alarm_and_less_is_none() -> None:
    def waiting(seconds: float) -> Observed:
        due = Waiting(3, NOW - timedelta(seconds=seconds))
        return seen(facts=FactsBacklog(due, 0, NOTHING, MailWaiting(NOTHING, 0), WorkWaiting(NOTHING, 0, 0)))

    assert level_of("due", waiting(59)) is Level.OK
    assert level_of("due", waiting(61)) is Level.ALARM


@pytest.mark.parametrize(("free", "level"), [(50, Level.OK), (14, Level.WARNING), (4, Level.ALARM)])
def test_the_disk_is_told_before_it_is_full(free: int, level: Level) -> None:
    assert level_of("disk", seen(disk=Disk(100, free))) is level


def test_nobody_calls_a_worker_silent_while_the_broker_is_down() -> None:
    found = seen(machinery=Machinery(False))
    assert level_of("broker", found) is Level.ALARM
    assert {level_of(part, found) for part in ("worker", "beat", "runs", "hooks")} == {Level.UNKNOWN}


def test_a_check_that_found_something_is_an_alarm_and_an_old_one_a_warning() -> None:
    assert level_of("proof", seen(proof=Checked(NOW, 500, 2, (3,)))) is Level.ALARM
    assert level_of("proof", seen(proof=Checked(NOW - timedelta(hours=2), 500, 0))) is Level.WARNING
    assert level_of("proof", seen(proof=None)) is Level.UNKNOWN


def test_every_part_has_words_for_whatever_is_found() -> None:
    for found in (seen(), seen(machinery=Machinery(False), disk=None, facts=None, proof=None)):
        lines = say_operation(judge_operation(found), since={}, now=NOW)
        assert [line.key for line in lines] == [part for part in PARTS if part != "replica"]
        assert all(line.name and line.said for line in lines)
        assert all(line.advice for line in lines if line.tone in {"warn", "bad"})


@pytest.mark.django_db
@pytest.mark.usefixtures("broker")
def test_a_worker_that_stays_silent_is_told_once_and_mailed(admin: User) -> None:
    create_person(email="mo@example.com", role=Role.MARKETER, password="correct horse battery", by=None)
    alive("celery", at=NOW)
    assert watch_operation(now=NOW) == []
    assert list(Trouble.objects.values_list("part", "told_at")) == [("worker", None)]
    assert not Notification.objects.exists(), "a restart is nobody's trouble"

    later = NOW + TELL_AFTER
    alive("celery", at=later)
    assert watch_operation(now=later) == ["worker"]
    assert watch_operation(now=later + timedelta(seconds=30)) == []
    told = Notification.objects.get()
    assert (told.user, told.kind, told.count) == (admin, "operation", 1)

    alive("celery", at=later + timedelta(minutes=1))
    mail_troubles(now=later + timedelta(minutes=1))
    (message,) = mail.outbox
    assert message.to == ["ada@example.com"]
    assert message.subject == "The worker that judges is silent"
    assert f"{settings.BASE_URL}/status/" in message.body


@pytest.mark.django_db
@pytest.mark.usefixtures("broker", "admin")
def test_trouble_that_ends_is_forgotten_and_a_new_one_is_told_again() -> None:
    def watch_at(minutes: int, *but: str) -> list[str]:
        alive(*but, at=NOW + timedelta(minutes=minutes))
        return watch_operation(now=NOW + timedelta(minutes=minutes))

    assert watch_at(0, "hooks") == []
    assert watch_at(4, "hooks") == ["hooks"]
    assert watch_at(5) == []
    assert not Trouble.objects.exists()
    assert watch_at(6, "hooks") == [], "for less than half a minute it is not even silent"
    assert watch_at(7, "hooks") == []
    assert watch_at(11, "hooks") == ["hooks"]


@pytest.mark.django_db
def test_administrators_see_what_is_wrong_and_what_to_do(client: Client, broker: "Redis", admin: User) -> None:
    client.force_login(admin)
    now = timezone.now()
    alive("celery", at=now)
    Due.objects.create(contact=Contact.objects.create(), occurred_at=now, queued_at=now - timedelta(minutes=5))
    Trouble.objects.create(part="worker", since=now - timedelta(minutes=7))

    page = client.get("/status/").content.decode()

    wrong, fine = page.split("<caption>In order", 1) if "<caption>In order" in page else page.split("In order", 1)
    assert "Judging worker" in wrong
    assert "No sign of life." in wrong
    assert "1 waits, for 5 min." in wrong
    assert "Start it again and read its log." in wrong
    assert "/docs/operate/#worker" in wrong
    assert "7 minutes ago" in wrong
    assert "Worker of webhooks" in fine
    assert "Last sign of life" in fine


@pytest.mark.parametrize(
    ("number", "language", "said"),
    [
        (1, "en", "Answers; 1 message waits."),
        (1_200, "en", "Answers; 1,200 messages wait."),
        (1, "de", "Antwortet; 1 Nachricht wartet."),
        (0, "de", "Antwortet; 0 Nachrichten warten."),
    ],
)
def test_one_is_not_many(number: int, language: str, said: str) -> None:
    with translation.override(language):
        (line,) = say_operation([Finding("broker", Level.OK, "ok", {"messages": number})], since={}, now=timezone.now())
    assert line.said == said


@pytest.mark.django_db
@pytest.mark.usefixtures("broker")
def test_the_page_asks_as_often_whatever_is_wrong(client: Client, admin: User) -> None:
    client.force_login(admin)
    client.get("/status/")

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/status/").status_code == 200
        return len(asked)

    before = queries()
    now = timezone.now()
    for part in ("worker", "hooks", "due"):
        Due.objects.create(contact=Contact.objects.create(), occurred_at=now, queued_at=now - timedelta(minutes=5))
        Trouble.objects.create(part=part, since=now)
    assert queries() == before
