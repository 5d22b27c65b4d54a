"""Connections over a network: a machine that vanishes in the middle of its work costs seconds.

Without this the kernel would wait a quarter of an hour, or two hours where nothing was on its way, before it gives a
silent peer up; the contacts that the peer had locked would wait as long. Sockets of this machine need none of it.
"""

import socket
from typing import Any, Final

from django.db.backends.signals import connection_created

_IDLE_SECONDS: Final = 5
_EVERY_SECONDS: Final = 2
_TIMES: Final = 3
_UNANSWERED_MS: Final = 10_000

# What libpq asks of this side's kernel; a URL's own query has the last word.
_OF_CLIENT: Final = {
    "connect_timeout": "10",
    "keepalives_idle": str(_IDLE_SECONDS),
    "keepalives_interval": str(_EVERY_SECONDS),
    "keepalives_count": str(_TIMES),
    "tcp_user_timeout": str(_UNANSWERED_MS),
}
# The same on the server's side, and that a long query ends when nobody is left to read its answer.
_OF_SERVER: Final = {
    "tcp_keepalives_idle": str(_IDLE_SECONDS),
    "tcp_keepalives_interval": str(_EVERY_SECONDS),
    "tcp_keepalives_count": str(_TIMES),
    "tcp_user_timeout": str(_UNANSWERED_MS),
    "client_connection_check_interval": "5s",
}
_ASK: Final = "SELECT " + ", ".join("set_config(%s, %s, false)" for _ in _OF_SERVER)
_PARAMETERS: Final = [part for setting in _OF_SERVER.items() for part in setting]

# The same for the broker's connections, as redis-py and kombu take them; names that a kernel lacks are left out.
OF_BROKER: Final = {
    getattr(socket, name): value
    for name, value in (
        ("TCP_KEEPIDLE", _IDLE_SECONDS),
        ("TCP_KEEPINTVL", _EVERY_SECONDS),
        ("TCP_KEEPCNT", _TIMES),
        ("TCP_USER_TIMEOUT", _UNANSWERED_MS),
    )
    if hasattr(socket, name)
}


def is_network(host: str) -> bool:
    """Whether a database's host is reached over a network: neither a folder of sockets nor the default one."""
    return bool(host) and not host.startswith("/")


def of_client(database: dict[str, Any]) -> dict[str, Any]:
    """Django's settings of a database with what this side's kernel is asked; what they say themselves goes before."""
    if not is_network(str(database["HOST"])):
        return database
    return {**database, "OPTIONS": {**_OF_CLIENT, **database["OPTIONS"]}}


def _ask_server(connection: Any, **_kwargs: Any) -> None:
    """Set it for the session and not in the start-up packet, which poolers refuse."""
    if is_network(str(connection.settings_dict["HOST"])):
        with connection.cursor() as cursor:
            cursor.execute(_ASK, _PARAMETERS)


connection_created.connect(_ask_server, dispatch_uid="config.network")
