"""The original source of contacts that merge and part: the older of two, and each its own again."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db.backends.utils import CursorWrapper
from django.db.models import Q

from contacts.models import Merge
from contacts.selectors.merges import members_of
from contacts.services.beginnings import EARLIEST_FACTS

BEGINNING_COLUMNS: Final = (
    "source_channel, source_direction, source_motion, source_campaign, source_at, source_message::text"
)
_READ: Final = f"SELECT id, {BEGINNING_COLUMNS} FROM contacts_contact WHERE id = ANY(%s)"  # noqa: S608  constants only
_WRITE: Final = """
UPDATE contacts_contact SET source_channel = %s, source_direction = %s, source_motion = %s, source_campaign = %s,
    source_at = %s, source_message = %s
WHERE id = %s
"""
# Whose a message is: an event's, or that of an attribute that it told. Marked events begin nothing.
_WHOSE: Final = """
SELECT e.dedupe_id::text, e.contact_id, e.retracted_at IS NULL AND e.suspect_reason = ''
FROM contacts_event e WHERE e.dedupe_id = ANY(%(messages)s::uuid[])
UNION ALL
SELECT o.message::text, o.contact_id, true
FROM contacts_attributechange o WHERE o.contact_id = ANY(%(contacts)s) AND o.message = ANY(%(messages)s::uuid[])
    AND NOT EXISTS (SELECT FROM contacts_event e WHERE e.dedupe_id = o.message AND e.source_id = o.source_id)
"""


class Beginning(msgspec.Struct, frozen=True):
    """Where a contact came from, and the message that says so; ``at`` None: nobody knows."""

    channel: str = ""
    direction: str = ""
    motion: str = ""
    campaign: str = ""
    at: datetime | None = None
    message: str | None = None


def read_beginnings(cursor: CursorWrapper, contact_ids: Sequence[int]) -> dict[int, Beginning]:
    """Return what the contacts are said to have begun with."""
    cursor.execute(_READ, [list(contact_ids)])
    return {row[0]: Beginning(*row[1:]) for row in cursor.fetchall()}


def older(one: Beginning, other: Beginning) -> Beginning:
    """Return the earlier of two in event time."""
    return min((one, other), key=_order)


def write_beginning(cursor: CursorWrapper, contact_id: int, beginning: Beginning) -> None:
    """Set what a contact began with."""
    cursor.execute(_WRITE, [*msgspec.structs.astuple(beginning), contact_id])


def part_beginnings(cursor: CursorWrapper, *, winner_id: int, loser_id: int) -> None:
    """Give each of two contacts that part its own beginning; their rows must be theirs already.

    That is the earliest of what each is known to have begun with before they were merged, and of the facts that are
    its own, those that came meanwhile included. What a merge remembers is exact; of a fact it is as much as its row
    tells. What a message that left no row began stays with whom it was said of first.
    """
    both = [winner_id, loser_id]
    side_of = {contact_id: side for side in both for contact_id in members_of([side])}
    current = read_beginnings(cursor, both)
    known: dict[str, tuple[Beginning, int | None]] = {}
    for beginning, contact_id in [*_remembered(side_of), *((current[side], side) for side in both)]:
        if beginning.message is not None:
            known.setdefault(beginning.message, (beginning, side_of.get(contact_id)))
    cursor.execute(_WHOSE, {"messages": list(known), "contacts": both})
    for message, contact_id, counts in cursor.fetchall():
        known[message] = (known[message][0], side_of.get(contact_id) if counts else None)
    cursor.execute(EARLIEST_FACTS, [both])
    found = {contact_id: [Beginning()] for contact_id in both}
    for contact_id, *values in cursor.fetchall():
        found[contact_id].append(Beginning(*values))
    for beginning, side in known.values():
        if side is not None:
            # Ahead of what the row of the same message tells.
            found[side].insert(0, beginning)
    for contact_id in both:
        write_beginning(cursor, contact_id, min(found[contact_id], key=_order))


def _remembered(contact_ids: Iterable[int]) -> list[tuple[Beginning, int]]:
    """What merges remember of these contacts and all they ever were one with, the oldest first, each with its contact.

    Whoever is mentioned first with a message is whom it was said of: later merges may know it of both together.
    """
    tree: set[int] = set()
    wider = set(contact_ids)
    while wider != tree:
        tree = wider
        merges = list(Merge.objects.filter(Q(winner__in=tree) | Q(loser__in=tree)).order_by("id"))
        wider = tree | {contact_id for merge in merges for contact_id in (merge.winner_id, merge.loser_id)}
    return [
        (msgspec.convert(merge.beginnings[role], Beginning), contact_id)
        for merge in merges
        for role, contact_id in (("winner", merge.winner_id), ("loser", merge.loser_id))
    ]


def _order(beginning: Beginning) -> tuple[Any, ...]:
    """Place in event time; an unknown one comes last."""
    return (True,) if beginning.at is None else (False, beginning.at, beginning.message or "")


def as_builtins(beginning: Beginning) -> Mapping[str, Any]:
    """Return what a merge keeps of a beginning."""
    kept: Mapping[str, Any] = msgspec.to_builtins(beginning)
    return kept
