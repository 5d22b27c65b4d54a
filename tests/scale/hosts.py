"""Several machines on this one: a server and worker hosts, each in a network namespace of its own.

PostgreSQL and Valkey listen on a bridge in the server's namespace; every worker host has one address and one cable, and
shares nothing else with the others: its state folder is its own. No address of this machine's network is used, and all
of it is gone when the block ends.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psycopg2

from config.env import BASE_DIR
from config.local.layout import Layout
from config.local.services import Postgres, Service, Valkey, postgres_bin

SERVER: Final = "10.77.0.1"
_CLONE_NEWNET: Final = 0x40000000
_TICKS: Final = os.sysconf("SC_CLK_TCK")
START_PATIENCE: Final = 120.0

# Who was judged from which address, how often: statement triggers, so that a batch costs one row more to write.
_WATCH: Final = """
CREATE TABLE IF NOT EXISTS seen (contact_id bigint, host inet, at timestamptz, what text);
CREATE OR REPLACE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen SELECT contact_id, inet_client_addr(), clock_timestamp(), TG_ARGV[0] FROM touched;
    RETURN NULL; END $$;
CREATE TRIGGER see_done AFTER DELETE ON contacts_due REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION see('drained');
CREATE TRIGGER see_moved AFTER INSERT ON scoring_transition REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION see('moved');
"""
# One fact for everybody, as record_events leaves it: the event, and who is due for it.
_NEWS: Final = """
WITH arrived AS (
    INSERT INTO contacts_event (contact_id, origin_contact_id, kind_id, occurred_at, received_at, channel, source_id,
        message_id, dedupe_id, body_digest, properties, suspect_reason)
    SELECT contact.id, contact.id, kind.id, now(), now(), '', (SELECT min(id) FROM contacts_source),
        'news-' || contact.id || '-' || txid_current(), gen_random_uuid(), 0, '{}', ''
    FROM contacts_contact AS contact, contacts_kind AS kind WHERE kind.name = %s AND contact.present
    RETURNING contact_id, occurred_at
)
INSERT INTO contacts_due (contact_id, occurred_at) SELECT contact_id, occurred_at FROM arrived ORDER BY random()
"""


def why_not() -> str:
    """What keeps this machine from having namespaces; empty where nothing does."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    if shutil.which("ip") is None:
        return "no ip (iproute2) on this machine"
    name = f"ripen-probe-{os.getpid()}"
    for command in (["add", name], ["exec", name, "true"], ["del", name]):
        done = subprocess.run(["ip", "netns", *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
            return f"this machine forbids network namespaces: {done.stderr.strip()}"
    return ""


def copy_cluster(socket_dir: Path, into: Path, *options: str) -> None:
    """Copy a running cluster, as it is now, into a folder that does not exist yet."""
    program = str(postgres_bin() / "pg_basebackup")
    command = [program, "-h", str(socket_dir), "-U", "ripen", "-D", str(into), "-c", "fast", "--no-sync", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"pg_basebackup: {done.stderr.strip()}")


class _Database(Postgres):
    """The embedded PostgreSQL, which listens to the bridge as well."""

    def command(self) -> list[str]:
        """Command line with the bridge's address."""
        return [*super().command(), "-c", f"listen_addresses={SERVER}"]

    def prepare(self) -> None:
        """Let the bridge's hosts in."""
        super().prepare()
        with (self.layout.postgres_data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {SERVER}/24 trust\n")


class _Broker(Valkey):
    """The embedded Valkey, which listens to the bridge as well."""

    def command(self) -> list[str]:
        """Command line with the bridge's address."""
        return [*super().command(), "--port", "6379", "--bind", SERVER, "--protected-mode", "no"]


class Host:
    """A machine that runs one worker."""

    def __init__(self, network: "Network", number: int) -> None:
        """Connect it; nothing runs yet."""
        self.network = network
        self.number = number
        self.address = f"10.77.0.{10 + number}"
        self.namespace = f"{network.name}-{number}"
        self.cable = f"cable{number}"
        self.worker: subprocess.Popen[bytes] | None = None
        self.state_dir = network.folder / f"host{number}"
        self.log = network.folder / f"host{number}.log"
        ip("netns", "add", self.namespace)
        ip("link", "add", self.cable, "netns", network.server, "type", "veth", "peer", "eth0", "netns", self.namespace)
        ip("-n", network.server, "link", "set", self.cable, "master", "bridge", "up")
        ip("-n", self.namespace, "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", self.namespace, "link", "set", device, "up")

    def start(self, *, concurrency: int = 1) -> None:
        """Start its worker, as docs/scale.md says."""
        ready = self.state_dir / "run" / "worker.ready"
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        # Webhooks go by a worker of their own in earnest; here nobody listens to any.
        queues = ["--queues", "celery,hooks", "--concurrency", str(concurrency)]
        command = [*_CELERY, "worker", *queues, "--hostname", f"celery@host{self.number}"]
        self.worker = self.network.start(self.namespace, command, self.log, self.state_dir)

    def stop(self) -> None:
        """End its worker."""
        stop(self.worker)
        self.worker = None

    def cut(self) -> None:
        """Pull its cable out."""
        ip("-n", self.network.server, "link", "set", self.cable, "down")

    def mend(self) -> None:
        """Put its cable in again."""
        ip("-n", self.network.server, "link", "set", self.cable, "up")

    def seconds(self) -> float:
        """Processor seconds that its processes have used."""
        shown = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=True)
        return sum(processor_seconds(int(pid)) for pid in shown.stdout.split())


class Network:
    """The bridge, the server on it, and its hosts."""

    def __init__(self, folder: Path, database: str) -> None:
        """Nothing is there yet; ``database`` is the one that its hosts work on."""
        self.database = database
        self.folder = folder
        self.name = f"ripen-{os.getpid()}"
        self.server = f"{self.name}-server"
        self.layout = Layout(folder / "server")
        self.hosts: list[Host] = []
        self.beat: subprocess.Popen[bytes] | None = None
        self.secret = secrets.token_urlsafe(48)
        self.services: list[Service] = []

    def open(self, *, durable: bool, copy_of: Path | None) -> None:
        """Make the bridge and start PostgreSQL and Valkey there."""
        ip("netns", "add", self.server)
        ip("-n", self.server, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.server, "address", "add", f"{SERVER}/24", "dev", "bridge")
        for device in ("lo", "bridge"):
            ip("-n", self.server, "link", "set", device, "up")
        self.layout.prepare()
        if copy_of is not None:
            copy_cluster(copy_of, self.layout.postgres_data)
        self.services = [_Database(self.layout, durable=durable), _Broker(self.layout)]
        with inside(self.server):
            for service in self.services:
                service.start()
        for service in self.services:
            service.wait()

    def add_hosts(self, count: int) -> list[Host]:
        """Connect further hosts."""
        for _ in range(count):
            self.hosts.append(Host(self, len(self.hosts) + 1))
        return self.hosts[-count:]

    def environment(self, state_dir: Path, *, local: bool) -> dict[str, str]:
        """What a process is told: the server's address, or its sockets where it runs beside it."""
        where = f"@/{self.database}?host={self.layout.socket_dir}" if local else f"@{SERVER}:5432/{self.database}"
        broker = f"unix://{self.layout.valkey_socket}?db=0" if local else f"redis://{SERVER}:6379/0"
        ours = {
            "DATABASE_URL": f"postgresql://ripen{where}",
            "REDIS_URL": broker,
            "SECRET_KEY": self.secret,
            "RIPEN_STATE_DIR": str(state_dir),
            "RIPEN_LOG_LEVEL": "WARNING",
            "EMAIL_URL": "console:",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        return {**os.environ, **ours}

    def manage(self, *arguments: str) -> str:
        """Run a manage.py command beside the server; what it printed. A failure raises with its words."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment(self.folder / "manage", local=True),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"manage.py {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done.stdout

    def start(self, namespace: str, command: list[str], log: Path, state_dir: Path) -> "subprocess.Popen[bytes]":
        """Start a program on a machine."""
        state_dir.mkdir(parents=True, exist_ok=True)
        environment = self.environment(state_dir, local=False)
        with inside(namespace), log.open("ab") as output:
            return subprocess.Popen(
                command, cwd=BASE_DIR, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def start_beat(self) -> None:
        """Start beat on the server."""
        self.beat = self.start(
            self.server,
            [*_CELERY, "beat", "--pidfile=", "--loglevel", "WARNING"],
            self.folder / "beat.log",
            self.folder / "beat",
        )

    def connect(self) -> Any:
        """A connection that commits each statement; the caller closes it."""
        connection = psycopg2.connect(dbname=self.database, user="ripen", host=str(self.layout.socket_dir))
        connection.autocommit = True
        return connection

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement; its rows, if it has any."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def wait_until(self, what: Callable[[], bool], patience: float = START_PATIENCE) -> float:
        """Wait until it is so; seconds that took. Fails with the ends of all logs."""
        began = time.monotonic()
        while not what():
            if time.monotonic() - began > patience:
                raise AssertionError(f"not within {patience:.0f} s:\n{self.logs()}")
            time.sleep(0.02)
        return time.monotonic() - began

    def wait_until_ready(self, hosts: list[Host]) -> None:
        """Wait until the hosts' workers take tasks."""
        ready = [host.state_dir / "run" / "worker.ready" for host in hosts]
        self.wait_until(lambda: all(file.exists() for file in ready))

    def logs(self) -> str:
        """The end of every log file."""
        files = [*sorted(self.folder.glob("*.log")), *sorted(self.layout.log_dir.glob("*.log"))]
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}" for path in files)

    @property
    def postgres_pid(self) -> int:
        """Process id of PostgreSQL itself: unshare and setpriv, which were started, have become it."""
        process = self.services[0].process
        return 0 if process is None else process.pid

    def postgres_seconds(self) -> float:
        """Processor seconds that PostgreSQL has used, with all its backends, ended ones included."""
        shown = subprocess.run(
            ["ps", "--ppid", str(self.postgres_pid), "-o", "pid="], capture_output=True, text=True, check=False
        )
        live = sum(processor_seconds(int(pid)) for pid in shown.stdout.split())
        return live + processor_seconds(self.postgres_pid, ended_children=True)

    def close(self) -> None:
        """End everything and take the namespaces away."""
        for host in self.hosts:
            host.stop()
        stop(self.beat)
        for service in reversed(self.services):
            service.stop()
        for namespace in (*(host.namespace for host in self.hosts), self.server):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)


_CELERY: Final = [sys.executable, "-m", "celery", "-A", "config.celery"]


@contextlib.contextmanager
def network(*, durable: bool = False, copy_of: Path | None = None, database: str = "ripen") -> Iterator[Network]:
    """A server with no host yet; everything is removed afterwards.

    ``copy_of``: the socket folder of a running cluster whose databases the server begins with; otherwise it has one
    empty database. ``durable`` off skips fsync.
    """
    with tempfile.TemporaryDirectory(prefix="ripen-hosts-", ignore_cleanup_errors=True) as folder:
        made = Network(Path(folder), database)
        try:
            made.open(durable=durable, copy_of=copy_of)
            yield made
        finally:
            made.close()


def watch(made: Network) -> None:
    """From now on note in table ``seen`` which host judged whom."""
    made.ask(_WATCH)


def bring_news(made: Network, *, kind: str = "asset_downloaded") -> None:
    """Let everybody do one thing more: all are due."""
    made.ask(_NEWS, kind)
    made.ask("VACUUM ANALYZE contacts_due")
    made.ask("VACUUM ANALYZE contacts_event")


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Whatever this thread starts in the block has the namespace's network."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(path: str) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(handle, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter {path}")
        finally:
            os.close(handle)

    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(f"/run/netns/{namespace}")
        yield
    finally:
        enter(f"/proc/self/fd/{home}")
        os.close(home)


def ip(*arguments: str) -> None:
    """Run `ip`; a failure raises with its words."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def stop(process: "subprocess.Popen[bytes] | None") -> None:
    """End a program: politely, and by force where it does not."""
    if process is None:
        return
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def processor_seconds(pid: int, *, ended_children: bool = False) -> float:
    """Processor seconds of a process; 0 once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    wanted = (11, 12, 13, 14) if ended_children else (11, 12)
    return sum(int(fields[place]) for place in wanted) / _TICKS
