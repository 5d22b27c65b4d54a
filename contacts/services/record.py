"""The one way in: every fact, whoever reports it, is recorded by `record_events`."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from contacts.enums import SourceKind
from contacts.ingest.incoming import (
    IncomingEvent,
    IngestionWarning,
    Refused,
    Rejected,
    dedupe_id,
    mint_message_id,
)
from contacts.models import Source
from contacts.selectors.merges import roots_of
from contacts.services.companies import record_companies
from contacts.services.consent_facts import follow_refusals
from contacts.services.identities import names_of, resolve, write_identities
from contacts.services.kinds import check_kind, find_kinds
from contacts.services.machines import suspect_bursts
from contacts.services.merging import merge_suggested
from contacts.services.messages import write_due, write_due_of_companies, write_messages
from contacts.services.newcomers import are_many
from contacts.services.rows import Item, KindRef, Raced
from contacts.services.said import appearances_of, company_calls, said_of, write_said
from contacts.services.wake import wake

logger = logging.getLogger(__name__)

# Each round loses only to a writer that committed meanwhile, so this many in a row means something is broken.
MAX_ROUNDS: Final = 20
# Each is a transaction of its own, and the sender waits.
MERGES_AT_ONCE: Final = 20
_NOT_FROM_PUBLIC: Final = ("means", "authority", "details_confirmed")
_COMPANY_NAMES: Final = frozenset({"name", "domain"})

# Of a recorded message: the digest of its body, and the contact of an event.
Recorded = tuple[int, int | None]

FIND_RECORDED: Final = """
SELECT dedupe_id::text, body_digest, contact_id FROM contacts_event WHERE source_id = %s AND dedupe_id = ANY(%s::uuid[])
UNION ALL
SELECT dedupe_id::text, body_digest, NULL FROM contacts_message WHERE source_id = %s AND dedupe_id = ANY(%s::uuid[])
"""


class Receipt(msgspec.Struct, kw_only=True):
    """What came of a batch.

    ``contact_ids`` maps the index of each stored message (and of each repeated event) to its contact; ``created``
    holds the contacts that this batch made, ``stored`` the indexes of the messages that are new; ``pairs`` the contacts
    that a message named together, of which those that need no person's word are merged by now.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = []
    warnings: list[IngestionWarning] = []
    contact_ids: dict[int, int] = {}
    created: set[int] = set()
    stored: set[int] = set()
    pairs: list[tuple[int, int]] = []


class TooBusy(Exception):
    """Concurrent writers kept getting in the way; sending again is safe."""


def record_events(
    *,
    source: Source,
    events: Sequence[IncomingEvent],
    received_at: datetime,
    rejected: Sequence[Rejected] = (),
    warnings: Sequence[IngestionWarning] = (),
    by: User | None = None,
    strict: bool = False,
    dry_run: bool = False,
    system: bool = False,
) -> Receipt:
    """Record messages: resolve or make their contacts, store them once, apply their traits, queue who is due.

    One transaction with a number of statements that does not depend on the number of messages.

    Args:
        source: who reports; a public source may do less (API.md).
        events: what was read from the wire.
        received_at: the arrival.
        rejected: what reading already refused, for the receipt.
        warnings: what reading found odd, for the receipt.
        by: the person who records, where it is one.
        strict: store nothing unless all messages are good.
        dry_run: give the same answer, store nothing.
        system: allow the kinds that only Ripen itself records.

    Raises:
        TooBusy: concurrent writers of the same names were always first.
    """
    for number in range(MAX_ROUNDS):
        receipt = Receipt(rejected=list(rejected), warnings=list(warnings))
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    stored = _record(
                        cursor, source, events, received_at, by, receipt, system=system, look_first=number > 0
                    )
                if dry_run or (strict and receipt.rejected):
                    transaction.set_rollback(True)
                elif stored:
                    wake("scoring.drain")
        except Raced:
            continue
        except OperationalError as error:
            # A deadlock's victim (none is known: locks are ordered) simply goes again, unless it holds locks outside.
            if getattr(error.__cause__, "pgcode", "") != "40P01" or connection.in_atomic_block:
                raise
            logger.warning("ingest_deadlock", exc_info=True)
            continue
        if strict and receipt.rejected:
            receipt.accepted = 0
            receipt.contact_ids = {}
        elif receipt.pairs and not dry_run:
            _merge_pairs(source, receipt, received_at)
        receipt.rejected.sort(key=lambda item: item.index)
        receipt.warnings.sort(key=lambda item: item.index)
        return receipt
    raise TooBusy


