"""Workers on two hosts, with nothing but a network between them and the server."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.factories import SourceFactory, make_event, record
from tests.scale.hosts import Host, Network, bring_news, network, watch, why_not

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

CONTACTS = 8_000
# Of the server's keep-alive and of ours (config.network), until a peer that fell silent is given up, and some more.
SECONDS_LOST = 40


@pytest.fixture
def server() -> Iterator[Network]:
    """A server on which everybody waits for judgement, watched, and no host yet."""
    reason = why_not() or ("" if settings.EMBEDDED else "the session's PostgreSQL is not the embedded one")
    if reason:
        pytest.skip(reason)
    source = SourceFactory.create()
    for _ in range(0, CONTACTS, 1000):
        record(*[make_event() for _ in range(1000)], source=source)
    name = connection.settings_dict["NAME"]
    with network(copy_of=Path(settings.DATABASES["default"]["HOST"]), database=name) as made:
        watch(made)
        yield made


def waiting(server: Network) -> int:
    return int(server.ask("SELECT count(*) FROM contacts_due")[0][0])


def drained_by(server: Network) -> Counter[str]:
    """How many due contacts each host has drained so far."""
    return Counter(dict(server.ask("SELECT host(host), count(*) FROM seen WHERE what = 'drained' GROUP BY 1")))


def is_judging(server: Network, host: Host) -> bool:
    """Whether the host has contacts locked at this moment."""
    sql = """SELECT 1 FROM pg_stat_activity AS backend JOIN pg_locks AS held USING (pid)
    WHERE client_addr = %s::inet AND held.relation = 'contacts_contact'::regclass AND held.mode = 'RowShareLock'"""
    return bool(server.ask(sql, host.address))


def test_two_hosts_share_a_queue_and_one_that_loses_its_network_costs_seconds(server: Network) -> None:
    first, second = hosts = server.add_hosts(2)
    for host in hosts:
        host.start()
    server.wait_until_ready(hosts)
    assert waiting(server) == CONTACTS
    server.start_beat()
    server.wait_until(lambda: not waiting(server))

    # None idle, none double.
    shares = drained_by(server)
    assert shares.total() == CONTACTS
    assert min(shares[host.address] for host in hosts) >= CONTACTS // 12, shares
    times = server.ask("SELECT count(*), count(DISTINCT contact_id) FROM seen WHERE what = 'moved'")
    assert times == [(CONTACTS, CONTACTS)]

    # The second host is cut off while it holds contacts: the first one gets them once the server gives it up.
    bring_news(server)
    server.wait_until(lambda: is_judging(server, second))
    second.cut()
    assert server.wait_until(lambda: not waiting(server)) < SECONDS_LOST
    assert drained_by(server).total() == CONTACTS * 2

    # It comes back and goes on by itself.
    second.mend()
    first.stop()
    before = drained_by(server)
    bring_news(server)
    assert server.wait_until(lambda: not waiting(server)) < SECONDS_LOST
    gained = drained_by(server) - before
    assert gained == {second.address: CONTACTS}

    # Nothing was lost and nothing was done twice: every invariant holds.
    server.wait_until(lambda: server.ask("SELECT count(*) FROM scoring_transition WHERE consumed_at IS NULL") == [(0,)])
    server.manage("verify", "--sample", "500")
