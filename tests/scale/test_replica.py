"""Figures and long runs read a streaming replica where it is fresh, and the primary where it is not."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections, transaction
from django.db.utils import InternalError
from django.test import Client
from pytest_django import DjangoDbBlocker

from config.env import BadSetting, Environment
from config.web import replica
from contacts.models import Standing
from scoring.models import Definition, Transition
from scoring.selectors import definition_document
from scoring.services.evaluate import drain_due
from scoring.services.publish import judge_publication, publish_definition
from scoring.services.what_if import what_if
from tests.factories import make_contact, make_event, make_user
from tests.scale.standby import Standby, standby_of

committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture(scope="module")
def running_standby(django_db_setup: None) -> Iterator[Standby]:
    if not settings.EMBEDDED:
        pytest.skip("the session's PostgreSQL is not the embedded one, whose programs make the replica")
    with standby_of(Path(settings.DATABASES["default"]["HOST"])) as made:
        yield made


@pytest.fixture
def standby(
    running_standby: Standby,
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Standby]:
    """The replica, named as RIPEN_REPLICA_URL does; it replays."""
    made = {**connection.settings_dict, "HOST": running_standby.host}
    connections.settings[replica.REPLICA] = made
    monkeypatch.setattr(replica, "_rests_until", 0.0)
    running_standby.resume()
    catch_up(running_standby)
    # It was not there when the databases were told that this test may use.
    with django_db_blocker.unblock():
        yield running_standby
    if running_standby.process is not None and running_standby.process.poll() is None:
        running_standby.resume()
    connections[replica.REPLICA].close()
    del connections[replica.REPLICA]
    del connections.settings[replica.REPLICA]


def catch_up(standby: Standby) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()::text")
        (position,) = cursor.fetchone()
    deadline = time.monotonic() + 30
    while not standby.ask(f"SELECT pg_last_wal_replay_lsn() >= '{position}'"):
        assert time.monotonic() < deadline, standby.last_words()


def judged_newcomer() -> None:
    make_contact(make_event("newsletter_subscribed"))
    while drain_due(now=datetime.now(UTC)):
        pass


@replica.from_replica
def count_standings() -> int:
    return Standing.objects.count()


@replica.from_replica
def where() -> bool:
    """Whether what reads here reads the replica."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        return bool(cursor.fetchone()[0])