def _merge_pairs(source: Source, receipt: Receipt, received_at: datetime) -> None:
    """Merge whom the messages named together, as far as that needs no person; the sweep does what is left."""
    merges = merge_suggested(source=source, pairs=receipt.pairs[:MERGES_AT_ONCE], now=received_at)
    if merges:
        became = roots_of(receipt.contact_ids.values())
        receipt.contact_ids = {index: became.get(one, one) for index, one in receipt.contact_ids.items()}


def record_fact(
    *,
    contact_id: int,
    kind: str,
    by: User | None,
    occurred_at: datetime,
    properties: Mapping[str, Any] | None = None,
    traits: Mapping[str, Any] | None = None,
    message_id: str | None = None,
    system: bool = False,
    now: datetime | None = None,
) -> None:
    """Record what happened inside Ripen (a logged call, a claimed handoff) under the internal source.

    A deterministic ``message_id`` makes recording again change nothing. ``now`` is when it is recorded, where that is
    later than ``occurred_at``.

    Raises:
        ValueError: the contact or the kind does not exist, or the same message id was used for something else.
    """
    event = IncomingEvent(
        index=0,
        message_id=message_id or mint_message_id(),
        kind=kind,
        occurred_at=occurred_at,
        id=contact_id,
        traits=dict(traits or {}),
        properties=dict(properties or {}),
    )
    receipt = record_events(
        source=internal_source(), events=[event], received_at=now or occurred_at, by=by, system=system
    )
    if receipt.rejected:
        raise ValueError(f"{kind} of contact {contact_id}: {receipt.rejected[0].message}")


def internal_source() -> Source:
    """Return the source of what people record inside Ripen; every installation has it."""
    return Source.objects.get(kind=SourceKind.INTERNAL)


def _record(
    cursor: CursorWrapper,
    source: Source,
    events: Sequence[IncomingEvent],
    received_at: datetime,
    by: User | None,
    receipt: Receipt,
    *,
    system: bool,
    look_first: bool,
) -> int:
    """Record within the current transaction; return how many messages are new.

    Locks are taken in one order: kinds, companies, identities, suggestions, contacts, messages; each by their key.
    Unless told to ``look_first`` it takes the messages for new, as nearly all are, and leaves it to the unique keys to
    know better.

    Raises:
        Raced: somebody else was first, or one of the messages is not new.
    """
    items = _permitted(cursor, source, events, receipt, system=system)
    recorded = _find_recorded(cursor, source, items) if look_first else {}
    items = _new_messages(items, recorded, receipt)
    if not items:
        return 0
    found = resolve(cursor, source=source, items=items)
    if found.rejected and not look_first:
        # What was good once is a duplicate, whatever it would be today.
        raise Raced
    receipt.rejected += found.rejected
    receipt.warnings += found.warnings
    refused = {rejected.index for rejected in found.rejected}
    items = [item for item in items if item.event.index not in refused]
    appearances = appearances_of(items, found)
    calls = company_calls(items, appearances)
    companies = record_companies(cursor, source=source, calls=calls, received_at=received_at)
    receipt.warnings += companies.warnings
    write_identities(
        cursor,
        source=source,
        items=items,
        found=found,
        appearances=appearances,
        received_at=received_at,
        blank=not are_many(found.created),
    )
    suspect_bursts(
        cursor,
        items=items,
        created=found.created,
        said_of=partial(said_of, items, found=found, appearances=appearances, calls=calls),
        renamed=companies.renamed,
        received_at=received_at,
    )
    write_said(
        cursor,
        source=source,
        items=items,
        found=found,
        appearances=appearances,
        calls=calls,
        companies=companies,
        received_at=received_at,
    )
    write_messages(cursor, source=source, items=items, received_at=received_at, by=by)
    write_due(cursor, source=source, items=items)
    write_due_of_companies(cursor, companies=companies.changed)
    follow_refusals(cursor, source=source, items=items, received_at=received_at)
    receipt.accepted = len(items)
    receipt.created = set(found.created)
    receipt.pairs = found.pairs
    receipt.stored = {item.event.index for item in items}
    for item in items:
        receipt.contact_ids[item.event.index] = item.contact_id
    return len(items)


