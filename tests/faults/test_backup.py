"""A backup taken while facts come in, restored elsewhere: all that was acknowledged before it began is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.env import BASE_DIR
from config.local.processes import unprivileged
from config.local.services import postgres_bin
from tests.faults.ingest import Sender
from tests.faults.proof import PATIENCE, wait_until
from tests.running_app import RunningApp, app_environment

_PLAIN = {"PATH": os.defpath, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def tool(socket_dir: Path, name: str, *options: str) -> None:
    """One of PostgreSQL's own programs, as the server's user."""
    command = [str(postgres_bin() / name), "--host", str(socket_dir), "--username", "ripen", *options]
    done = subprocess.run(
        unprivileged(command, death_signal="KILL"), env=_PLAIN, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr


def manage(state: Path, *arguments: str) -> str:
    """A command on the restored state, which starts the services for its own duration."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env=app_environment(state),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


# What was due when the backup was taken is judged first, as the worker of a restored installation would.
_PROVE = """
import json, pathlib
from django.core.management import call_command
from django.utils import timezone
from contacts.models import Event
from funnel.services.consequences import draw_consequences
from funnel.services.counting import count_due
from funnel.services.hooks.messages import take_announcements
from funnel.services.notices.telling import tell_announcements
call_command("drain", "--until-empty", verbosity=0)
while draw_consequences(now=timezone.now()) or count_due(now=timezone.now()):
    pass
while tell_announcements(now=timezone.now()) or take_announcements(now=timezone.now()):
    pass
sent = json.loads(pathlib.Path({file!r}).read_text())
found = dict(Event.objects.filter(message_id__in=sent).values_list("message_id", "contact__email"))
print(json.dumps([len(sent), sum(found.get(one) == address for one, address in sent.items())]))
call_command("verify")
"""


@pytest.mark.parametrize("way", ["pg_basebackup", "pg_dump"])
def test_what_was_acknowledged_before_a_backup_began_is_in_it(app: RunningApp, tmp_path: Path, way: str) -> None:
    key = app.run("create_source", way).splitlines()[-1]
    restored = tmp_path / "restored"
    restored.mkdir(mode=0o700)
    with Sender(app.base_url, key) as sender:
        wait_until(lambda: len(sender.acknowledged) > 500, patience=PATIENCE, what="ingest runs")
        before = dict(sender.acknowledged)
        if way == "pg_basebackup":
            folder = restored / "postgres"
            tool(app.layout.socket_dir, way, "--pgdata", str(folder), "--checkpoint=fast", "--wal-method=stream")
        else:
            dumped = tmp_path / "ripen.dump"
            tool(app.layout.socket_dir, way, "--format=custom", "--dbname=ripen", f"--file={dumped}")
        assert len(sender.acknowledged) > len(before), "facts came in all the time"
    if way == "pg_dump":
        tool(app.layout.socket_dir, "psql", "--dbname=postgres", "--quiet", "--command=CREATE DATABASE restored")
        tool(app.layout.socket_dir, "pg_restore", "--dbname=restored", "--exit-on-error", str(dumped))
        state, name = app.state_dir, "restored"
    else:
        state, name = restored, "ripen"
    ledger = tmp_path / "ledger.json"
    ledger.write_text(json.dumps(before))
    prelude = f"from django.db import connection; connection.settings_dict['NAME'] = {name!r}; connection.close()\n"
    printed = manage(state, "shell", "--no-imports", "-c", prelude + _PROVE.format(file=str(ledger)))
    sent, found = json.loads(next(line for line in printed.splitlines() if line.startswith("[")))
    assert sent == found == len(before)
