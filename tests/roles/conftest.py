"""The same small world as the funnel's tests use."""

import pytest

from tests.funnel.conftest import World


@pytest.fixture
def world(db: None) -> World:
    return World()