def _permitted(
    cursor: CursorWrapper, source: Source, events: Sequence[IncomingEvent], receipt: Receipt, *, system: bool
) -> list[Item]:
    kinds = find_kinds(cursor, source=source, events=events)
    public = source.kind == SourceKind.PUBLIC
    source_id = source.pk
    # The same for all events of a kind.
    verdicts: dict[str | None, KindRef | Refused | None] = {None: None}
    items: list[Item] = []
    for event in events:
        if event.kind not in verdicts:
            verdicts[event.kind] = _verdict(event.kind, kinds, source, system=system)
        verdict = verdicts[event.kind]
        if not isinstance(verdict, Refused):
            refused = _refused_of_public(event) if public else None
            if refused is None:
                items.append(Item(event, verdict, dedupe_id(source_id, event.message_id), names_of(event)))
                continue
            verdict = refused
        _reject(receipt, event, verdict.code, verdict.field, verdict.message)
    return items


def _verdict(
    name: str | None, kinds: Mapping[str, KindRef], source: Source, *, system: bool
) -> KindRef | Refused | None:
    try:
        return check_kind(name, kinds, source=source, system=system)
    except Refused as refused:
        return refused


def _refused_of_public(event: IncomingEvent) -> Refused | None:
    """What a key that anybody can read may not say."""
    try:
        _check_public(event)
    except Refused as refused:
        return refused
    return None


def _check_public(event: IncomingEvent) -> None:
    """Refuse what a key that anybody can read may not say."""
    if event.id is not None:
        raise Refused("not_allowed", "contact.id", "A public source cannot name contacts by id.")
    for name in _NOT_FROM_PUBLIC:
        if name in event.traits or name in event.fills:
            raise Refused("not_allowed", f"traits.{name}", f"A public source may not set “{name}”.")
    company = event.traits.get("company")
    if isinstance(company, dict):
        for name in company.keys() - _COMPANY_NAMES:
            raise Refused("not_allowed", f"traits.company.{name}", "A public source may not describe companies.")


def _find_recorded(cursor: CursorWrapper, source: Source, items: Iterable[Item]) -> dict[str, Recorded]:
    ids = [item.dedupe_id for item in items]
    if not ids:
        return {}
    cursor.execute(FIND_RECORDED, [source.pk, ids, source.pk, ids])
    return {row[0]: (row[1], row[2]) for row in cursor.fetchall()}


def _new_messages(items: Iterable[Item], recorded: dict[str, Recorded], receipt: Receipt) -> list[Item]:
    """Leave out what is already recorded: the same body is a duplicate, another one a conflict; the first wins."""
    fresh: list[Item] = []
    for item in items:
        event = item.event
        if item.dedupe_id not in recorded:
            recorded[item.dedupe_id] = (event.body_digest, None)
            fresh.append(item)
            continue
        body_digest, contact_id = recorded[item.dedupe_id]
        if body_digest == event.body_digest:
            receipt.duplicates += 1
            if contact_id is not None:
                receipt.contact_ids[event.index] = contact_id
        else:
            message = "This message id was used before with another body; the first one stands."
            _reject(receipt, event, "conflict", "message_id", message)
    return fresh


def _reject(receipt: Receipt, event: IncomingEvent, code: str, field: str, message: str) -> None:
    receipt.rejected.append(
        Rejected(index=event.index, message_id=event.message_id, code=code, field=field, message=message)
    )
