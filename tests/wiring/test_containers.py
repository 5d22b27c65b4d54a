"""The container files, as far as they can be judged without an engine."""

import re
from typing import Any

import pytest
import yaml

from config.env import BASE_DIR, VARIABLES
from config.local.supervisor import HOOKS, RUNS

APP = ("migrate", "web", "worker", "runs", "hooks", "beat")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())
    return document


def test_the_services_are_those_of_the_design(compose: dict[str, Any]) -> None:
    assert sorted(compose["services"]) == ["beat", "db", "hooks", "migrate", "redis", "runs", "web", "worker"]
    for name in ("web", "worker", "runs", "hooks", "beat"):
        assert compose["services"][name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_every_container_has_the_least_it_needs(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
    assert {name for name, service in compose["services"].items() if "ports" in service} == {"web"}
    assert all(port.startswith("127.0.0.1:") for port in compose["services"]["web"]["ports"])
    assert compose["networks"]["inside"] == {"internal": True}
    for name in ("db", "redis", "beat", "migrate"):
        assert compose["services"][name]["networks"] == ["inside"], name


def test_every_lasting_container_can_be_asked_how_it_is(compose: dict[str, Any]) -> None:
    for name in ("db", "redis", "web", "worker", "runs", "hooks"):
        assert compose["services"][name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name


def test_the_file_holds_no_secret_and_insists_on_them(compose: dict[str, Any]) -> None:
    for name in APP:
        environment = compose["services"][name]["environment"]
        assert environment["SECRET_KEY"] == "${SECRET_KEY:?set it in .env}"
        assert "${POSTGRES_PASSWORD:?set it in .env}" in environment["DATABASE_URL"]
    assert compose["services"]["db"]["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:?set it in .env}"


def test_containers_know_every_variable_and_no_other(compose: dict[str, Any]) -> None:
    given = set(compose["services"]["web"]["environment"])
    assert given - set(VARIABLES) == set()
    # Not for containers: development, and what has a sensible default there.
    assert set(VARIABLES) - given == {"DEBUG", "RIPEN_DATABASE_MAX_AGE"}


def test_long_work_and_webhooks_have_workers_of_their_own(compose: dict[str, Any]) -> None:
    command = compose["services"]["runs"]["command"]
    assert command[:3] == ["celery", "-A", "config.celery"]
    assert command[3 : 3 + len(RUNS)] == list(RUNS), "as `manage.py up` starts it"
    hooks = compose["services"]["hooks"]["command"]
    assert hooks[3 : 3 + len(HOOKS)] == list(HOOKS)
    assert "--queues" not in compose["services"]["worker"]["command"], "and the other takes the default queue alone"


def test_the_image_holds_what_the_application_needs() -> None:
    text = (BASE_DIR / "Dockerfile").read_text()
    copied = set(re.findall(r"^COPY (\S+) \S+$", text, flags=re.MULTILINE))
    assert {"config", "contacts", "scoring", "funnel", "templates", "static", "manage.py", "requirements.txt"} <= copied
    shown = {line[1:] for line in (BASE_DIR / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied <= shown
    stages = text.split("\nFROM ")[1:]
    assert "USER ripen" in stages[-1]
    assert "--require-hashes" in stages[0]
    assert 'CMD ["gunicorn"' in stages[-1]
