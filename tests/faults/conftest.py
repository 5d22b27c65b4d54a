"""One application for all tests here that break things and let them mend themselves."""

from collections.abc import Iterator

import pytest

from tests.running_app import RunningApp, start_app


@pytest.fixture(scope="package")
def app() -> Iterator[RunningApp]:
    """An application of this folder's own, to break; each module leaves it healthy."""
    with start_app() as app:
        yield app


@pytest.fixture(scope="package")
def key(app: RunningApp) -> str:
    """A source's write key."""
    return app.run("create_source", "faults").splitlines()[-1]
