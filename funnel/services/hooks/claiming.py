"""Which deliveries are sent next: fair over endpoints, a few at a time for each, and nobody's twice at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from contacts.models import Contact
from contacts.services.suppression import suppressed_among
from funnel.enums import AnnouncementType
from funnel.hooks.signing import secrets_in_force, sign
from funnel.models import HookAttempt, HookDelivery
from funnel.services.hooks.payloads import TEST

# At most so many to one endpoint at once; to one that is failing a single one, to see whether it is back.
AT_ONCE: Final = 4
# Whoever dies while sending has this long, then it is sent again; an exchange takes 20 s at most.
LEASE: Final = timedelta(seconds=40)
_AGENT: Final = "Ripen-Webhooks/1.0"

_LOCK: Final = """
SELECT endpoint.id FROM funnel_hookendpoint AS endpoint
WHERE endpoint.disabled_at IS NULL AND (endpoint.paused_until IS NULL OR endpoint.paused_until <= %(now)s)
  AND EXISTS (
    SELECT FROM funnel_hookdelivery AS due
    WHERE due.endpoint_id = endpoint.id AND due.state = 'waiting' AND due.due_at <= %(now)s
      AND (due.leased_until IS NULL OR due.leased_until <= %(now)s))
ORDER BY endpoint.id FOR NO KEY UPDATE SKIP LOCKED
"""
# In a statement of its own, that sees what whoever had the endpoint before has taken. The first of each endpoint come
# before the second of any, and those that answer before those that fail, which never fill more than half of the places.
_TAKE: Final = """
WITH next AS (
    SELECT due.id, due.place, due.due_at, endpoint.failing_since IS NOT NULL AS failing
    FROM funnel_hookendpoint AS endpoint CROSS JOIN LATERAL (
        SELECT id, due_at, row_number() OVER (ORDER BY due_at, id) AS place FROM (
            SELECT id, due_at FROM funnel_hookdelivery
            WHERE endpoint_id = endpoint.id AND state = 'waiting' AND due_at <= %(now)s
              AND (leased_until IS NULL OR leased_until <= %(now)s)
            ORDER BY due_at, id
            LIMIT greatest(0, CASE WHEN endpoint.failing_since IS NULL THEN %(at_once)s ELSE 1 END - (
                SELECT count(*) FROM funnel_hookdelivery AS busy
                WHERE busy.endpoint_id = endpoint.id AND busy.state = 'waiting' AND busy.leased_until > %(now)s))
        ) AS first
    ) AS due
    WHERE endpoint.id = ANY(%(endpoints)s)
), failing AS (
    SELECT id, place, due_at FROM next WHERE failing ORDER BY place, due_at, id LIMIT greatest(0, %(for_failing)s - (
        SELECT count(*) FROM funnel_hookdelivery AS busy JOIN funnel_hookendpoint AS slow ON slow.id = busy.endpoint_id
        WHERE busy.state = 'waiting' AND busy.leased_until > %(now)s AND slow.failing_since IS NOT NULL))
), chosen AS (
    SELECT id FROM (
        SELECT id, place, due_at, 0 AS rank FROM next WHERE NOT failing
        UNION ALL SELECT id, place, due_at, 1 FROM failing
    ) AS every ORDER BY rank, place, due_at, id LIMIT %(free)s
)
UPDATE funnel_hookdelivery AS delivery SET leased_until = %(until)s, takes = takes + 1
FROM chosen WHERE delivery.id = chosen.id AND delivery.state = 'waiting'
  AND (delivery.leased_until IS NULL OR delivery.leased_until <= %(now)s)
RETURNING delivery.id
"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that was taken to be sent now. ``takes`` and ``attempts`` tell this taking from every other."""

    delivery_id: int
    endpoint_id: int
    takes: int
    attempts: int
    is_test: bool
    url: str
    body: bytes
    headers: dict[str, str]


def claim_deliveries(*, now: datetime, free: int, places: int) -> list[Parcel]:
    """Take up to ``free`` due deliveries, signed and ready to be sent; ``places`` is how many can be sent at once.

    Safe with any number of senders: an endpoint that another one is choosing for at this moment is left to it.
    """
    if free <= 0:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, {"now": now})
        endpoints = [endpoint_id for (endpoint_id,) in cursor.fetchall()]
        if not endpoints:
            return []
        given: dict[str, Any] = {
            "now": now,
            "until": now + LEASE,
            "at_once": AT_ONCE,
            "for_failing": max(places // 2, 1),
            "endpoints": endpoints,
            "free": free,
        }
        cursor.execute(_TAKE, given)
        ids = [delivery_id for (delivery_id,) in cursor.fetchall()]
        rows = HookDelivery.objects.filter(pk__in=ids).select_related("message", "endpoint").order_by("due_at", "pk")
        return [_parcel(row, now=now) for row in _without_withdrawn(list(rows))]


def _without_withdrawn(rows: list[HookDelivery]) -> list[HookDelivery]:
    """Delete what would have a tool write to an address that was suppressed since; return the others."""
    steps = {row.pk: row.message.contact_ids for row in rows if row.message.type == AnnouncementType.STEP_DUE}
    if not steps:
        return rows
    ids = {contact_id for contact_ids in steps.values() for contact_id in contact_ids}
    emails = dict(Contact.objects.filter(pk__in=ids).values_list("pk", "email"))
    suppressed = suppressed_among(set(emails.values()))
    gone = [pk for pk, contact_ids in steps.items() if any(emails.get(one) in suppressed for one in contact_ids)]
    # These alone, which are ours: who sends to another endpoint looks for itself.
    HookAttempt.objects.filter(delivery__in=gone).delete()
    HookDelivery.objects.filter(pk__in=gone).delete()
    return [row for row in rows if row.pk not in gone]


def _parcel(delivery: HookDelivery, *, now: datetime) -> Parcel:
    endpoint, message = delivery.endpoint, delivery.message
    secrets = secrets_in_force(
        settings.HASH_KEY,
        endpoint=endpoint.uid,
        generation=endpoint.generation,
        rotated_at=endpoint.rotated_at,
        now=now,
    )
    body = message.body.encode()
    return Parcel(
        delivery_id=delivery.pk,
        endpoint_id=endpoint.pk,
        takes=delivery.takes,
        attempts=delivery.attempts,
        is_test=message.type == TEST,
        url=endpoint.url,
        body=body,
        headers={"User-Agent": _AGENT, **sign(secrets, message_id=message.uid, body=body, now=now)},
    )
