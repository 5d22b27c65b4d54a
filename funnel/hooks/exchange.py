"""One HTTP exchange with a receiver: to a checked address, within a fixed time, without redirects or proxies.

No Django and no database here: exchanges run in threads of their own, beside each other.
"""

import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeAlias

from funnel.hooks.destinations import Address, Destination, DestinationRefused, check_addresses, read_destination

# Looking up, connecting, the handshake, sending and the answer together.
PATIENCE: Final = 20.0
LARGEST_ANSWER: Final = 64 * 1024
_ONE_ADDRESS: Final = 6.0

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]


class Fault(StrEnum):
    """What kept a receiver from taking a message; "" nothing did."""

    NONE = ""
    REFUSED = "refused_destination"
    UNRESOLVED = "name_not_found"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    BROKEN = "broken_answer"
    REDIRECT = "redirect"
    GONE = "gone"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one exchange; ``status`` None where there was no answer."""

    fault: Fault
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    took: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether the receiver has the message."""
        return self.fault is Fault.NONE


class OutOfTime(Exception):
    """The time of the exchange is over."""


def look_up(host: str, port: int) -> list[str]:
    """Ask the system's resolver; raises ``OSError`` where it knows no such name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(entry[4][0]) for entry in found]


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow_private: bool,
    patience: float = PATIENCE,
    resolve: Resolver = look_up,
    trust: ssl.SSLContext | None = None,
) -> Answer:
    """Post ``body`` and read the answer; whatever goes wrong is an ``Answer`` with a fault, never an exception.

    The name is resolved once; where any of its addresses is not public, nothing is sent. ``patience`` (seconds) is for
    everything together, so a receiver that drips a byte a second gains nothing. ``trust``: whose certificates hold; by
    default those that the system trusts.
    """
    begun = time.monotonic()
    deadline = begun + patience
    status: int | None = None
    said: Mapping[str, str] = {}
    text = b""
    connected = False
    try:
        destination = read_destination(url, allow_private=allow_private)
        addresses = _resolve(destination, deadline, resolve)
        check_addresses(addresses, allow_private=allow_private)
        with (
            _connect(destination, addresses, deadline) as plain,
            _secured(destination, plain, deadline, trust) as sock,
        ):
            connected = True
            status, said, text = _exchange(destination, _Bounded(sock, deadline), body, headers)
        fault = _fault_of(status)
    except DestinationRefused:
        fault = Fault.REFUSED
    except (OutOfTime, TimeoutError):
        fault = Fault.TIMEOUT
    except socket.gaierror:
        fault = Fault.UNRESOLVED
    except ssl.SSLError:
        fault = Fault.TLS
    except (http.client.HTTPException, EOFError, ValueError):
        fault = Fault.BROKEN
    except OSError:
        fault = Fault.BROKEN if connected else Fault.UNREACHABLE
    return Answer(fault, status, said, text, time.monotonic() - begun)


def _fault_of(status: int) -> Fault:
    if 200 <= status < 300:
        return Fault.NONE
    if 300 <= status < 400:
        return Fault.REDIRECT
    return Fault.GONE if status == http.HTTPStatus.GONE else Fault.STATUS


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise OutOfTime
    return left


def _resolve(destination: Destination, deadline: float, resolve: Resolver) -> list[Address]:
    """The addresses of the host, asked for once. A look-up cannot be broken off, so it is left behind in its thread."""
    found: list[str] = []
    wrong: list[OSError] = []

    def ask() -> None:
        try:
            found.extend(resolve(destination.host, destination.port))
        except UnicodeError:
            wrong.append(socket.gaierror(socket.EAI_NONAME, "not a name"))
        except OSError as error:
            wrong.append(error)

    asking = threading.Thread(target=ask, daemon=True, name="hook-look-up")
    asking.start()
    asking.join(_left(deadline))
    if asking.is_alive():
        raise OutOfTime
    if wrong:
        raise wrong[0]
    # A zone (%eth0) only comes with link-local addresses, which are refused.
    return [ipaddress.ip_address(text.partition("%")[0]) for text in found]


def _connect(destination: Destination, addresses: Sequence[Address], deadline: float) -> socket.socket:
    """Connect to the first of these addresses that answers; the name is never resolved again."""
    trouble: OSError = OSError("no address")
    for address in addresses:
        sock = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(_left(deadline), _ONE_ADDRESS))
            sock.connect((str(address), destination.port))
        except OSError as error:
            sock.close()
            trouble = error
        except BaseException:
            sock.close()
            raise
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise trouble


@cache
def _system_trust() -> ssl.SSLContext:
    """What the system trusts; reading that takes longer than most receivers take to answer."""
    return ssl.create_default_context()


def _secured(
    destination: Destination, sock: socket.socket, deadline: float, trust: ssl.SSLContext | None
) -> socket.socket:
    """The connection under TLS, verified against the name, or as it is for plain http."""
    if destination.scheme == "http":
        return sock
    # The handshake as a whole is held to the socket's timeout.
    sock.settimeout(_left(deadline))
    return (trust or _system_trust()).wrap_socket(sock, server_hostname=destination.host)


def _exchange(
    destination: Destination, sock: "_Bounded", body: bytes, headers: Mapping[str, str]
) -> tuple[int, Mapping[str, str], bytes]:
    connection = http.client.HTTPConnection(destination.host, destination.port)
    # Ours already: it must not connect by itself.
    connection.sock = sock
    connection.auto_open = 0
    connection.putrequest("POST", destination.target, skip_host=True, skip_accept_encoding=True)
    every = {
        "Host": destination.host_header,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    for name, value in every.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    # What is beyond the limit is not read; the status has decided.
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read(LARGEST_ANSWER)


class _Bounded:
    """A socket as http.client uses one; every single read and write gets only what is left of the time."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        """Send all of it, in time."""
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, *args: Any, **kwargs: Any) -> io.BufferedReader:
        """The stream that the answer is read from."""
        return io.BufferedReader(_BoundedReader(self._sock, self._deadline))

    def close(self) -> None:
        """Leave it to whoever opened the connection."""


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)
