"""Facts that say "no more": whoever reports them, they suppress the address and withdraw consent at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from contacts.audit import AuditAct, AuditThing
from contacts.enums import ConsentAction, ConsentBasis, IdentityKind, SuppressionReason
from contacts.ingest.consent import State
from contacts.ingest.identifiers import normalise_email
from contacts.ingest.incoming import Refused, mint_message_id
from contacts.models import Identity, Purpose, Source
from contacts.permissions import check_suppress_addresses
from contacts.selectors.consent import ledger_states
from contacts.services.auditing import is_by_hand, record_act
from contacts.services.consent import Entry, message_uuid, write_entries
from contacts.services.rows import Item
from contacts.services.suppression import Refusal, write_suppressions

REFUSALS: Final[Mapping[str, SuppressionReason]] = {
    "unsubscribed": SuppressionReason.UNSUBSCRIBED,
    "email_complained": SuppressionReason.COMPLAINED,
    "email_bounced": SuppressionReason.BOUNCED,
}
# A mailbox that is full today takes mail again tomorrow.
_SOFT_BOUNCES: Final = frozenset({"soft", "transient", "temporary", "deferred", "undetermined", "autoresponded"})
# These are the person's own word about all mail, so they also object to what needs no consent.
_OBJECTIONS: Final = frozenset(
    {SuppressionReason.UNSUBSCRIBED, SuppressionReason.COMPLAINED, SuppressionReason.OBJECTED}
)

LOCK: Final = "SELECT id, email FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"


@dataclass(frozen=True, slots=True)
class Told:
    """One "no more": of whom (None: an address that nobody has), to which address, for one purpose or for all."""

    contact_id: int | None
    origin_id: int | None
    address: str
    reason: SuppressionReason
    purpose: str
    at: datetime
    message: str
    proof: dict[str, Any] = field(default_factory=dict)


def follow_refusals(cursor: CursorWrapper, *, source: Source, items: Sequence[Item], received_at: datetime) -> None:
    """Act on the events among ``items`` by which somebody refuses mail, within the current transaction.

    ``unsubscribed`` with ``properties.purpose`` (a key that exists) withdraws that purpose; without it, it suppresses
    the address and withdraws everything, as ``email_complained`` does. ``email_bounced`` does so for a permanent
    bounce: ``properties.type`` is left out or names no temporary one. No statement unless there are such events.
    """
    told = [
        _told(item, source, reason)
        for item in items
        if item.kind is not None and (reason := REFUSALS.get(item.kind.name)) is not None and not _is_soft(item)
    ]
    if told:
        apply_refusals(cursor, told=told, source=source, by=None, now=received_at)


def apply_refusals(
    cursor: CursorWrapper, *, told: Sequence[Told], source: Source | None, by: User | None, now: datetime
) -> None:
    """Suppress addresses, withdraw consent and drop what waits to be sent: at most nine statements.

    A refusal that is older than a consent given since is history: it is kept in the ledger and changes nothing.
    """
    contact_ids = sorted({one.contact_id for one in told if one.contact_id is not None})
    addresses: dict[int, str] = {}
    if contact_ids:
        cursor.execute(LOCK, [contact_ids])
        addresses = dict(cursor.fetchall())
    purposes = {purpose.key: purpose for purpose in Purpose.objects.all()}
    states = ledger_states(contact_ids)
    refusals: list[Refusal] = []
    entries: list[Entry] = []
    for one in told:
        known = states.get(one.contact_id, {}) if one.contact_id is not None else {}
        current = addresses.get(one.contact_id, "") if one.contact_id is not None else ""
        address = one.address or current
        if one.purpose in purposes:
            withdrawn = [purposes[one.purpose]]
        else:
            if address and not any(state.is_granted and state.at > one.at for state in known.values()):
                refusals.append(Refusal(address, one.reason, one.at))
            if one.reason == SuppressionReason.BOUNCED and address != current:
                continue
            withdrawn = [purpose for purpose in purposes.values() if _is_withdrawn(purpose, known, one.reason)]
        if one.contact_id is not None:
            entries += [_entry(one, one.contact_id, purpose) for purpose in withdrawn]
    write_suppressions(cursor, refusals=refusals, source=source, by=by)
    write_entries(cursor, entries=entries, source=source, by=by, now=now)


def suppress_address(
    *,
    address: str,
    now: datetime,
    reason: str = SuppressionReason.BY_HAND,
    by: User | None = None,
    source: Source | None = None,
) -> None:
    """Send nothing to an address any more, whether or not anybody here has it, and withdraw its owner's consent.

    Raises:
        PermissionDenied: ``by`` may not.
        Refused: ``invalid_email``, ``invalid_choice`` (reason).
    """
    if by is not None:
        check_suppress_addresses(by)
    address = normalise_email(address, "email")
    if reason not in SuppressionReason.values:
        raise Refused("invalid_choice", "reason", f"One of {', '.join(SuppressionReason.values)}.")
    with transaction.atomic(), connection.cursor() as cursor:
        owner = (
            Identity.objects.filter(kind=IdentityKind.EMAIL, value=address, contact__present=True)
            .values_list("contact_id", "origin_contact_id")
            .first()
        )
        told = Told(
            contact_id=owner[0] if owner else None,
            origin_id=owner[1] if owner else None,
            address=address,
            reason=SuppressionReason(reason),
            purpose="",
            at=now,
            message=mint_message_id(),
            proof={"how": "suppressed", "reason": reason},
        )
        apply_refusals(cursor, told=[told], source=source, by=by, now=now)
        if is_by_hand(by):
            about = (AuditThing.CONTACT, owner[0]) if owner else (AuditThing.SUPPRESSION, "")
            record_act(AuditAct.ADDRESS_SUPPRESSED, by=by, about=about, reason=reason)


def _told(item: Item, source: Source, reason: SuppressionReason) -> Told:
    event = item.event
    purpose = event.properties.get("purpose")
    return Told(
        contact_id=item.contact_id,
        origin_id=item.origin_id,
        address=event.email or "",
        reason=reason,
        purpose=purpose if reason == SuppressionReason.UNSUBSCRIBED and isinstance(purpose, str) else "",
        at=event.occurred_at,
        message=message_uuid(source.pk, item.dedupe_id),
        proof={"how": "event", "kind": event.kind, "message": event.message_id},
    )


def _is_soft(item: Item) -> bool:
    if item.kind is None or item.kind.name != "email_bounced":
        return False
    given = item.event.properties.get("type")
    return isinstance(given, str) and given.strip().lower() in _SOFT_BOUNCES


def _is_withdrawn(purpose: Purpose, known: Mapping[str, State], reason: SuppressionReason) -> bool:
    state = known.get(purpose.key)
    if state is not None:
        return state.is_granted
    return purpose.basis == ConsentBasis.LEGITIMATE_INTEREST and reason in _OBJECTIONS


def _entry(one: Told, contact_id: int, purpose: Purpose) -> Entry:
    return Entry(
        contact_id,
        one.origin_id or contact_id,
        purpose.pk,
        ConsentAction.WITHDRAWN,
        purpose.basis,
        one.at,
        one.proof,
        one.message,
    )
