"""Alive and ready: which part is down, within seconds, and what is not worth a 503."""

import socket
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import override_settings
from redis import Redis

from config.env import BASE_DIR
from config.probes import NoAnswer, applied_migrations, known_migrations
from config.version import VERSION
from contacts.selectors.workers import SIGNS_KEY
from contacts.services.meters import give_sign


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def nobody_alive() -> Iterator[None]:
    broker = Redis.from_url(settings.REDIS_URL)
    broker.delete(SIGNS_KEY)
    yield
    broker.delete(SIGNS_KEY)
    broker.close()


@pytest.mark.django_db
def test_a_missing_migration_is_told(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_migrations")
        assert cursor.fetchone()[0] == len(known_migrations())
    assert known_migrations() - applied_migrations() == set()


@pytest.mark.django_db
def test_a_broker_that_is_away_is_told(client: Client) -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"database": "ok", "migrations": "ok", "broker": "unreachable"},
    }


@pytest.mark.django_db
def test_a_broker_that_hangs_does_not_hang_us(client: Client, silent_server: int) -> None:
    began = time.monotonic()
    with override_settings(REDIS_URL=f"redis://127.0.0.1:{silent_server}/0"):
        answer = client.get("/readyz")
    assert answer.json()["checks"]["broker"] == "unreachable"
    assert time.monotonic() - began < 5


@pytest.mark.django_db
def test_a_database_that_hangs_does_not_hang_us(
    client: Client, silent_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {**settings.DATABASES["default"], "HOST": "127.0.0.1", "PORT": silent_server, "OPTIONS": {}}
    monkeypatch.setitem(connection.settings_dict, "HOST", elsewhere["HOST"])
    monkeypatch.setitem(connection.settings_dict, "PORT", elsewhere["PORT"])
    began = time.monotonic()
    answer = client.get("/readyz", query_params={"verbose": "1"})
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "does not answer", "migrations": "unknown", "broker": "ok"}
    assert answer.json()["details"] == {}, "and nothing more is asked of it"
    assert time.monotonic() - began < 5


@pytest.mark.django_db
def test_a_database_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", 1)
    with pytest.raises(NoAnswer, match="unreachable"):
        applied_migrations()


@pytest.mark.django_db
@pytest.mark.usefixtures("nobody_alive")
def test_workers_that_are_silent_are_told_and_no_reason_to_send_nobody_here(client: Client) -> None:
    give_sign("hooks@here", of=["hooks"])
    answer = client.get("/readyz?verbose=1")
    assert answer.status_code == 200
    details = answer.json()["details"]
    assert details["worker"]["level"] == details["beat"]["level"] == "alarm"
    assert details["hooks"] == {"level": "ok", "at": details["hooks"]["at"], "workers": 1}
    assert details["due"] == {"level": "ok", "number": 0, "more": False, "seconds": 0.0}
    assert details["disk"]["free"] > 0


@pytest.mark.django_db
def test_details_are_not_for_the_street(client: Client) -> None:
    assert client.get("/readyz?verbose", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert client.get("/readyz", REMOTE_ADDR="192.0.2.7").status_code == 200
    with override_settings(METRICS_TOKEN="sesame"):
        asked = {"authorization": "Bearer sesame"}
        assert client.get("/readyz?verbose", REMOTE_ADDR="192.0.2.7", headers=asked).status_code == 200


def test_the_release_is_that_of_the_project_file() -> None:
    assert f'version = "{VERSION}"' in (BASE_DIR / "pyproject.toml").read_text().splitlines()
