"""A crowd of contacts at every stage, a definition that moves many of them, and ways to hold a run up."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections

from contacts.models import Contact, Standing
from scoring.models import Definition
from scoring.services.drafts import store_draft
from scoring.services.evaluate import drain_due
from scoring.services.rebuild import rebuild_contacts
from tests.scoring.facts import FITTING, incoming, record

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = (
    "list_imported", "email_clicked", "newsletter_subscribed", "form_submitted", "asset_downloaded",
    "social_question", "trade_show_conversation", "call_connected", "demo_requested", "purchased", "churned",
)  # fmt: skip


def make_crowd(contacts: int = 20, *, name: str = "p") -> list[int]:
    """Contacts with histories that reach every stage, judged up to NOW; their ids."""
    before = set(Contact.objects.values_list("pk", flat=True))
    for number in range(contacts):
        traits = FITTING if number % 3 else {"job_title": "Student"}
        for step in range(1 + number % 4):
            kind = KINDS[(number * 5 + step * 3) % len(KINDS)]
            at = min(NOW - (70 - number - 9 * step) * DAY, NOW - DAY)
            named: dict[str, Any] = {"with": "Sam"} if number % 2 else {}
            record(incoming(kind, at, email=f"{name}{number}@x{number}.example", traits=traits, **named))
    while drain_due(now=NOW - timedelta(microseconds=1)):
        pass
    return sorted(set(Contact.objects.values_list("pk", flat=True)) - before)


def leave_a_gap(ids: int = 30_000) -> None:
    """Let the ids of further contacts begin beyond the next range that a publication judges at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence('contacts_contact', 'id')")
        sequence = cursor.fetchone()[0]
        cursor.execute("SELECT setval(%s, nextval(%s) + %s)", [sequence, sequence, ids])


def generous_draft() -> Definition:
    """A draft of the shipped definition under which every signal weighs four times as much."""
    document = Definition.objects.get(key="default", version=1).document
    signals = [{**signal, "points": signal["points"] * 4} for signal in document["signals"]]
    return store_draft(document={**document, "signals": signals}, by=None)


def standings() -> list[dict[str, Any]]:
    """Where everybody stands, in full."""
    return [dict(row) for row in Standing.objects.order_by("pk").values()]


def is_as_rebuilt(now: datetime) -> bool:
    """Whether what is stored is what the facts give, recomputed from nothing."""
    before = standings()
    rebuild_contacts(contact_ids=list(Contact.objects.values_list("pk", flat=True)), now=now)
    return standings() == before


@contextmanager
def held_contact(contact_id: int) -> Iterator[Callable[[], None]]:
    """While inside, nobody writes a verdict on the contact; call what is given to let go earlier."""
    own = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SELECT id FROM contacts_contact WHERE id = %s FOR UPDATE", [contact_id])
        yield own.close
    finally:
        own.close()


@contextmanager
def held_table(name: str) -> Iterator[None]:
    """While inside, nobody else reads or writes the table."""
    own = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        own.close()


class Elsewhere(threading.Thread):
    """Something done on a thread and a database connection of its own; ``result`` is what it returned."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.result: object = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Do it."""
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001  for the test to look at
            self.error = error
        finally:
            connection.close()

    def finish(self) -> object:
        """Wait for its end, and give or raise what came of it."""
        self.join(60)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


def wait_until(is_so: Callable[[], bool], what: str, patience: float = 30.0) -> None:
    """Look again and again."""
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def waiting_for_locks() -> list[int]:
    """Process ids of the database sessions that wait for a lock of another one."""
    with connection.cursor() as cursor:
        # Within a transaction the first look would be shown again and again.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return [pid for (pid,) in cursor.fetchall()]
