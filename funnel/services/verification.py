"""Proving the consequences, and all invariants together: what ``manage.py verify`` runs. Reads only."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from django.db import connection

from contacts.models import Contact
from contacts.services.consent_verification import verify_consent, verify_mails
from contacts.services.merge_verification import verify_merges
from contacts.services.verification import EVERYBODY, PATIENCE, Among, Violation, verify_messages, verify_queue
from funnel.services.counting import verify_cells, verify_counted
from funnel.services.handoff_verification import verify_handoffs
from funnel.services.hooks.verification import verify_hooks
from funnel.services.notices.keeping import verify_notices
from funnel.services.sequences.verification import verify_steps
from scoring.services.verification import verify_chains, verify_judgements

# Contacts of one part: seconds of work, so that processes end together and progress is seen.
PART_SIZE: Final = 20_000
# In a sample the funnel's cells of so many days are added up again, and so many of those who wait are named.
_DAYS: Final = 5
_NAMED: Final = 100
# Below this drawing from the whole table costs nothing.
_FEW: Final = 20_000

Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of each part: as of when, how long what waits may wait, and whether a sample is enough."""

    now: datetime
    patience: timedelta = PATIENCE
    is_sample: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the proof that can run by itself, with the number of contacts that it looks at one by one."""

    name: str
    among: Among = EVERYBODY
    contacts: int = 0


def _contact_by_contact(among: Among, asked: Asked) -> Iterator[Violation]:
    yield from verify_judgements(among, now=asked.now)
    yield from verify_chains(among)
    yield from verify_consent(among)
    yield from verify_steps(among, now=asked.now, patience=asked.patience)
    yield from verify_counted(among, now=asked.now, patience=asked.patience)


def _messages(among: Among, asked: Asked) -> Iterator[Violation]:
    return verify_messages(among)


def _merges(among: Among, asked: Asked) -> Iterator[Violation]:
    return verify_merges(among, others=["funnel_handoff"])


def _queue(_: Among, asked: Asked) -> Iterator[Violation]:
    return verify_queue(now=asked.now, patience=asked.patience, most=_NAMED if asked.is_sample else None)


def _handoffs(among: Among, asked: Asked) -> Iterator[Violation]:
    return verify_handoffs(among, now=asked.now, patience=asked.patience)


def _told(among: Among, asked: Asked) -> Iterator[Violation]:
    yield from verify_mails()
    yield from verify_hooks(among, now=asked.now, patience=asked.patience)
    yield from verify_notices(now=asked.now, patience=asked.patience)


def _cells(_: Among, asked: Asked) -> Iterator[Violation]:
    return verify_cells(now=asked.now, patience=asked.patience, days=_DAYS if asked.is_sample else None)


_CONTACTS: Final = "contacts"
_CHECKS: Final[Mapping[str, Callable[[Among, Asked], Iterator[Violation]]]] = {
    "messages": _messages,
    "queue": _queue,
    _CONTACTS: _contact_by_contact,
    "handoffs": _handoffs,
    "merges": _merges,
    "told": _told,
    "cells": _cells,
}


def verify_part(part: Part, asked: Asked) -> Iterator[Violation]:
    """Check one part; yields what does not hold as it is found."""
    return _CHECKS[part.name](part.among, asked)


def parts_of(*, sample: int | None = None, always: tuple[int, ...] = ()) -> list[Part]:
    """Return the parts of a whole proof, or of one of ``sample`` contacts drawn at random besides those of ``always``.

    With a sample, what is about contacts looks at these alone, and what is not is answered by indexes or bounded.
    """
    if sample is not None:
        drawn = tuple(sorted({*draw_contacts(sample), *always}))
        return [Part(name, Among(ids=drawn), len(drawn) if name == _CONTACTS else 0) for name in _CHECKS]
    parts: list[Part] = []
    for name in _CHECKS:
        if name == _CONTACTS:
            parts += [Part(name, Among(first=first, last=last), number) for first, last, number in _ranges()]
        else:
            parts.append(Part(name))
    return parts


def verify_invariants(
    *,
    now: datetime,
    sample: int | None = None,
    patience: timedelta = PATIENCE,
    always: tuple[int, ...] = (),
    progress: Progress | None = None,
) -> Iterator[Violation]:
    """Check the invariants of API.md one after the other; yields what does not hold as it is found.

    ``sample`` looks at so many contacts, drawn at random, instead of all, and at those of ``always``. ``patience``: how
    long what waits may wait. ``progress`` is told how many contacts are done, and of how many, after each part.
    """
    asked = Asked(now=now, patience=patience, is_sample=sample is not None)
    parts = parts_of(sample=sample, always=always)
    total, done = sum(part.contacts for part in parts), 0
    for part in parts:
        yield from verify_part(part, asked)
        done += part.contacts
        if progress is not None:
            progress(done, total)


_RANGE: Final = """
SELECT min(id), max(id), count(*)
FROM (SELECT id FROM contacts_contact WHERE id > %s ORDER BY id LIMIT %s) AS part
"""


def _ranges() -> Iterator[tuple[int, int, int]]:
    """First id, last id and number of contacts of each part; ends where it ends, whoever comes meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM contacts_contact")
        end, last = cursor.fetchone()[0], 0
        while end is not None and last < end:
            cursor.execute(_RANGE, [last, PART_SIZE])
            first, last, number = cursor.fetchone()
            yield first, last, number


_ESTIMATE: Final = "SELECT reltuples FROM pg_class WHERE oid = 'contacts_contact'::regclass"
_FROM_PAGES: Final = """
SELECT id FROM (SELECT id FROM contacts_contact TABLESAMPLE SYSTEM (%s) WHERE present) AS drawn
ORDER BY random() LIMIT %s
"""


def draw_contacts(number: int) -> list[int]:
    """Draw contacts at random; of many, from pages drawn at random, so that a large table is not read for a few."""
    with connection.cursor() as cursor:
        cursor.execute(_ESTIMATE)
        (rows,) = cursor.fetchone()
        if rows > max(_FEW, 20 * number):
            cursor.execute(_FROM_PAGES, [min(100.0, 100 * 10 * number / rows), number])
            drawn = [contact_id for (contact_id,) in cursor.fetchall()]
            if len(drawn) == number:
                return drawn
    return list(Contact.objects.filter(present=True).order_by("?").values_list("pk", flat=True)[:number])
