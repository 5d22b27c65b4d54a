"""What every test has: the services, Django set up, and no way to the network but loopback."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from pytest_django.plugin import blocking_manager_key

from tests import network, services

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
# Playwright runs an event loop in the test's thread; Django would refuse database calls there.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
network.forbid()
services.start()

import django  # noqa: E402  the services' addresses must be known first

django.setup()

from django.conf import settings  # noqa: E402

from tests.running_app import RunningApp, start_app  # noqa: E402

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "default")


@dataclass(frozen=True, slots=True)
class LiveServices:
    """The services of this test session."""

    state_dir: Path
    database: dict[str, Any]
    redis_url: str


@pytest.fixture(scope="session")
def live_services() -> LiveServices:
    """Where PostgreSQL and Valkey of this session are."""
    return LiveServices(settings.STATE_DIR, dict(settings.DATABASES["default"]), settings.REDIS_URL)


@pytest.fixture(scope="session")
def running_app() -> Iterator[RunningApp]:
    """The whole application, shared by all tests of the session: leave it running and healthy."""
    with start_app() as app:
        yield app


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Let pytest-playwright use the machine's own chromium; without one, skip and say so, or fail where CI is true."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        reason = "no chromium on this machine: browser tests need one (make test installs it where root)"
        if IN_CI:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return {**browser_type_launch_args, "executable_path": found, "args": ["--no-sandbox", "--disable-dev-shm-usage"]}


_flushed = False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give a test that rolls back what migrations ship, where one before it on this worker has emptied the tables.

    pytest-django runs emptying tests last, but each of xdist's workers takes whole files as they come.
    """
    global _flushed  # noqa: PLW0603  one database a process, one memory of it
    marker = item.get_closest_marker("django_db")
    fixtures: list[str] = getattr(item, "fixturenames", [])
    empties = "transactional_db" in fixtures or (marker is not None and bool(marker.kwargs.get("transaction")))
    if not empties and marker is None and "db" not in fixtures:
        return
    if empties and not (marker and marker.kwargs.get("serialized_rollback")):
        # Else Django fills the tables it has emptied with content types of other ids, and no later test can be given
        # what migrations ship.
        pytest.fail(
            "a test that empties tables needs django_db(transaction=True, serialized_rollback=True)", pytrace=False
        )
    if _flushed and not empties:
        from django.db import connections

        with item.config.stash[blocking_manager_key].unblock():
            connection = connections["default"]
            shipped: str = vars(connection)["_test_serialized_contents"]
            connection.creation.deserialize_db_from_string(shipped)
    _flushed = empties
