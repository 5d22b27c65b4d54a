"""What Prometheus is told: everything that waits, how old it is, how fast it goes, and which part is down.

Two sorts of figures. Those of web requests are counted by each web process and united where PROMETHEUS_MULTIPROC_DIR is
set. All others are read at the moment of the scrape, from rows and from the broker, so they are the same whichever
process or host answers and however many workers there are: take their maximum, not their sum. docs/operate.md
describes every name.
"""

import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from django.utils import timezone
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.env import Environment
from config.probes import NoAnswer, applied_migrations, known_migrations
from config.version import VERSION
from contacts.selectors.workers import BEAT, JUDGING, QUEUES, WAIT_BOUNDS, Machinery, read_machinery
from funnel.selectors.operation import Observed, observe

# Two scrapes at once, or three Prometheus servers, cost as much as one.
KEPT_SECONDS: Final = 3.0


class RipenCollector(Collector):
    """Makes metrics of what was observed; asks ``observed`` for it at each scrape."""

    def __init__(self, observed: Callable[[], Observed], is_migrated: Callable[[], bool]) -> None:
        """Keep whom to ask."""
        self._observed = observed
        self._is_migrated = is_migrated

    def collect(self) -> Iterable[Metric]:
        """Yield every family; a part that could not be asked leaves its figures out."""
        began = time.monotonic()
        seen = self._observed()
        yield from _up(seen, is_migrated=seen.database is not None and self._is_migrated())
        yield from _facts(seen)
        yield from _outboxes(seen)
        yield from _hooks(seen)
        yield from _mail_and_work(seen)
        yield from _proof(seen)
        yield from _database(seen)
        yield from _machinery(seen)
        if seen.disk is not None:
            yield _gauge("ripen_disk_size_bytes", "Size of the file system of the state folder.", seen.disk.total)
            yield _gauge("ripen_disk_free_bytes", "Free bytes in the file system of the state folder.", seen.disk.free)
        info = {"version": VERSION, "python": platform.python_version()}
        if seen.database is not None:
            info["postgresql"] = seen.database.version.split()[0]
        yield InfoMetricFamily("ripen_build", "Which release answers.", value=info)
        yield _gauge("ripen_scrape_seconds", "How long gathering these figures took.", time.monotonic() - began)


