"""The environment: what it means, and the one line it says when it cannot be used."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.env import BASE_DIR, VARIABLES, BadSetting, Environment
from config.settings import ENV


def test_nothing_set_means_embedded(tmp_path: Path) -> None:
    env = Environment({"RIPEN_STATE_DIR": str(tmp_path)})
    assert env.embedded_database
    assert env.embedded_broker
    assert env.database("/run/here")["HOST"] == "/run/here"
    assert env.redis("/run/here/v.sock") == "unix:///run/here/v.sock?db=0"
    assert env.mail()["EMAIL_FILE_PATH"] == str(tmp_path / "mail")
    assert not env.debug


@pytest.mark.parametrize(("value", "whose"), [("", ""), ("0", ""), ("1", "all"), ("yes", "all"), ("Admins", "admins")])
def test_a_second_factor_is_demanded_of_nobody_of_administrators_or_of_everybody(value: str, whose: str) -> None:
    assert Environment({"RIPEN_REQUIRE_SECOND_FACTOR": value}).second_factor_of == whose
    with pytest.raises(BadSetting, match="RIPEN_REQUIRE_SECOND_FACTOR is none of 0, 1 and admins"):
        _ = Environment({"RIPEN_REQUIRE_SECOND_FACTOR": "reps"}).second_factor_of


def test_the_default_state_folder_lies_beside_manage_py() -> None:
    assert Environment({}).state_dir == BASE_DIR / ".ripen"


def test_a_database_url_is_taken_apart() -> None:
    env = Environment({"DATABASE_URL": "postgresql://jo:p%40ss%2F@db.example:5433/my%20base?sslmode=require"})
    assert env.database("") == {
        "NAME": "my base",
        "USER": "jo",
        "PASSWORD": "p@ss/",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_a_database_may_listen_on_a_socket() -> None:
    database = Environment({"DATABASE_URL": "postgres:///base?host=/run/postgresql"}).database("")
    assert (database["HOST"], database["NAME"], database["OPTIONS"]) == ("/run/postgresql", "base", {})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", {"EMAIL_PORT": 25, "EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False}),
        ("smtp+tls://a:b@mail.example", {"EMAIL_PORT": 587, "EMAIL_USE_TLS": True, "EMAIL_HOST_PASSWORD": "b"}),
        ("smtps://mail.example:4465", {"EMAIL_PORT": 4465, "EMAIL_USE_SSL": True}),
        ("console:", {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
        ("file:///var/mail", {"EMAIL_FILE_PATH": "/var/mail"}),
    ],
)
def test_mail_leaves_as_the_url_says(url: str, expected: dict[str, Any]) -> None:
    mail = Environment({"EMAIL_URL": url}).mail()
    assert {name: mail[name] for name in expected} == expected


def test_hosts_and_origins_follow_from_the_base_url() -> None:
    env = Environment({"RIPEN_BASE_URL": "https://ripen.example.com/", "ALLOWED_HOSTS": "crm.example.com, "})
    assert env.base_url == "https://ripen.example.com"
    assert env.allowed_hosts == ["crm.example.com", "ripen.example.com", "localhost", "127.0.0.1", "[::1]"]
    assert env.trusted_origins == ["https://ripen.example.com"]


def test_an_empty_value_counts_as_unset() -> None:
    assert Environment({"DATABASE_URL": "  ", "DEBUG": ""}).embedded_database


def test_an_undeclared_variable_cannot_be_read() -> None:
    with pytest.raises(KeyError, match="not declared"):
        Environment({"OTHER": "1"}).text("OTHER")


def test_the_secret_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    env = Environment({"RIPEN_STATE_DIR": str(tmp_path / "state")})
    key = env.secret_key()
    assert len(key) >= 50
    assert env.secret_key() == key
    path = tmp_path / "state" / "secret_key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret_key"]


BAD: list[tuple[dict[str, str], Callable[[Environment], object]]] = [
    ({"DATABASE_URL": "mysql://a@b/c"}, lambda env: env.database("")),
    ({"DATABASE_URL": "postgresql://a@b"}, lambda env: env.database("")),
    ({"DATABASE_URL": "postgresql://a@b:port/c"}, lambda env: env.database("")),
    ({"DATABASE_URL": "postgresql://[a/c"}, lambda env: env.database("")),
    ({"REDIS_URL": "amqp://a"}, lambda env: env.redis("")),
    ({"REDIS_URL": "redis://"}, lambda env: env.redis("")),
    ({"SECRET_KEY": "tiny"}, lambda env: env.secret_key()),
    ({"DATABASE_URL": "postgresql://a@b/c", "SECRET_KEY": ""}, lambda env: env.secret_key()),
    ({"DEBUG": "maybe"}, lambda env: env.debug),
    ({"ALLOWED_HOSTS": "https://a.example"}, lambda env: env.allowed_hosts),
    ({"CSRF_TRUSTED_ORIGINS": "a.example"}, lambda env: env.trusted_origins),
    ({"RIPEN_BASE_URL": "ripen.example.com"}, lambda env: env.base_url),
    ({"RIPEN_LOG_LEVEL": "loud"}, lambda env: env.log_level),
    ({"EMAIL_URL": "pigeon://a"}, lambda env: env.mail()),
    ({"SENTRY_DSN": "yes"}, lambda env: env.sentry_dsn()),
    ({"RIPEN_STATE_DIR": __file__}, lambda env: env.state_dir),
    ({"WEB_THREADS": "0"}, lambda env: env.integer("WEB_THREADS", 4, least=1, most=64)),
    ({"WEB_THREADS": "four"}, lambda env: env.integer("WEB_THREADS", 4, least=1, most=64)),
]


@pytest.mark.parametrize(("values", "read"), BAD)
def test_a_bad_value_names_its_variable_in_one_line(
    values: dict[str, str], read: Callable[[Environment], object]
) -> None:
    with pytest.raises(BadSetting) as caught:
        read(Environment(values))
    name = next(reversed(values))
    line = str(caught.value)
    assert line.startswith(f"{name} ")
    assert ": " in line
    assert "\n" not in line
    assert not values[name] or values[name] not in line.split(": ", 1)[0]


def command(values: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env={**kept, "DJANGO_SETTINGS_MODULE": "config.settings", **values},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("manage.py", "up"),
        ("manage.py", "check"),
        ("-m", "celery", "-A", "config.celery", "worker"),
    ],
)
def test_the_start_stops_with_that_line_alone(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = command({"RIPEN_STATE_DIR": str(tmp_path), "RIPEN_LOG_LEVEL": "loud"}, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "ripen: RIPEN_LOG_LEVEL is not a log level: use one of DEBUG, INFO, WARNING, ERROR, CRITICAL\n"
    )


def test_every_variable_is_documented_and_nothing_else_is() -> None:
    text = (BASE_DIR / "docs" / "configuration.md").read_text()
    documented = re.findall(r"^\| `([A-Z_]+)` \|", text, flags=re.MULTILINE)
    assert sorted(documented) == sorted(VARIABLES)


def test_tests_never_use_the_state_folder_of_people() -> None:
    assert ENV.state_dir != BASE_DIR / ".ripen"
