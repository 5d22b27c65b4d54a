"""How often somebody may fail to say who they are: counted in the database, so that no parallel attempt slips through.

An attempt is counted before the password is looked at, and the count taken back where it was right: however many arrive
at once, at most so many are looked at. It needs no cache, so a cache that is away opens nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from contacts.models import FailedSignIn
from contacts.services.erased_names import keyed_hash

# Every limit counts within less than this; what is older goes.
LONGEST_WINDOW: Final = timedelta(days=1)
_FORGOTTEN_AT_ONCE: Final = 100

_FORGET: Final = """
DELETE FROM contacts_failedsignin WHERE id IN (
    SELECT id FROM contacts_failedsignin WHERE at < %s LIMIT %s FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` failures of ``value`` (an account, an address) within ``window``; ``of`` says what it is."""

    of: str
    value: str
    most: int
    window: timedelta

    @property
    def key_hash(self) -> str:
        """Under which its failures are kept."""
        return keyed_hash(f"sign-in {self.of}", self.value)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that is being made; ``refused`` by limits that are used up, ``first`` to be so in their window."""

    rows: tuple[int, ...] = ()
    refused: bool = False
    first: bool = False


def begin_attempt(*, limits: Sequence[Limit], now: datetime) -> Attempt:
    """Count an attempt as failed, unless one of the limits is used up: then it is refused and not counted.

    Raises ``ValueError`` for a window that is longer than what is kept.
    """
    if any(limit.window > LONGEST_WINDOW for limit in limits):
        raise ValueError("What is counted is kept for a day.")
    keys = sorted({limit.key_hash for limit in limits})
    with transaction.atomic(), connection.cursor() as cursor:
        for key in keys:
            # In one order, so that no two attempts wait for each other.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"sign-in {key}"])
        full = [
            limit
            for limit in limits
            if FailedSignIn.objects.filter(key_hash=limit.key_hash, at__gt=now - limit.window).count() >= limit.most
        ]
        if full:
            return Attempt(refused=True, first=_is_first(full, now))
        cursor.execute(_FORGET, [now - LONGEST_WINDOW, _FORGOTTEN_AT_ONCE])
        rows = FailedSignIn.objects.bulk_create([FailedSignIn(key_hash=key, at=now) for key in keys])
        return Attempt(rows=tuple(row.pk for row in rows))


def _is_first(full: Sequence[Limit], now: datetime) -> bool:
    """Whether nobody was told of this refusal yet; it is told once a window, however often somebody knocks."""
    is_first = False
    for limit in full:
        told = keyed_hash("told", limit.key_hash)
        if not FailedSignIn.objects.filter(key_hash=told, at__gt=now - limit.window).exists():
            FailedSignIn.objects.create(key_hash=told, at=now)
            is_first = True
    return is_first


def take_back(attempt: Attempt) -> None:
    """The attempt succeeded: it counts no more. What failed before it still does."""
    FailedSignIn.objects.filter(pk__in=attempt.rows).delete()


def forgive(limit: Limit) -> None:
    """Let somebody begin anew, who has proved otherwise who they are."""
    FailedSignIn.objects.filter(key_hash=limit.key_hash).delete()
