"""Workers on two hosts against one, in this run and on the same data.

So many contacts with their history are due for one fact more each. One worker host drains them, then two do, from a
fresh copy of the same database. Each host is a network namespace of its own with one worker process of its own;
PostgreSQL and Valkey listen on a bridge (tests/scale/hosts.py). What is told: contacts a second, by how much two are
faster than one, how much each host did, processor seconds by process, and what the hosts' connections were waiting for.

PostgreSQL has the same cores as the hosts here, and whatever else runs on the machine too: so the processor seconds
that a thousand contacts cost are told for one and for two hosts, and what two would reach on cores of their own if
nothing but these seconds bound them.

    python benchmarks/bench_hosts.py [--contacts 30000] [--events 300000] [--rounds 2] [--nice 0]

``--nice -15`` lets what is measured go before whatever else the machine does.

Needs root, for namespaces; without it says so and ends.
"""

import argparse
import os
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from measuring import ROOT  # noqa: F401  makes the repository importable

from tests.scale.hosts import Host, Network, bring_news, network, stop, watch, why_not

_TICKS = os.sysconf("SC_CLK_TCK")
_WAITS = """SELECT CASE WHEN state <> 'active' THEN 'the host computes'
    WHEN wait_event_type IS NULL THEN 'PostgreSQL computes' ELSE wait_event_type || ': ' || wait_event END
FROM pg_stat_activity WHERE client_addr IS NOT NULL AND xact_start IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Drained:
    """One measurement."""

    hosts: int
    rate: float
    shares: dict[str, int]
    seconds: float
    host_seconds: float
    database_seconds: float
    busy_elsewhere: float
    waits: Counter[str]

    @property
    def cost(self) -> float:
        """Processor seconds of a thousand contacts."""
        return 1000 * (self.host_seconds + self.database_seconds) / sum(self.shares.values())


def main() -> None:
    """Prepare, let one host and two take turns, print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=30_000)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--nice", type=int, default=0, help="priority of PostgreSQL and the hosts")
    options = parser.parse_args()
    reason = why_not()
    if reason:
        print(f"skipped: {reason}")
        return
    with network(durable=True) as server:
        began = time.perf_counter()
        server.manage("migrate", "--verbosity", "0")
        server.manage("seed_demo", "--contacts", str(options.contacts), "--events", str(options.events))
        bring_news(server)
        print(f"prepared in {time.perf_counter() - began:.0f} s", flush=True)
        server.add_hosts(2)
        # What they start inherits it.
        os.setpriority(os.PRIO_PROCESS, 0, options.nice)
        os.setpriority(os.PRIO_PROCESS, server.postgres_pid, options.nice)
        found = [measure(server, number, hosts) for number in range(options.rounds) for hosts in (1, 2)]
    one, two = ([drained for drained in found if drained.hosts == hosts] for hosts in (1, 2))
    ratio = statistics.median(drained.rate for drained in two) / statistics.median(drained.rate for drained in one)
    cost = statistics.median(drained.cost for drained in two) / statistics.median(drained.cost for drained in one)
    print(
        f"{options.contacts:,} due contacts, {os.cpu_count()} cores: two hosts drain {ratio:.2f} x one"
        f" (limit: at least 1.7 on free cores)\n"
        f"a contact costs {cost:.2f} x the processor seconds with two hosts: on cores of their own {2 / cost:.2f} x"
    )


def measure(server: Network, number: int, count: int) -> Drained:
    """Let so many hosts drain a fresh copy of the prepared database."""
    prepared, copy = server.database, f"round{number}_hosts{count}"
    server.ask(f"CREATE DATABASE {copy} TEMPLATE {prepared}")
    server.database = copy
    watch(server)
    server.ask("CHECKPOINT")
    hosts = server.hosts[:count]
    for host in hosts:
        host.start()
    server.wait_until_ready(hosts)
    server.start_beat()
    waits: Counter[str] = Counter()
    before = [0.0, 0.0, 0.0]

    def has_begun() -> bool:
        before[:] = spent(server, hosts)
        return bool(server.ask("SELECT 1 FROM seen LIMIT 1"))

    def is_done() -> bool:
        waits.update(wait for (wait,) in server.ask(_WAITS))
        return not server.ask("SELECT 1 FROM contacts_due LIMIT 1")

    server.wait_until(has_begun)
    began = time.perf_counter()
    server.wait_until(is_done, patience=600)
    elapsed = time.perf_counter() - began
    used = [after - earlier for after, earlier in zip(spent(server, hosts), before, strict=True)]
    rows = server.ask("SELECT host(host), count(*) FROM seen WHERE what = 'drained' GROUP BY 1")
    times = server.ask(
        "SELECT count(*), count(DISTINCT contact_id), max(at) - min(at) FROM seen WHERE what = 'drained'"
    )
    judged, distinct, span = times[0]
    stop(server.beat)
    for host in hosts:
        host.stop()
    drained = Drained(
        hosts=count,
        # From the end of the first batch on: what the hosts did until then is not known.
        rate=(judged - 1_000) / span.total_seconds(),
        shares=dict(rows),
        seconds=elapsed,
        host_seconds=used[0],
        database_seconds=used[1],
        busy_elsewhere=max(used[2] - used[0] - used[1], 0.0),
        waits=waits,
    )
    tell(drained, judged, distinct)
    server.database = prepared
    return drained


def tell(drained: Drained, judged: int, distinct: int) -> None:
    """Print one measurement."""
    total = max(drained.waits.total(), 1)
    waits = ", ".join(f"{name} {100 * times / total:.0f} %" for name, times in drained.waits.most_common(4))
    shares = ", ".join(f"{host} {number:,}" for host, number in sorted(drained.shares.items()))
    print(
        f"{drained.hosts} host(s): {drained.rate:,.0f} contacts/s; {shares}; {judged - distinct} twice\n"
        f"  {drained.seconds:.1f} s by the clock; processor seconds: hosts {drained.host_seconds:.1f},"
        f" PostgreSQL {drained.database_seconds:.1f}, others on this machine {drained.busy_elsewhere:.1f};"
        f" {drained.cost:.2f} a thousand contacts\n"
        f"  of the time in transactions: {waits}",
        flush=True,
    )


def spent(server: Network, hosts: list[Host]) -> list[float]:
    """Processor seconds so far: of the hosts, of PostgreSQL, of the whole machine."""
    user, nice, system = (int(part) for part in Path("/proc/stat").read_text().split()[1:4])
    return [sum(host.seconds() for host in hosts), server.postgres_seconds(), (user + nice + system) / _TICKS]


if __name__ == "__main__":
    main()
