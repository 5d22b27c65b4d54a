"""Addresses that nothing is sent to. Only keyed hashes of them are kept, so they outlive the person's erasure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Count
from django.utils.translation import gettext

from contacts.audit import AuditAct, AuditThing
from contacts.enums import SuppressionReason
from contacts.ingest.identifiers import normalise_email
from contacts.ingest.incoming import Refused
from contacts.models import Source, Suppression
from contacts.permissions import check_lift_suppressions
from contacts.services.auditing import record_act
from contacts.services.erased_names import keyed_hash
from contacts.services.rows import as_json

# Weakest first: a stronger reason takes a weaker one's place, never the other way round.
STRENGTH: Final = (
    SuppressionReason.BOUNCED,
    SuppressionReason.BY_HAND,
    SuppressionReason.UNSUBSCRIBED,
    SuppressionReason.OBJECTED,
    SuppressionReason.COMPLAINED,
)
# What somebody told a mailbox provider, or us, about all of our mail is theirs: nobody else takes it back.
NEVER_LIFTED_BY_HAND: Final = frozenset({SuppressionReason.COMPLAINED, SuppressionReason.OBJECTED})
# What the person may take back themselves, by a link in a mail to that address.
LIFTED_BY_THE_PERSON: Final = frozenset({SuppressionReason.UNSUBSCRIBED, SuppressionReason.OBJECTED})

INSERT: Final = """
INSERT INTO contacts_suppression AS old (address_hash, reason, at, source_id, by_id, lifted_because)
SELECT DISTINCT ON (r.address_hash) r.address_hash, r.reason, r.at, %(source)s, %(by)s, ''
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(address_hash text, reason text, at timestamptz)
WHERE NOT EXISTS (
    SELECT FROM contacts_suppression lifted WHERE lifted.address_hash = r.address_hash AND lifted.lifted_at >= r.at)
ORDER BY r.address_hash, array_position(%(strength)s::text[], r.reason) DESC, r.at
ON CONFLICT (address_hash) WHERE lifted_at IS NULL DO UPDATE
SET reason = excluded.reason, at = excluded.at, source_id = excluded.source_id, by_id = excluded.by_id
WHERE array_position(%(strength)s::text[], excluded.reason::text)
    > array_position(%(strength)s::text[], old.reason::text)
"""
DROP_MAILS: Final = """
UPDATE contacts_mail SET state = 'dropped', address = '', subject = '', body = '', headers = '{}', error = ''
WHERE state = 'waiting' AND lower(address) = ANY(%s)
"""


class NotLiftable(Exception):
    """This suppression is the person's own word and nobody else's to take back; the text says so."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An address (normalised) to send nothing to any more, why and since when."""

    address: str
    reason: str
    at: datetime


def suppressed_among(addresses: Iterable[str]) -> dict[str, Suppression]:
    """Return those of ``addresses`` (normalised) that nothing is sent to, each with its row. One query."""
    hashes = {keyed_hash("email", address): address for address in addresses if address}
    if not hashes:
        return {}
    found = Suppression.objects.filter(address_hash__in=list(hashes), lifted_at=None)
    return {hashes[row.address_hash]: row for row in found}


def is_suppressed(address: str) -> bool:
    """Tell whether nothing is sent to ``address`` (normalised)."""
    return bool(suppressed_among([address]))


def write_suppressions(
    cursor: CursorWrapper, *, refusals: Sequence[Refusal], source: Source | None, by: User | None = None
) -> None:
    """Suppress addresses and drop what waits to be sent to them, within the current transaction: two statements.

    A stronger reason takes a weaker one's place; otherwise the first stands. What is older than the last lifting has
    been dealt with. Consent is withdrawn by the caller (contacts/services/consent_facts.py), who knows whose the
    addresses are.
    """
    if not refusals:
        return
    rows = [{"address_hash": keyed_hash("email", one.address), "reason": one.reason, "at": one.at} for one in refusals]
    given = {
        "rows": as_json(rows),
        "source": source.pk if source else None,
        "by": by.pk if by else None,
        "strength": [reason.value for reason in STRENGTH],
    }
    cursor.execute(INSERT, given)
    cursor.execute(DROP_MAILS, [sorted({one.address for one in refusals})])


def lift_suppression(*, address: str, because: str, by: User, now: datetime) -> None:
    """Let mail to ``address`` be sent again: a mailbox that works again, a mistake. Consent does not come back with it.

    Raises:
        PermissionDenied: ``by`` may not.
        Refused: no address, no reason, or nothing to lift (``not_suppressed``).
        NotLiftable: the person complained or objected.
    """
    check_lift_suppressions(by)
    address = normalise_email(address, "email")
    if not because.strip():
        raise Refused("required", "reason", gettext("Say why mail may be sent there again; it is kept."))
    with transaction.atomic():
        row = (
            Suppression.objects.select_for_update()
            .filter(address_hash=keyed_hash("email", address), lifted_at=None)
            .first()
        )
        if row is None:
            raise Refused("not_suppressed", "email", gettext("Nothing keeps mail from this address."))
        if row.reason in NEVER_LIFTED_BY_HAND:
            raise NotLiftable(
                gettext("%(reason)s: only they themselves may take that back.")
                % {"reason": str(row.get_reason_display()).capitalize()}
            )
        row.lifted_at, row.lifted_by, row.lifted_because = now, by, because.strip()[:255]
        row.save(update_fields=["lifted_at", "lifted_by", "lifted_because"])
        record_act(AuditAct.SUPPRESSION_LIFTED, by=by, about=(AuditThing.SUPPRESSION, row.pk), reason=row.reason)


def lift_by_the_person(*, address: str, how: str, now: datetime) -> bool:
    """Lift what a person said themselves, on their word by a link in a mail to it; tell whether it is free.

    A spam complaint stays: their mailbox provider holds it against every further mail. So does a dead mailbox, and what
    one of us decided.
    """
    with transaction.atomic():
        row = (
            Suppression.objects.select_for_update()
            .filter(address_hash=keyed_hash("email", address), lifted_at=None)
            .first()
        )
        if row is None:
            return True
        if row.reason not in LIFTED_BY_THE_PERSON:
            return False
        row.lifted_at, row.lifted_because = now, how[:255]
        row.save(update_fields=["lifted_at", "lifted_because"])
        return True


def count_suppressions() -> Mapping[str, int]:
    """Return how many addresses nothing is sent to, by reason; every reason is named. One query."""
    rows = Suppression.objects.filter(lifted_at=None).order_by().values_list("reason").annotate(number=Count("pk"))
    counted = dict(rows)
    return {reason.value: counted.get(reason.value, 0) for reason in SuppressionReason}
