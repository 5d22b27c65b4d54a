"""A streaming replica of the test session's PostgreSQL."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

from config.local.layout import Layout
from config.local.services import Postgres
from tests.scale.hosts import copy_cluster


class Standby(Postgres):
    """Replays what the primary writes, at once, and cancels whatever query is in the way of that."""

    def __init__(self, folder: Path, primary: Path) -> None:
        """Copy the primary that listens in this folder; nothing runs yet."""
        super().__init__(Layout(folder), durable=False)
        self.layout.prepare()
        copy_cluster(primary, self.layout.postgres_data)
        (self.layout.postgres_data / "standby.signal").touch()
        with (self.layout.postgres_data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'host={primary} user=ripen application_name=standby'\n")
            settings.write("max_standby_streaming_delay = 0\nwal_receiver_status_interval = 100ms\n")

    @property
    def host(self) -> str:
        """Where it listens."""
        return str(self.layout.socket_dir)

    def ask(self, sql: str, *, database: str = "ripen") -> Any:
        """One value."""
        with contextlib.closing(psycopg2.connect(dbname=database, user="ripen", host=self.host)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchone()[0]

    def pause(self) -> None:
        """Go on receiving, but replay nothing."""
        self.ask("SELECT pg_wal_replay_pause()")
        while self.ask("SELECT pg_get_wal_replay_pause_state()") != "paused":
            pass

    def resume(self) -> None:
        """Replay again."""
        self.ask("SELECT pg_wal_replay_resume()")


@contextlib.contextmanager
def standby_of(primary: Path) -> Iterator[Standby]:
    """A replica that streams from the primary in this socket folder; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ripen-standby-", ignore_cleanup_errors=True) as folder:
        made = Standby(Path(folder) / "state", primary)
        made.start()
        made.wait()
        try:
            yield made
        finally:
            made.stop()