@committed
def test_figures_come_from_the_replica_while_it_is_fresh_else_from_the_primary(
    standby: Standby, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client.force_login(make_user())
    judged_newcomer()
    catch_up(standby)
    assert where()
    before = count_standings()

    # Some seconds behind is fresh enough: the old figure proves where it was read.
    standby.pause()
    judged_newcomer()
    assert count_standings() == before
    assert Standing.objects.count() == before + 1

    # Further behind, the primary is read at once.
    monkeypatch.setattr(replica, "LAG_SECONDS", 0.0)
    assert count_standings() == before + 1
    assert "replica_behind" in caplog.text
    monkeypatch.undo()

    # Within a transaction one sees what one wrote.
    with transaction.atomic():
        assert not where()


@committed
def test_the_pages_and_the_api_of_the_funnel_read_the_replica(standby: Standby, client: Client) -> None:
    client.force_login(make_user())
    judged_newcomer()
    catch_up(standby)
    paths = [
        "/funnel/",
        "/funnel/part/cohorts/",
        "/funnel/flows.csv",
        "/funnel/people/",
        "/funnel/handoffs/",
        "/api/v1/funnel/",
    ]
    for path in paths:
        before = reads_of(standby)
        assert client.get(path).status_code == 200
        assert reads_of(standby) > before, path


def reads_of(standby: Standby) -> int:
    """Rows that queries of the test database read on the replica so far."""
    connections[replica.REPLICA].close()
    name = connection.settings_dict["NAME"]
    return int(standby.ask(f"SELECT tup_returned FROM pg_stat_database WHERE datname = '{name}'"))


@committed
def test_nothing_can_be_written_where_the_replica_is_read(standby: Standby) -> None:
    with replica.on_replica(), pytest.raises(InternalError, match="read-only"):
        Standing.objects.all().delete()


@committed
def test_a_query_that_the_replica_cancels_is_answered_by_the_primary(
    standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    make_contact()
    catch_up(standby)
    seen = []

    def lock() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE scoring_notice IN ACCESS EXCLUSIVE MODE")
        finally:
            connection.close()

    @replica.from_replica
    def read() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_is_in_recovery() FROM contacts_contact, (SELECT count(*) FROM scoring_notice) AS n"
            )
            seen.append(cursor.fetchone()[0])
            if seen[-1]:
                # What the primary does next is in this query's way, and the replica follows the primary.
                thread = threading.Thread(target=lock)
                thread.start()
                thread.join()
                cursor.execute("SELECT pg_sleep(20)")
            cursor.execute("SELECT count(*) FROM contacts_contact")
            return int(cursor.fetchone()[0])

    assert read() == 1
    assert seen == [True, False]
    assert "replica_left" in caplog.text
    # For a while nobody asks it.
    assert not where()


def stands() -> Counter[str]:
    return Counter(Standing.objects.values_list("stage", flat=True))


@committed
def test_a_what_if_reads_the_replica_and_equals_publishing(standby: Standby) -> None:
    for _ in range(3):
        judged_newcomer()
    definition = Definition.objects.get(key="bona-fide", version=1)
    busy: list[int] = []
    name = connection.settings_dict["NAME"]

    def look(_cells: Any) -> None:
        """Whether somebody reads a snapshot on the replica now."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
        busy.append(standby.ask(f"{sql} AND datname = '{name}'"))

    run = replica.long_reads_from_replica(
        lambda: what_if(definition_document(definition), now=datetime.now(UTC), keep=look)
    )
    found = run()
    assert busy == [1]
    assert found.contacts == 3

    # The replica falls behind: what is tried and what is published must know of the same people all the same.
    standby.pause()
    judged_newcomer()
    found = run()
    assert busy == [1, 0]
    assert found.contacts == 4
    publication = publish_definition(definition_id=definition.pk, by=None, now=datetime.now(UTC))
    judge_publication(publication)
    assert Counter({target: n for (_, target), n in found.matrix.items()}) == stands()
    moved = Transition.objects.filter(cause="publication", superseded_at=None).count()
    assert moved == found.moved


@committed
def test_a_what_if_begins_anew_on_the_primary_where_the_replica_fails_it(standby: Standby) -> None:
    # A range is read ahead while another is judged, so there must be some left to read.
    for _ in range(6):
        judged_newcomer()
    catch_up(standby)
    document = definition_document(Definition.objects.get(key="bona-fide", version=1))
    parts: list[int] = []

    def keep(cells: Any) -> None:
        parts.append(len(cells))
        if len(parts) == 1:
            standby.ask(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    run = replica.long_reads_from_replica(lambda: what_if(document, now=datetime.now(UTC), keep=keep, chunk=1))
    assert run().contacts == 6
    assert len(parts) >= 7


@committed
def test_a_replica_that_is_gone_costs_nobody_an_answer(
    standby: Standby, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """The last one here: it does not come back."""
    client.force_login(make_user())
    judged_newcomer()
    catch_up(standby)
    assert where()
    standby.stop()
    assert client.get("/funnel/").status_code == 200
    assert count_standings() == 1
    assert caplog.text.count("replica_left") == 1
    document = definition_document(Definition.objects.get(key="bona-fide", version=1))
    run = replica.long_reads_from_replica(lambda: what_if(document, now=datetime.now(UTC)))
    assert run().contacts == 1


def test_the_replica_is_named_by_a_setting() -> None:
    assert Environment({}).replica() is None
    found = Environment({"RIPEN_REPLICA_URL": "postgresql://jo@replica.example:5433/base"}).replica()
    assert found is not None
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("replica.example", "5433", "base")
    assert found["OPTIONS"] == {"connect_timeout": "2"}
    with pytest.raises(BadSetting, match="RIPEN_REPLICA_URL"):
        Environment({"RIPEN_REPLICA_URL": "redis://replica"}).replica()
