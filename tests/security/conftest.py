"""The small world of the funnel's tests."""

import pytest

from tests.funnel.conftest import World


@pytest.fixture
def world(db: None) -> World:
    return World()
