"""No test reaches further than this machine: a connection or a look-up elsewhere fails where it is made."""

import ipaddress
import sys
from typing import Any

_LOCAL_NAMES = {None, "", "localhost", "testserver"}


class NetworkForbidden(RuntimeError):
    """A test tried to leave this machine."""


def _is_local(host: Any) -> bool:
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host in _LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not _is_local(address[0]):
            raise NetworkForbidden(f"a test connects to {address[0]}")
    elif event == "socket.getaddrinfo" and not _is_local(arguments[0]):
        raise NetworkForbidden(f"a test looks up {arguments[0]}")


def forbid() -> None:
    """Watch this process from now on; it cannot be undone, as nothing may need it."""
    sys.addaudithook(_watch)
