"""A receiver of webhooks over real HTTP or HTTPS that behaves as badly as it is told to, and remembers what came."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HANGS = "hangs"
DRIPS = "drips"
RESETS = "resets"


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The message's."""
        return self.headers["webhook-id"]


class Receiver:
    """Where it listens, what it answers, and what came.

    ``answers`` are given in turn, the last one for ever: a status, a (status, headers) pair, or one of HANGS (takes the
    request and says nothing), DRIPS (a byte now and then) and RESETS (hangs up).
    """

    def __init__(self, *answers: object, pause: float = 0.05, folder: Path | None = None) -> None:
        self.answers = deque[object](answers or (204,))
        self.received: list[Received] = []
        self.pause = pause
        self.let_go = threading.Event()
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), self._handler())
        self.trust: ssl.SSLContext | None = None
        scheme = "http"
        if folder is not None:
            scheme = "https"
            context, self.trust = make_certificates(folder)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/hook"

    @property
    def ids(self) -> list[str]:
        """Ids of the messages that came, in order."""
        return [one.id for one in self.received]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver.lock:
                    receiver.received.append(Received(self.path, headers, body))
                    answer = receiver.answers[0]
                    if len(receiver.answers) > 1:
                        receiver.answers.popleft()
                self._answer(answer)

            def do_GET(self) -> None:
                with receiver.lock:
                    receiver.received.append(Received(self.path, {"webhook-id": "followed"}, b""))
                self._answer(200)

            def _answer(self, answer: object) -> None:
                self.close_connection = True
                if answer == HANGS:
                    receiver.let_go.wait(30)
                elif answer == DRIPS:
                    self._drip()
                elif answer == RESETS:
                    self.connection.shutdown(socket.SHUT_RDWR)
                else:
                    status, headers = answer if isinstance(answer, tuple) else (answer, {})
                    self.send_response(int(status))
                    for name, value in {"Content-Length": "2", **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(b"ok")

            def _drip(self) -> None:
                """An answer that never ends, a byte at a time."""
                try:
                    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 10_000:
                        if receiver.let_go.is_set():
                            return
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(receiver.pause)
                except OSError:
                    return

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that hangs up is no news."""


@contextmanager
def receive(*answers: object, pause: float = 0.05, folder: Path | None = None) -> Iterator[Receiver]:
    """A receiver that listens until the end of the block."""
    receiver = Receiver(*answers, pause=pause, folder=folder)
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.let_go.set()
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join(5)


def make_certificates(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for hooks.test and 127.0.0.1, and a client's that trusts whoever signed it."""
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.test")])
    names = [x509.DNSName("hooks.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "hooks.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(private + public)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=public.decode())
