"""Each fault of tests/faults/breaking.py while facts come in: nothing is lost, and ten seconds later all is done."""

import logging
from collections.abc import Iterator

import pytest

from tests.faults.breaking import FAULTS, Fault, Impossible, Scene
from tests.faults.ingest import Sender
from tests.faults.proof import PATIENCE, converge, prove, prove_nothing_lost, wait_until, wait_until_back
from tests.running_app import RunningApp

SECONDS = 1.5
log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def scene(app: RunningApp, key: str) -> Iterator[Scene]:
    """One application for all of them; at the end all invariants hold."""
    yield Scene(app, key)
    prove(app)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_costs_only_seconds(scene: Scene, fault: Fault) -> None:
    app = scene.app
    with Sender(app.base_url, scene.key) as one, Sender(app.base_url, scene.key) as two:
        wait_until(lambda: len(one.acknowledged) > 100, patience=PATIENCE, what="ingest runs")
        try:
            fault.strike(scene, SECONDS)
        except Impossible as reason:
            pytest.skip(str(reason))
        before = len(two.acknowledged)
        wait_until(lambda: len(two.acknowledged) > before + 100, patience=PATIENCE, what="ingest goes on")
    wait_until_back(app)
    took = converge(app)
    prove_nothing_lost(app, one, two)
    refused = one.failures + two.failures
    assert fault.refuses or refused == 0
    # pytest -o log_cli=true shows it.
    log.warning("%s: %s refused, done %.1f s later", fault.name, refused, took)
