"""The documented proxy (docs/examples/proxy/nginx.conf) before a running application: only places differ."""

import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from config.env import BASE_DIR
from tests.faults.breaking import Impossible
from tests.funnel.hooks.receiver import make_certificates
from tests.running_app import RunningApp

# What nginx would keep in /var/lib/nginx, which is there only where it is installed.
_KEPT = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CONFIGURATION = BASE_DIR / "docs" / "examples" / "proxy" / "nginx.conf"


@dataclass(frozen=True)
class Proxy:
    """A running proxy: its two ports on this machine, and whom its certificate is to be checked against."""

    http: int
    https: int
    folder: Path

    def connect(self, port: int) -> socket.socket:
        """A connection on which nothing was said."""
        return socket.create_connection(("127.0.0.1", port), timeout=10)

    def speak(self) -> ssl.SSLSocket:
        """A connection with TLS on it."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(self.connect(self.https), server_hostname="ripen.example.com")

    def ask(self, request: str) -> tuple[int, str]:
        """Status and the whole answer of one request, written as it goes over the wire."""
        with self.speak() as connection:
            connection.sendall(request.replace("\n", "\r\n").encode())
            parts = []
            while part := connection.recv(65_536):
                parts.append(part)
        answer = b"".join(parts).decode(errors="replace")
        return int(answer.split(" ", 2)[1]), answer


def get(path: str, **headers: str) -> str:
    """A request for a page, after which the connection is closed."""
    more = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n{more}\n"


@contextmanager
def start_proxy(app: RunningApp) -> Iterator[Proxy]:
    """The proxy before ``app``; Impossible where there is no nginx."""
    program = shutil.which("nginx", path=os.pathsep.join((os.defpath, "/usr/sbin", f"{sys.prefix}/nginx/usr/sbin")))
    if program is None:
        raise Impossible("no nginx on this machine (make test installs it where root)")
    with tempfile.TemporaryDirectory(prefix="ripen-proxy-") as name:
        folder = Path(name)
        # Its workers are nobody's.
        folder.chmod(0o755)
        make_certificates(folder)
        http, https = _free_ports(2)
        text = CONFIGURATION.read_text()
        for place, ours in (
            (r"listen 80;", f"listen 127.0.0.1:{http};"),
            (r"listen 443 ", f"listen 127.0.0.1:{https} "),
            (r"127\.0\.0\.1:8000", urlsplit(app.base_url).netloc),
            (r"/etc/ssl/ripen/fullchain\.pem", str(folder / "hooks.pem")),
            (r"/etc/ssl/ripen/privkey\.pem", str(folder / "hooks.pem")),
            (r"/run/", f"{folder}/"),
            (r"/var/log/nginx/", f"{folder}/"),
            (r"\nhttp \{\n", "\nhttp {\n" + "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in _KEPT)),
        ):
            text, times = re.subn(place, ours, text)
            assert times, f"{place} is not in {CONFIGURATION}"
        configuration = folder / "nginx.conf"
        configuration.write_text(text)
        with (folder / "out").open("wb") as out:
            process = subprocess.Popen(
                [program, "-p", name, "-c", str(configuration), "-g", "daemon off;"], stdout=out, stderr=out
            )
        try:
            proxy = Proxy(http, https, folder)
            _wait_until_it_listens(proxy, process)
            yield proxy
        finally:
            process.terminate()
            process.wait(20)


def _wait_until_it_listens(proxy: Proxy, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            proxy.connect(proxy.https).close()
        except OSError:
            assert process.poll() is None, (proxy.folder / "out").read_text()
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.05)
        else:
            return


def _free_ports(number: int) -> list[int]:
    with ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in found]


@contextmanager
def idle_connections(proxy: Proxy, number: int) -> Iterator[list[socket.socket]]:
    """So many connections that were answered once and are kept alive, saying nothing; fewer where files run out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle: list[socket.socket] = []
    try:
        for _ in range(min(number, hard - 500)):
            one = proxy.connect(proxy.http)
            one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            idle.append(one)
        for one in idle:
            assert one.recv(4_096).startswith(b"HTTP/1.1 301"), "it is sent on to https"
        yield idle
    finally:
        for one in idle:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
