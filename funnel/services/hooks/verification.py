"""Invariant 8: every transition is consumed once, and what is announced is told or known not to be. Reads only."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from contacts.services.verification import EVERYBODY, PATIENCE, Among, Violation
from funnel.services.hooks.claiming import LEASE

_UNCONSUMED: Final = """
SELECT contact_id, count(*) FROM scoring_transition
WHERE consumed_at IS NULL AND recorded_at < %s GROUP BY contact_id ORDER BY contact_id
"""
_TWICE: Final = """
SELECT contact_id, transition_id, count(*) FROM funnel_announcement
WHERE type = 'contact.stage_changed' AND {among} GROUP BY contact_id, transition_id HAVING count(*) > 1 ORDER BY 1, 2
"""
_UNTAKEN: Final = "SELECT count(*), min(at) FROM funnel_announcement WHERE hooked_at IS NULL AND at < %s"
_STRAY: Final = """
SELECT delivery.id, delivery.state,
       CASE WHEN delivery.state NOT IN ('waiting', 'delivered', 'dead') THEN 'is in a state of its own'
            WHEN delivery.state = 'waiting' AND delivery.due_at IS NULL THEN 'waits without a date'
            WHEN delivery.leased_until < %(lost)s THEN 'was taken and neither came back nor was taken again'
            ELSE 'waits for an endpoint that is disabled' END
FROM funnel_hookdelivery AS delivery JOIN funnel_hookendpoint AS endpoint ON endpoint.id = delivery.endpoint_id
WHERE delivery.state NOT IN ('waiting', 'delivered', 'dead')
   OR (delivery.state = 'waiting' AND (
        delivery.due_at IS NULL OR delivery.leased_until < %(lost)s OR endpoint.disabled_at < %(lost)s))
ORDER BY delivery.id
"""


def verify_hooks(among: Among = EVERYBODY, *, now: datetime, patience: timedelta = PATIENCE) -> Iterator[Violation]:
    """Yield what was not consumed or told in time, told twice, or is neither delivered, scheduled nor a dead letter.

    ``among``: of what was told twice only what is about these contacts; indexes answer the rest. What waits behind a
    slow receiver is scheduled; what a dead sender had taken is taken again within its lease.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNCONSUMED, [now - patience])
        unconsumed = cursor.fetchall()
        cursor.execute(_TWICE.format(among=among.where("contact_id")), among.given)
        twice = cursor.fetchall()
        cursor.execute(_UNTAKEN, [now - patience])
        untaken, since = cursor.fetchone()
        cursor.execute(_STRAY, {"lost": now - LEASE - patience})
        stray = cursor.fetchall()
    for contact_id, count in unconsumed:
        yield Violation(8, f"{count} changes of stage were not consumed", contact_id)
    for contact_id, transition_id, count in twice:
        yield Violation(8, f"change of stage {transition_id} was announced {count} times", contact_id)
    if untaken:
        yield Violation(
            8, f"{untaken} announcements were not taken by webhooks, the oldest of {since:%Y-%m-%d %H:%M:%S}"
        )
    for delivery_id, _state, fault in stray:
        yield Violation(8, f"webhook delivery {delivery_id} {fault}")
