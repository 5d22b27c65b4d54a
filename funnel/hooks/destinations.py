"""Where a webhook may go: an address of the web, never something inside of our own network. Pure.

A name is resolved once, every address it resolves to is judged here, and the connection goes to a judged address
(funnel/hooks/exchange.py): what the name leads to a moment later does not matter (DNS rebinding).
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from django.utils.translation import gettext

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL: Final = 2_000
_PORTS: Final = {"http": 80, "https": 443}
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# A name whose last label is a number is an address in disguise: 127.1, 0x7f.1, 2130706433, 0177.0.0.1.
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# RFC 6890 and the registries of special-purpose addresses, as far as Python's ``is_global`` knows less or otherwise.
_SPECIAL: Final = _networks(
    "192.0.0.0/24",  # protocol assignments
    "192.88.99.0/24",  # the former relays of 6to4
    "2001::/23",  # protocol assignments, Teredo (unwrapped before), ORCHID
    "3fff::/20",  # documentation
)
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
# What RIPEN_HOOKS_ALLOW_PRIVATE opens: networks of one's own. Never link-local (cloud metadata), multicast or 0.0.0.0.
_PRIVATE: Final = _networks(
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "::1/128", "fc00::/7"
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})


class DestinationRefused(Exception):
    """A webhook may not go there; the text is a sentence for whoever configures it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked address of the web. ``host`` is a name in ASCII or an IP address without brackets."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        """What the ``Host`` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def read_destination(url: str, *, allow_private: bool) -> Destination:
    """Read a URL as it was typed; whatever two readers could understand differently is refused.

    ``allow_private``: plain http and addresses of one's own networks may be named, too.

    Raises:
        DestinationRefused: it is none that a webhook may go to.
    """
    if len(url) > LONGEST_URL:
        raise DestinationRefused(gettext("An address holds at most %(number)s characters.") % {"number": LONGEST_URL})
    if not url.isprintable() or any(sign in url for sign in " \\"):
        raise DestinationRefused(gettext("The address holds characters that no address may hold."))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise DestinationRefused(gettext("This cannot be read as an address.")) from None
    if parts.scheme not in (("http", "https") if allow_private else ("https",)):
        raise DestinationRefused(gettext("The address must begin with https://."))
    if "@" in parts.netloc:
        raise DestinationRefused(gettext("An address with a user name is not allowed."))
    if not parts.hostname:
        raise DestinationRefused(gettext("The address names no host."))
    if parts.fragment or url.endswith("#"):
        raise DestinationRefused(gettext("What follows a # is never sent; leave it out."))
    host = _host(parts.hostname, is_literal="[" in parts.netloc)
    literal = _literal(host)
    if literal is not None:
        check_addresses([literal], allow_private=allow_private)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        raise DestinationRefused(
            gettext("Beyond the host an address holds plain characters only; write others as %XX.")
        )
    return Destination(parts.scheme, host, port or _PORTS[parts.scheme], target)


def check_addresses(addresses: Sequence[Address], *, allow_private: bool) -> None:
    """Let pass only if every one of these addresses may be connected to.

    Raises:
        DestinationRefused: there is none, or one of them is not of the public internet.
    """
    if not addresses:
        raise DestinationRefused(gettext("The name leads to no address."))
    for address in addresses:
        if not _may_reach(address, allow_private=allow_private):
            raise DestinationRefused(gettext("The address is not one of the public internet."))


def _host(name: str, *, is_literal: bool) -> str:
    """A host in ASCII and lower case, or the IP address that stands there literally."""
    if is_literal:
        if "%" in name:
            raise DestinationRefused(gettext("An address with a zone is of this machine only."))
        try:
            return str(ipaddress.IPv6Address(name))
        except ValueError:
            raise DestinationRefused(gettext("This cannot be read as an address.")) from None
    try:
        host = name.encode("idna").decode().lower()
    except UnicodeError:
        raise DestinationRefused(gettext("This is not the name of a host.")) from None
    if host.endswith("."):
        raise DestinationRefused(gettext("Write the name without the dot at its end."))
    labels = host.split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise DestinationRefused(gettext("This is not the name of a host."))
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise DestinationRefused(gettext("Write an IP address as four numbers from 0 to 255.")) from None
    if labels[-1] == "localhost":
        # RFC 6761: always this machine, whatever a resolver says.
        return "127.0.0.1"
    return host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _may_reach(address: Address, *, allow_private: bool) -> bool:
    return all(_is_public(one) or (allow_private and _is_own(one)) for one in _unwrap(address))


def _unwrap(address: Address) -> list[Address]:
    """The addresses at which a packet to this one may end: those that it carries within, else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.teredo is not None:
        return list(address.teredo)
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return [address, ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address]


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address in network for network in _SPECIAL)


def _is_own(address: Address) -> bool:
    return any(address in network for network in _PRIVATE)
