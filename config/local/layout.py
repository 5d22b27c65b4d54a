"""Where the embedded mode keeps its things: one folder, open to its owner only."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# The kernel's sockaddr_un holds 108 bytes with the closing NUL; macOS has 104.
_LONGEST_SOCKET_PATH: Final = 103
_LONGEST_SOCKET_NAME: Final = ".s.PGSQL.5432.lock"


class LocalServicesError(Exception):
    """The local services cannot be used; the text is the one line a person needs."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths inside one state folder."""

    root: Path

    @property
    def postgres_data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "postgres"

    @property
    def valkey_data(self) -> Path:
        """Valkey's working directory."""
        return self.root / "valkey"

    @property
    def log_dir(self) -> Path:
        """Log files of the services."""
        return self.root / "log"

    @property
    def run_dir(self) -> Path:
        """Sockets and lock files."""
        return self.root / "run"

    @property
    def users_lock(self) -> Path:
        """Held shared by everyone who uses the services."""
        return self.run_dir / "users.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the process that keeps the services running."""
        return self.run_dir / "keeper.lock"

    @property
    def start_lock(self) -> Path:
        """Held while looking whether a keeper must be started."""
        return self.run_dir / "start.lock"

    @property
    def up_lock(self) -> Path:
        """Held by `manage.py up`."""
        return self.run_dir / "up.lock"

    @property
    def services_file(self) -> Path:
        """Process ids of the keeper and its services, as JSON."""
        return self.run_dir / "services.json"

    @property
    def pids_file(self) -> Path:
        """Process ids of `up` and what it supervises, as JSON."""
        return self.root / "pids.json"

    @property
    def worker_ready(self) -> Path:
        """Touched by the worker when it takes tasks."""
        return self.run_dir / "worker.ready"

    @property
    def runs_ready(self) -> Path:
        """Touched by the worker of long work when it takes tasks."""
        return self.run_dir / "runs.ready"

    @property
    def hooks_ready(self) -> Path:
        """Touched by the worker of webhooks when it takes tasks."""
        return self.run_dir / "hooks.ready"

    @property
    def demo_logins(self) -> Path:
        """E-mail addresses and passwords of the demo users, as JSON, readable by the owner only."""
        return self.root / "demo_logins.json"

    @property
    def socket_dir(self) -> Path:
        """Folder to reach the sockets through: `run_dir`, or a short link to it where its path is too long."""
        if len(os.fsencode(self.run_dir / _LONGEST_SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
            return self.run_dir
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"ripen-{os.geteuid()}-{digest}"

    @property
    def valkey_socket(self) -> Path:
        """Where Valkey listens."""
        return self.socket_dir / "valkey.sock"

    def prepare(self) -> None:
        """Make the folders, owner only, and the short link where one is needed."""
        try:
            for folder in (self.root, self.run_dir, self.log_dir, self.valkey_data):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.root.stat().st_uid != os.geteuid():
                raise LocalServicesError(f"{self.root} belongs to another user: use a state folder of your own")
            self.root.chmod(0o700)
        except OSError as error:
            raise LocalServicesError(f"{self.root} cannot be used ({error.strerror}): set RIPEN_STATE_DIR") from None
        if self.socket_dir != self.run_dir:
            self._link_sockets()

    def _link_sockets(self) -> None:
        link = self.socket_dir
        try:
            link.symlink_to(self.run_dir, target_is_directory=True)
        except FileExistsError:
            # The temporary folder is shared: a link someone else placed there could lead to their server.
            if link.lstat().st_uid != os.geteuid() or not link.is_symlink() or link.readlink() != self.run_dir:
                raise LocalServicesError(f"{link} is in the way: remove it, or set a shorter RIPEN_STATE_DIR") from None
