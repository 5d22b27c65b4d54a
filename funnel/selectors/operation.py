"""How Ripen itself does at a moment: everything that an operator must see, gathered part by part."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from contacts.selectors.backlog import FactsBacklog, facts_backlog
from contacts.selectors.database import Database, database_state
from contacts.selectors.workers import Machinery, read_machinery
from contacts.services.pressure import is_piled_up
from funnel.selectors.backlog import ConsequenceBacklog, consequence_backlog
from funnel.selectors.proofs import Checked, latest
from scoring.selectors.backlog import JudgementBacklog, judgement_backlog

# Whoever asks how things are must not wait for what is slow.
PATIENCE_MS: Final = 2_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of the file system that holds the state folder."""

    total: int
    free: int

    @property
    def free_share(self) -> float:
        """How much of it is free, 0 to 1."""
        return self.free / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """What was found at ``now``. A part that is None could not be asked; ``failed`` names it.

    ``proof`` None without its name in ``failed``: no scheduled check has been made yet. ``refusing``: no more facts are
    taken for now.
    """

    now: datetime
    machinery: Machinery
    disk: Disk | None = None
    database: Database | None = None
    facts: FactsBacklog | None = None
    judgement: JudgementBacklog | None = None
    consequences: ConsequenceBacklog | None = None
    proof: Checked | None = None
    refusing: bool = False
    failed: tuple[str, ...] = field(default_factory=tuple)


def observe(*, now: datetime) -> Observed:
    """Gather everything in some twenty short statements and one call of the broker; never raises.

    Each statement is given PATIENCE_MS. What cannot be asked leaves the other parts as they are.
    """
    failed: list[str] = []

    def attempt(name: str, ask: Callable[[], T]) -> T | None:
        try:
            with transaction.atomic():
                return ask()
        except DatabaseError:
            failed.append(name)
            return None

    machinery = read_machinery(now=now)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(PATIENCE_MS)])
            database = attempt("database", database_state)
            facts = attempt("facts", lambda: facts_backlog(now=now))
            judgement = attempt("judgement", lambda: judgement_backlog(now=now))
            consequences = attempt("consequences", lambda: consequence_backlog(now=now))
            proof = attempt("proof", latest)
            refusing = facts is not None and _is_refusing(facts, now, attempt)
    except DatabaseError:
        return Observed(now, machinery, _disk(), failed=("database", "facts", "judgement", "consequences", "proof"))
    return Observed(
        now, machinery, _disk(), database, facts, judgement, consequences, proof, bool(refusing), tuple(failed)
    )


def _is_refusing(
    facts: FactsBacklog, now: datetime, attempt: Callable[[str, Callable[[], bool]], bool | None]
) -> bool | None:
    """Whether ingest refuses for the length of the queue. Counting it all is what ingest does then, too."""
    if not facts.due.more or facts.due.age(now) <= settings.INGEST_MAX_DUE_SECONDS:
        return False
    return attempt("facts", is_piled_up)


def _disk() -> Disk | None:
    try:
        usage = shutil.disk_usage(settings.STATE_DIR)
    except OSError:
        return None
    return Disk(usage.total, usage.free)
