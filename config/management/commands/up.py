"""`manage.py up`: the whole application in the foreground of one terminal."""

import errno
import fcntl
import http.client
import logging
import os
import shutil
import socket
from argparse import ArgumentParser
from typing import IO, Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError, connections

from config.env import BadSetting, Environment
from config.first_start import collect_static, demo_logins, load_demo
from config.local.layout import Layout, LocalServicesError
from config.local.session import lease_for
from config.local.supervisor import Supervisor, end_left_overs, programs_of_up

logger = logging.getLogger("ripen.up")


class Command(BaseCommand):
    """Start services, migrate, load demo data on first start, then run web, worker and beat until Ctrl-C."""

    help = (
        "Run Ripen on this machine: PostgreSQL and Valkey (unless DATABASE_URL and REDIS_URL name others), migrations, "
        "demo data on the first start, then web, worker and beat until Ctrl-C."
    )
    requires_system_checks: list[str] = []  # they would ask the database before it runs
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="port on 127.0.0.1; 0 takes a free one")
        parser.add_argument("--state", help="state folder, instead of RIPEN_STATE_DIR")
        parser.add_argument("--empty", action="store_true", help="no demo data")
        parser.add_argument("--workers", type=int, help="processes of the background worker")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._run(port=options["port"], empty=options["empty"], workers=options["workers"])
        except (BadSetting, LocalServicesError) as error:
            self._stop_short(str(error))
        except OperationalError as error:
            self._stop_short(f"the database cannot be used: {str(error).strip().splitlines()[0]}")

    def _run(self, *, port: int, empty: bool, workers: int | None) -> None:
        layout: Layout = settings.LAYOUT
        layout.prepare()
        if workers is not None and workers < 1:
            self._stop_short("--workers must be at least 1")
        lock = self._take_the_state_folder(layout)
        end_left_overs(layout)
        port = self._free_port(port)
        lease = lease_for(Environment())
        try:
            logins = self._prepare(layout, empty=empty)
            metrics = layout.run_dir / "metrics"
            shutil.rmtree(metrics, ignore_errors=True)
            metrics.mkdir()
            address = f"http://127.0.0.1:{port}"
            environment = {
                "RIPEN_STATE_DIR": str(layout.root),
                "RIPEN_BASE_URL": os.environ.get("RIPEN_BASE_URL", "") or address,
                "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            }
            programs = programs_of_up(
                port=port, workers=workers or settings.WORKER_CONCURRENCY, environment=environment
            )
            supervisor = Supervisor(layout, lease, programs, show_output=settings.DEBUG)
            supervisor.run(
                is_ready=lambda: layout.worker_ready.exists() and _answers(port),
                on_ready=lambda: self._announce(address, logins, layout),
                on_delay=lambda: self._say(f"Not ready yet; {address}/readyz and {layout.log_dir} may say why."),
            )
            self._say("Stopped.")
        finally:
            connections.close_all()
            if lease is not None:
                lease.release(wait=True)
            lock.close()

    def _take_the_state_folder(self, layout: Layout) -> IO[str]:
        lock = layout.up_lock.open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            self._stop_short(f"Ripen already runs on {layout.root}: stop it first, or use another --state")
        return lock

    def _free_port(self, port: int) -> int:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError) as error:
                taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
                problem = "is in use" if taken else "cannot be used"
                self._stop_short(f"port {port} {problem}: choose another with --port")
            return int(probe.getsockname()[1])

    def _prepare(self, layout: Layout, *, empty: bool) -> dict[str, str]:
        call_command("migrate", interactive=False, verbosity=0)
        if not settings.DEBUG:
            collect_static(layout)
        if not settings.EMBEDDED:
            return {}
        logins = demo_logins(layout)
        if not empty:
            for step in load_demo(layout):
                self._say(step)
        return logins

    def _announce(self, address: str, logins: dict[str, str], layout: Layout) -> None:
        self._say(f"Ripen is ready at {address}")
        if logins:
            self._say("Demo logins:")
            width = max(map(len, logins))
            for email, password in logins.items():
                self._say(f"  {email:<{width}}  {password}")
        self._say(f"Logs are in {layout.log_dir}. Ctrl-C stops everything.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _stop_short(self, line: str) -> Any:
        raise CommandError(line) from None


def _answers(port: int) -> bool:
    """True when the web processes report that every part is in order."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
