"""Marking the clicks of link scanners while they are recorded, and those recorded before that turn out to be theirs."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from contacts.enums import SHIPPED_KINDS
from contacts.ingest.bursts import REACH, REASONS, SORTS, Sign, Sort, find_bursts, is_honeypot, link_of, mail_of
from contacts.services.corrections import suspect_events
from contacts.services.rows import Item, as_json
from contacts.services.traits import lock_contacts

_NEW: Final = "new"
_OLD: Final = "old"
_KINDS: Final[dict[int, Sort]] = {kind.id: SORTS[kind.name] for kind in SHIPPED_KINDS if kind.name in SORTS}

# Judged and marked events stand in an index each. What a person has said of an event holds, whatever is found.
_NEARBY: Final = """
SELECT e.id, e.contact_id, e.kind_id, e.occurred_at, e.properties, e.suspect_reason
FROM contacts_event e
WHERE e.contact_id = r.contact_id AND e.occurred_at BETWEEN r.since AND r.until AND e.kind_id = ANY(%(kinds)s)
"""
FIND_NEARBY: Final = f"""
SELECT near.*, EXISTS (
    SELECT FROM contacts_eventcorrection o
    WHERE o.event_id = near.id AND o.action = 'reclassified'
        AND (o.corrected_by_id IS NOT NULL OR o.source_id IS NOT NULL))
