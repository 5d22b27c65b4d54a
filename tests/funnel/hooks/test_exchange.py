"""One exchange over real sockets: what counts as taken, how long it may take, and where it never goes."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from funnel.hooks.destinations import DestinationRefused, read_destination
from funnel.hooks.exchange import PATIENCE, Answer, Fault, post
from tests.funnel.hooks.receiver import DRIPS, HANGS, RESETS, Receiver, receive
from tests.network import NetworkForbidden

BODY = b'{"type":"hook.test"}'
HEADERS = {"webhook-id": "msg_1"}


def send(url: str, *, allow_private: bool = True, patience: float = 5.0, **options: object) -> Answer:
    return post(url, BODY, HEADERS, allow_private=allow_private, patience=patience, **options)  # type: ignore[arg-type]


def test_a_message_arrives_as_it_is() -> None:
    with receive(204) as receiver:
        answer = send(f"{receiver.url}?token=a%20b")

    assert (answer.fault, answer.status, answer.taken) == (Fault.NONE, 204, True)
    (one,) = receiver.received
    assert (one.path, one.body) == ("/hook?token=a%20b", BODY)
    assert one.headers["content-type"] == "application/json"
    assert one.headers["host"] == receiver.url.split("/")[2]
    assert one.headers["webhook-id"] == "msg_1"


@pytest.mark.parametrize(
    ("said", "fault", "status"),
    [
        (200, Fault.NONE, 200),
        (299, Fault.NONE, 299),
        (302, Fault.REDIRECT, 302),
        (400, Fault.STATUS, 400),
        (410, Fault.GONE, 410),
        (500, Fault.STATUS, 500),
        (RESETS, Fault.BROKEN, None),
    ],
)
def test_only_2xx_counts_as_taken(said: object, fault: Fault, status: int | None) -> None:
    with receive(said) as receiver:
        answer = send(receiver.url)
    assert (answer.fault, answer.status) == (fault, status)


def test_a_redirect_is_not_followed() -> None:
    with receive(200) as inside, receive((302, {"Location": inside.url})) as receiver:
        assert send(receiver.url).fault is Fault.REDIRECT
    assert len(receiver.received) == 1
    assert inside.received == []


@pytest.mark.parametrize("how", [HANGS, DRIPS])
def test_a_receiver_gets_so_much_time_and_no_more(how: str) -> None:
    with receive(how) as receiver:
        begun = time.monotonic()
        answer = send(receiver.url, patience=0.4)
        took = time.monotonic() - begun

    assert answer.fault is Fault.TIMEOUT
    assert 0.3 < took < 2
    assert PATIENCE == 20


def test_a_resolver_gets_no_more_time_either() -> None:
    def sleep(host: str, port: int) -> Sequence[str]:
        time.sleep(1)
        return ["127.0.0.1"]

    assert send("http://slow.test/", patience=0.2, resolve=sleep).fault is Fault.TIMEOUT


def test_what_is_beyond_the_limit_of_an_answer_is_not_read() -> None:
    with receive((200, {"Content-Length": "900000000"})) as receiver:
        answer = send(receiver.url)
    assert (answer.status, len(answer.body)) == (200, 2)


def test_nobody_there() -> None:
    with receive() as receiver:
        url = receiver.url
    assert send(url).fault is Fault.UNREACHABLE
    assert send("http://nobody.test/", resolve=lambda host, port: []).fault is Fault.REFUSED


def test_https_is_verified_against_the_name_and_sent_to_the_checked_address(tmp_path: Path) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with receive(200, folder=tmp_path) as receiver:
        port = receiver.server.server_port
        named = f"https://hooks.test:{port}/hook"
        assert send(named, resolve=resolve, trust=receiver.trust).taken
        assert send(receiver.url, trust=receiver.trust).taken, "an address, as its certificate allows"
        assert send(named, resolve=resolve).fault is Fault.TLS, "signed by nobody whom the system trusts"
        other = f"https://other.test:{port}/hook"
        assert send(other, resolve=resolve, trust=receiver.trust).fault is Fault.TLS, "another's certificate"

    assert receiver.received[0].headers["host"] == f"hooks.test:{port}"
    assert len(receiver.received) == 2
    assert asked == ["hooks.test", "hooks.test", "other.test"]


# --- Where nothing is ever sent to -----------------------------------------------------------------------------------

# Each as it would lead to {port} of this machine, or into somebody's own network, if it were believed.
DESTINATIONS = {
    "loopback": "https://127.0.0.1:{port}/",
    "loopback, another": "https://127.8.9.10:{port}/",
    "loopback v6": "https://[::1]:{port}/",
    "mapped": "https://[::ffff:127.0.0.1]:{port}/",
    "unspecified": "https://0.0.0.0:{port}/",
    "unspecified v6": "https://[::]:{port}/",
    "metadata": "https://169.254.169.254/latest/meta-data/",
    "link-local v6": "https://[fe80::1]/",
    "link-local with a zone": "https://[fe80::1%25eth0]/",
    "private": "https://10.1.2.3/",
    "private, class B": "https://172.16.0.1/",
    "private, class C": "https://192.168.1.1/",
    "shared (CGNAT)": "https://100.64.0.1/",
    "unique local": "https://[fd12:3456::1]/",
    "site local": "https://[fec0::1]/",
    "NAT64": "https://[64:ff9b::7f00:1]:{port}/",
    "NAT64, local": "https://[64:ff9b:1::7f00:1]/",
    "6to4": "https://[2002:7f00:1::]:{port}/",
    "Teredo": "https://[2001:0:7f00:1::]/",
    "ISATAP": "https://[2a00::5efe:7f00:1]/",
    "compatible": "https://[::127.0.0.1]:{port}/",
    "multicast": "https://224.0.0.1/",
    "broadcast": "https://255.255.255.255/",
    "documentation": "https://203.0.113.7/",
    "decimal": "https://2130706433:{port}/",
    "hexadecimal": "https://0x7f000001:{port}/",
    "hexadecimal parts": "https://0x7f.0x0.0x0.0x1:{port}/",
    "octal": "https://0177.0.0.1:{port}/",
    "short": "https://127.1:{port}/",
    "full width digits": "https://１２７.0.0.1:{port}/",
    "other full stops": "https://127。0。0。1:{port}/",
    "trailing dot": "https://127.0.0.1.:{port}/",
    "localhost": "https://localhost:{port}/",
    "below localhost": "https://hook.localhost:{port}/",
    "localhost with a dot": "https://localhost.:{port}/",
    "user name": "https://example.com@127.0.0.1:{port}/",
    "user name that looks like a host": "https://example.com:443@localhost:{port}/",
    "backslash": "https://127.0.0.1:{port}\\@example.com/",
    "line break": "https://example.com/\r\nHost: 127.0.0.1",
    "fragment": "https://127.0.0.1:{port}/#@example.com/",
    "http": "http://example.com/",
    "file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/_",
    "ftp": "ftp://example.com/",
    "no scheme": "//127.0.0.1:{port}/",
    "no host": "https:///etc",
    "odd port": "https://example.com:99999/",
    "empty": "",
}


@pytest.mark.parametrize("what", DESTINATIONS)
def test_a_destination_inside_is_refused_before_anything_is_sent(what: str) -> None:
    with receive() as receiver:
        url = DESTINATIONS[what].format(port=receiver.server.server_port)
        answer = send(url, allow_private=False)

    assert answer.fault is Fault.REFUSED
    assert receiver.received == []
    with pytest.raises(DestinationRefused):
        read_destination(url, allow_private=False)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.5"],
        ["93.184.216.34", "192.168.0.1"],
        ["2606:2800:220:1::1", "::ffff:10.0.0.1"],
        ["fe80::1%eth0"],
        [],
    ],
)
def test_a_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    """One address that is not public is enough: a receiver has no reason to name any."""
    answer = send("https://hooks.example/", allow_private=False, resolve=lambda host, port: addresses)
    assert answer.fault is Fault.REFUSED


def test_a_name_that_changes_its_address_leads_nowhere_else() -> None:
    """DNS rebinding: public when it is checked, inside a moment later. It is asked once, and that address is used."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    with receive() as receiver, pytest.raises(NetworkForbidden, match=r"connects to 93\.184\.216\.34"):
        send(f"https://rebinding.example:{receiver.server.server_port}/", allow_private=False, resolve=resolve)

    assert asked == ["rebinding.example"]
    assert receiver.received == []


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/", "https://0.0.0.0/", "https://224.0.0.1/", "ftp://10.0.0.1/"]
)
def test_ones_own_networks_may_be_opened_and_never_the_metadata_of_a_cloud(url: str) -> None:
    assert send(url).fault is Fault.REFUSED


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "http://[fd00::1]:8080/x", "http://localhost/", "https://example.com/"]
)
def test_ones_own_networks_may_be_opened(url: str) -> None:
    assert read_destination(url, allow_private=True).host


def test_addresses_of_the_public_internet_may_be_told() -> None:
    for url, host, port, target in (
        ("https://hooks.example.com/a?b=c", "hooks.example.com", 443, "/a?b=c"),
        ("https://Hooks.Example.COM:8443", "hooks.example.com", 8443, "/"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "/"),
        ("https://93.184.216.34/", "93.184.216.34", 443, "/"),
        ("https://[2606:2800:220:1::1]/", "2606:2800:220:1::1", 443, "/"),
        ("https://[64:ff9b::5db8:d822]/", "64:ff9b::5db8:d822", 443, "/"),
    ):
        found = read_destination(url, allow_private=False)
        assert (found.host, found.port, found.target) == (host, port, target)


def test_a_receiver_is_only_asked_once(tmp_path: Path) -> None:
    """No proxy of the environment, no second try."""
    with receive(500) as receiver:
        assert isinstance(receiver, Receiver)
        send(receiver.url)
    assert len(receiver.received) == 1
