"""A way to the application that fails now and then, as networks and busy servers do."""

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# What happens to which POST, counted from 1: an answer in the application's stead, or its answer lost on the way.
TROUBLE: Mapping[int, int] = {2: 503, 4: 429}
LOST = 5
RETRY_AFTER = "1"
_PASSED_ON = ("Content-Type", "Content-Encoding", "Authorization", "User-Agent")


class Proxy:
    """Where it listens, and what it has answered so far."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.answers: list[int] = []
        self.refused: list[int] = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.base_url = f"http://127.0.0.1:{self.server.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Pass the request on, or fail as TROUBLE says."""
                body = self._body()
                with proxy.lock:
                    proxy.answers.append(0)
                    place = len(proxy.answers)
                if place in TROUBLE:
                    proxy.refused.append(TROUBLE[place])
                    self._answer(TROUBLE[place], b'{"code": "unavailable"}', {"Retry-After": RETRY_AFTER})
                    return
                status, answer = proxy.forward(self.path, body, {key: self.headers.get(key) for key in _PASSED_ON})
                proxy.answers[place - 1] = status
                if place == LOST:
                    proxy.refused.append(502)
                    self._answer(502, b"", {})
                    return
                self._answer(status, answer, {"Content-Type": "application/json"})

            def _body(self) -> bytes:
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length", "0")))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Handler

    def forward(self, path: str, body: bytes, headers: Mapping[str, str | None]) -> tuple[int, bytes]:
        """Send a request to the application; its status and body."""
        connection = http.client.HTTPConnection(self.target.hostname or "", self.target.port, timeout=30)
        try:
            connection.request("POST", path, body, {key: value for key, value in headers.items() if value is not None})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def flaky_proxy(target: str) -> Iterator[Proxy]:
    """Run a proxy before ``target`` while the block lasts."""
    proxy = Proxy(target)
    thread = threading.Thread(target=proxy.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()
        thread.join()
