"""The keeper: one detached process a state folder that runs the services while anybody uses them.

Users hold a shared lock on `users.lock`, which the kernel drops however they end. When the keeper gets that lock
for itself nobody is left, and it stops the services; a newcomer meanwhile waits at the lock and starts a new keeper.
The services die with the keeper (their death signal), so no way of killing leaves an orphan.

Run as `python -m config.local.keeper STATE_DIR [--throw-away] [--without postgres|valkey]`; the first line of
stdout is `ready`, or the one line that says why not.
"""

import argparse
import fcntl
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final

from config.local.layout import Layout, LocalServicesError
from config.local.processes import check_unprivileged
from config.local.restarts import Restarts
from config.local.services import Postgres, Service, Valkey

_LOOK_EVERY: Final = 0.1

logger = logging.getLogger("ripen.keeper")


class Keeper:
    """Starts, watches, restarts and stops the services of one state folder."""

    def __init__(self, layout: Layout, services: list[Service]) -> None:
        """Nothing runs yet."""
        self.layout = layout
        self.services = services
        self.asked_to_stop = False
        self._restarts = {service.name: Restarts() for service in services}

    def start(self) -> None:
        """Start all services side by side and wait until they answer."""
        try:
            for service in self.services:
                service.start()
            for service in self.services:
                service.wait()
        except BaseException:
            self.stop()
            raise
        self._note()

    def keep(self) -> None:
        """Watch until nobody uses the services any more or the keeper is asked to stop."""
        inode = self.layout.users_lock.stat().st_ino
        with self.layout.users_lock.open("a") as users:
            while not self.asked_to_stop and _same_file(self.layout.users_lock, inode):
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._restart_fallen()
                    time.sleep(_LOOK_EVERY)
                    continue
                break
            # Still holding the lock: whoever comes now waits until everything has ended.
            self.stop()

    def stop(self) -> None:
        """Stop all services, the last one started first."""
        for service in reversed(self.services):
            service.stop()
        self.layout.services_file.unlink(missing_ok=True)

    def _restart_fallen(self) -> None:
        now = time.monotonic()
        for service in self.services:
            if service.process is None or service.process.poll() is None:
                continue
            restarts = self._restarts[service.name]
            pause = restarts.fell(now)
            if pause is not None:
                logger.warning("%s ended (%s), again in %s s", service.name, service.process.returncode, pause)
            if restarts.may_start(now):
                try:
                    service.start()
                except LocalServicesError:
                    logger.exception("%s does not start", service.name)
                self._note()

    def _note(self) -> None:
        pids = {service.name: service.process.pid for service in self.services if service.process is not None}
        fresh = self.layout.services_file.with_suffix(".new")
        fresh.write_text(json.dumps({"keeper": os.getpid(), **pids}))
        fresh.replace(self.layout.services_file)


def _same_file(path: Path, inode: int) -> bool:
    """False once the state folder has been removed or replaced under the keeper."""
    try:
        return path.stat().st_ino == inode
    except OSError:
        return False


def main() -> int:
    """Keep the services of one state folder; 0 after a proper end, 1 when they do not start, 3 when kept already."""
    parser = argparse.ArgumentParser(prog="config.local.keeper")
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--throw-away", action="store_true")
    parser.add_argument("--without", action="append", default=[], choices=["postgres", "valkey"])
    options = parser.parse_args()
    os.umask(0o077)
    layout = Layout(options.state_dir)
    logging.basicConfig(
        filename=layout.log_dir / "keeper.log", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    possible: list[Service] = [Postgres(layout, durable=not options.throw_away), Valkey(layout)]
    keeper = Keeper(layout, [service for service in possible if service.name not in options.without])

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        keeper.asked_to_stop = True

    with layout.keeper_lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 3
        signal.signal(signal.SIGTERM, ask_to_stop)
        signal.signal(signal.SIGINT, ask_to_stop)
        try:
            check_unprivileged()
            keeper.start()
        except LocalServicesError as error:
            print(error, flush=True)  # noqa: T201  read by the process that started the keeper
            return 1
        print("ready", flush=True)  # noqa: T201
        logger.info("keeping %s", ", ".join(service.name for service in keeper.services))
        _leave_the_pipe()
        keeper.keep()
    return 0


def _leave_the_pipe() -> None:
    """Let go of the starter's pipe, so that nobody waits for its end."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