FROM jsonb_to_recordset(%(stretches)s::jsonb) AS r(contact_id bigint, since timestamptz, until timestamptz)
CROSS JOIN LATERAL (
    {_NEARBY} AND e.retracted_at IS NULL AND e.suspect_reason = ''
    UNION ALL
    {_NEARBY} AND NOT (e.retracted_at IS NULL AND e.suspect_reason = '') AND e.retracted_at IS NULL
) near
"""  # noqa: S608  constants only

COUNT_NEARBY: Final = f"SELECT count(*) FROM ({FIND_NEARBY}) near"  # noqa: S608  constants only


class _Stretch(msgspec.Struct, gc=False):
    contact_id: int
    since: datetime
    until: datetime


class _Stored(msgspec.Struct, gc=False):
    """An event that is in the log; ``is_settled``: a person or an integration said who did it."""

    id: int
    contact_id: int
    kind_id: int
    occurred_at: datetime
    properties: Any
    suspect_reason: str
    is_settled: bool


def suspect_bursts(
    cursor: CursorWrapper,
    *,
    items: Sequence[Item],
    created: Collection[int],
    said_of: Callable[[], Collection[int]],
    renamed: Sequence[int],
    received_at: datetime,
) -> None:
    """Mark what of ``items`` is part of a scanner's burst, and what of the stored events this shows to be one.

    Call it when the items' contacts are known and before anything is written of them: what is suspect from the start
    begins nothing and confirms nothing. Two batches on their way at once may only together show a burst, so each looks
    again once it is committed: whichever that is last sees both, and nobody waits for anybody. No statement unless the
    batch holds clicks in mails, deliveries or sends; one otherwise and one after the commit, and a fixed number where
    stored events are marked. The contacts of these are held from then on, and in the same id order those that the
    transaction will hold later (``said_of`` the batch, or of the companies ``renamed``), for two that hold some now and
    some then would wait in a circle; not the whole batch, for each drain would be waited for. ``created``: contacts
    that this transaction makes.
    """
    concerned = [item for item in items if item.kind is not None and item.kind.id in _KINDS]
    if not concerned:
        return
    for item in concerned:
        # What an earlier round found may rest on messages that turned out not to be new.
        if item.event.suspect_reason in REASONS:
            item.event.suspect_reason = ""
    new = set(created)
    of_known = [item for item in concerned if item.contact_id not in new]
    stored: dict[int, _Stored] = {}
    if of_known:
        stretches = as_json(_stretches(of_known))
        stored = _find_nearby(cursor, stretches)
        expected = len(stored) + len(of_known)
        transaction.on_commit(partial(look_again, stretches, expected=expected, now=received_at), robust=True)
    signs: defaultdict[int, list[Sign]] = defaultdict(list)
    for place, item in enumerate(concerned):
        if item.kind is not None:
            signs[item.contact_id].append(
                _sign((_NEW, place), item.kind.id, item.event.occurred_at, item.event.properties)
            )
    wanted = _judge(signs, concerned, stored)
    if wanted:
        marked = {stored[number].contact_id for number in wanted}
        lock_contacts(cursor, contact_ids=sorted(marked | (set(said_of()) - new)), company_ids=renamed)
        suspect_events(cursor, reasons=wanted, over=("", *REASONS), now=received_at)


def look_again(stretches: str, *, expected: int, now: datetime) -> None:
    """Mark what shows only now that a batch is committed, beside what others had on their way at the same time.

    ``stretches``: those around the batch's events, as JSON; ``expected``: how many events lie there, the batch's own
    included, if nobody else wrote any. One statement if so.
    """
    with connection.cursor() as cursor:
        cursor.execute(COUNT_NEARBY, _asked(stretches))
        if cursor.fetchone()[0] == expected:
            return
    with transaction.atomic(), connection.cursor() as cursor:
        stored = _find_nearby(cursor, stretches)
        wanted = _judge(defaultdict(list), (), stored)
        if wanted:
            lock_contacts(cursor, contact_ids=sorted({stored[number].contact_id for number in wanted}), company_ids=())
            suspect_events(cursor, reasons=wanted, over=("", *REASONS), now=now)


def _judge(
    signs: defaultdict[int, list[Sign]], concerned: Sequence[Item], stored: Mapping[int, _Stored]
) -> dict[int, str]:
    """Mark what of ``concerned`` is part of a burst; return which stored events are to be marked, with the reasons."""
    for event in stored.values():
        signs[event.contact_id].append(_sign((_OLD, event.id), event.kind_id, event.occurred_at, event.properties))
    wanted: dict[int, str] = {}
    for of_contact in signs.values():
        if len(of_contact) == 1 and not of_contact[0].is_honeypot:
            continue
        for (where, number), reason in find_bursts(of_contact).items():
            if where == _NEW:
                incoming = concerned[number].event
                if _is_weaker(incoming.suspect_reason, reason):
                    incoming.suspect_reason = reason
            elif not stored[number].is_settled and _is_weaker(stored[number].suspect_reason, reason):
                wanted[number] = reason
    return wanted


def _asked(stretches: str) -> dict[str, Any]:
    return {"stretches": stretches, "kinds": list(_KINDS)}


def _find_nearby(cursor: CursorWrapper, stretches: str) -> dict[int, _Stored]:
    """Return the stored events that may be part of a burst with those around which ``stretches`` lie, by id."""
    cursor.execute(FIND_NEARBY, _asked(stretches))
    found: dict[int, _Stored] = {}
    for event_id, contact_id, kind_id, occurred_at, properties, reason, is_settled in cursor.fetchall():
        # Raw cursors give jsonb as text.
        told = msgspec.json.decode(properties)
        found[event_id] = _Stored(event_id, contact_id, kind_id, occurred_at, told, reason, is_settled)
    return found


def _stretches(items: Iterable[Item]) -> list[_Stretch]:
    """Return the stretches of time around ``items``, those of a contact that overlap as one."""
    stretches: list[_Stretch] = []
    for contact_id, at in sorted((item.contact_id, item.event.occurred_at) for item in items):
        last = stretches[-1] if stretches else None
        if last is not None and last.contact_id == contact_id and at - REACH <= last.until:
            last.until = at + REACH
        else:
            stretches.append(_Stretch(contact_id, at - REACH, at + REACH))
    return stretches


def _sign(key: tuple[str, int], kind_id: int, at: datetime, properties: Any) -> Sign:
    told = properties if isinstance(properties, dict) else {}
    is_trap = is_honeypot(told, settings.HONEYPOT_MARKER)
    return Sign(key, mail_of(told), _KINDS[kind_id], at, link_of(told), is_trap)


def _is_weaker(reason: str, other: str) -> bool:
    """Tell whether ``other``, that of a burst, is shown instead of ``reason``; another suspicion than a burst stays."""
    return not reason or (reason in REASONS and REASONS.index(reason) < REASONS.index(other))
