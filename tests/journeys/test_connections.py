"""What tasks cost before they do anything: none makes a connection to the database of its own."""

import time

from tests.faults.proof import fetch
from tests.running_app import RunningApp

SECONDS = 10.0
# At rest beat sends some thirty tasks in that time. A connection may grow too old, and this test makes two itself.
NEW_CONNECTIONS = 10


def connections_so_far(app: RunningApp) -> int:
    ((sessions,),) = fetch(app, "SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
    return int(sessions)


def test_tasks_use_the_connections_of_those_before_them(running_app: RunningApp) -> None:
    before = connections_so_far(running_app)
    time.sleep(SECONDS)
    assert connections_so_far(running_app) - before < NEW_CONNECTIONS