class Scrapes:
    """The text of the last scrape of this process, kept for some seconds."""

    def __init__(self, collector: Collector, kept_seconds: float = KEPT_SECONDS) -> None:
        """Begin with nothing."""
        self._registry = CollectorRegistry()
        # Describing it would scrape once more.
        self._registry.register(collector)
        self._kept_seconds = kept_seconds
        self._lock = threading.Lock()
        self._text = b""
        self._until = 0.0

    def text(self) -> bytes:
        """Return the figures as text; of several threads one gathers them and the others wait for that."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._text = generate_latest(self._registry)
                self._until = time.monotonic() + self._kept_seconds
            return self._text

    def forget(self) -> None:
        """Gather anew at the next scrape."""
        self._until = 0.0


def write_metrics() -> bytes:
    """Return everything in Prometheus's text format."""
    registry = REGISTRY
    if Environment().text("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it registers itself
    return generate_latest(registry) + scrapes.text()


def _observe_if_it_answers() -> Observed:
    now = timezone.now()
    try:
        # Over a connection that never blocks: a server that hangs would keep the scrape, and with it a web thread.
        applied_migrations()
    except NoAnswer:
        return Observed(now, read_machinery(now=now), failed=("database",))
    return observe(now=now)


def _is_migrated() -> bool:
    try:
        return known_migrations() <= applied_migrations()
    except NoAnswer:
        return False


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _states(name: str, text: str, label: str, values: Mapping[str, Mapping[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label, "state"])
    for key, states in values.items():
        for state, value in states.items():
            family.add_metric([key, state], value)
    return family


def _up(seen: Observed, *, is_migrated: bool) -> Iterator[Metric]:
    parts = {"database": seen.database is not None, "migrations": is_migrated, "broker": seen.machinery.reachable}
    for part, name in (("worker", JUDGING), ("beat", BEAT), ("runs", "runs"), ("hooks", "hooks")):
        silent = seen.machinery.is_silent(name, now=seen.now)
        if silent is not None:
            parts[part] = not silent
    text = "Whether a part is there: it answers, or a worker of it gave a sign of life lately."
    yield _gauges("ripen_up", text, "part", {part: float(there) for part, there in parts.items()})
    text = "Whether the figures of a part could not be read at this scrape."
    asked = ("database", "facts", "judgement", "consequences", "proof")
    yield _gauges("ripen_scrape_failed", text, "part", {part: float(part in seen.failed) for part in asked})


def _facts(seen: Observed) -> Iterator[Metric]:
    found = seen.facts
    if found is None:
        return
    yield _gauge("ripen_due_rows", "Rows that wait for judgement; beyond 20,000 an estimate.", found.due.number)
    yield _gauge(
        "ripen_due_oldest_seconds", "How long the first row has waited for judgement.", found.due.age(seen.now)
    )
    yield _gauge("ripen_quarantined_rows", "Rows whose judgement failed for good.", found.quarantined)
    yield _gauge("ripen_reviews_overdue", "Contacts whose next look is overdue; 20,001 at most.", found.reviews.number)
    yield _gauge(
        "ripen_reviews_overdue_seconds", "By how much the first of them is overdue.", found.reviews.age(seen.now)
    )
    yield _gauge(
        "ripen_ingest_refusing", "1 while no more facts are taken because too many wait (503).", float(seen.refusing)
    )


def _outboxes(seen: Observed) -> Iterator[Metric]:
    rows, ages = {}, {}
    if seen.judgement is not None:
        rows["transitions"], ages["transitions"] = seen.judgement.outbox.number, seen.judgement.outbox.age(seen.now)
    if seen.consequences is not None:
        for name, waiting in (("people", seen.consequences.to_people), ("machines", seen.consequences.to_machines)):
            rows[name], ages[name] = waiting.number, waiting.age(seen.now)
    text = (
        "Rows that wait to be passed on: changes of stage whose consequences are not drawn, announcements that people "
        "or machines were not told of; 20,001 at most."
    )
    yield _gauges("ripen_outbox_rows", text, "outbox", rows)
    yield _gauges("ripen_outbox_oldest_seconds", "How long the first of them has waited.", "outbox", ages)


def _hooks(seen: Observed) -> Iterator[Metric]:
    if seen.consequences is None:
        return
    hooks = seen.consequences.hooks
    states = {"due": hooks.waiting.number, "scheduled": hooks.scheduled, "dead": hooks.dead}
    text = "Deliveries of webhooks that are due, wait for their next attempt, or are dead letters; 2,001 an endpoint."
    yield _gauges("ripen_hook_deliveries", text, "state", states)
    yield _gauge("ripen_hook_oldest_due_seconds", "How long the first has been due.", hooks.waiting.age(seen.now))
    yield _gauge("ripen_hook_dead_lately", "Dead letters of the last day.", hooks.dead_lately)
    text = "Endpoints of webhooks that are told, and of those the ones whose receiver fails."
    yield _gauges("ripen_hook_endpoints", text, "state", {"told": hooks.endpoints, "failing": hooks.failing})


def _mail_and_work(seen: Observed) -> Iterator[Metric]:
    mails = {
        "contacts": seen.facts.mail if seen.facts else None,
        "people": seen.consequences.mail if seen.consequences else None,
    }
    text = "Mail to contacts and to ourselves (people): due, and failed for good within a day."
    yield _states(
        "ripen_mail_rows",
        text,
        "mail",
        {name: {"due": one.waiting.number, "failed": one.failed} for name, one in mails.items() if one},
    )
    due = {name: one.waiting.age(seen.now) for name, one in mails.items() if one}
    yield _gauges("ripen_mail_oldest_seconds", "How long the first mail has been due.", "mail", due)
    work = {
        "jobs": seen.facts.jobs if seen.facts else None,
        "runs": seen.judgement.runs if seen.judgement else None,
    }
    text = "Long work on facts (jobs) and on definitions (runs): queued, running, failed within a day."
    yield _states(
        "ripen_work_rows",
        text,
        "work",
        {
            name: {"queued": one.queued.number, "running": one.running, "failed": one.failed}
            for name, one in work.items()
            if one
        },
    )
    queued = {name: one.queued.age(seen.now) for name, one in work.items() if one}
    yield _gauges("ripen_work_oldest_seconds", "How long the first has waited to begin.", "work", queued)


def _proof(seen: Observed) -> Iterator[Metric]:
    if seen.proof is None:
        return
    age = (seen.now - seen.proof.checked_at).total_seconds()
    yield _gauge("ripen_verify_age_seconds", "How long ago the invariants were last checked on a sample.", age)
    yield _gauge("ripen_verify_violations", "What did not hold at that check.", seen.proof.violations)
    yield _gauge("ripen_verify_sample", "Contacts that it looked at.", seen.proof.sample)


def _database(seen: Observed) -> Iterator[Metric]:
    found = seen.database
    if found is None:
        return
    yield _gauge("ripen_database_connections", "Connections to the database.", found.connections)
    yield _gauge("ripen_database_connections_max", "Connections that the server allows.", found.most_connections)
    yield _gauge("ripen_database_size_bytes", "Size of the database.", found.size)
    yield _gauge(
        "ripen_database_oldest_transaction_seconds",
        "Age of the oldest transaction, which keeps dead rows from being cleared away.",
        found.oldest_transaction,
    )
    lag = {standby.name: standby.seconds for standby in found.standbys}
    yield _gauges("ripen_database_standby_lag_seconds", "How far a standby is behind, in time.", "standby", lag)
    behind = {standby.name: standby.bytes_behind for standby in found.standbys}
    yield _gauges("ripen_database_standby_lag_bytes", "How far a standby is behind, in log.", "standby", behind)
    for name, table, text in (
        ("ripen_events_stored", "contacts_event", "Events that were stored, by PostgreSQL's statistics."),
        ("ripen_transitions", "scoring_transition", "Changes of stage that were written, by the same."),
        ("ripen_hook_attempts", "funnel_hookattempt", "Attempts at delivering webhooks, by the same."),
    ):
        yield CounterMetricFamily(name, text, value=found.written.get(table, 0))


def _machinery(seen: Observed) -> Iterator[Metric]:
    found: Machinery = seen.machinery
    if not found.reachable:
        return
    yield _gauges("ripen_queue_messages", "Hints that wait in the broker, by queue.", "queue", found.queues)
    workers = {queue: found.workers.get(queue, 0) for queue in QUEUES}
    text = "Workers that gave a sign of life within 30 seconds, by the queue they take from."
    yield _gauges("ripen_workers", text, "queue", workers)
    ages = {name: max((seen.now - at).total_seconds(), 0.0) for name, at in found.signs.items()}
    yield _gauges("ripen_sign_age_seconds", "How long ago a worker of a queue, or beat, last gave one.", "of", ages)
    yield CounterMetricFamily("ripen_judged_contacts", "Contacts that were judged.", value=found.judged)
    buckets = [*map(str, WAIT_BOUNDS), "+Inf"]
    yield HistogramMetricFamily(
        "ripen_judgement_wait_seconds",
        "How long each fact waited from its commit until its judgement was committed.",
        buckets=list(zip(buckets, found.waits.counts, strict=True)),
        sum_value=found.waits.seconds,
    )
    rejected = CounterMetricFamily("ripen_rejected_messages", "Messages that were refused, by code.", labels=["code"])
    for code, number in sorted(found.rejected.items()):
        rejected.add_metric([code], number)
    yield rejected


scrapes: Final = Scrapes(RipenCollector(_observe_if_it_answers, _is_migrated))
