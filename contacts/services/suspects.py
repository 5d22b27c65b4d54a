"""Saying of many events at once who did them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User

from contacts.permissions import check_correct_events
from contacts.selectors.suspects import GroupKey, Query, events_of_group
from contacts.services.corrections import MAX_EVENTS, reclassify_events

# In one request; whoever has more asks again.
MAX_AT_ONCE: Final = 10_000


@dataclass(slots=True)
class Reclassified:
    """How many events were reclassified, and whether more of the same are left."""

    events: int = 0
    more: bool = False


def reclassify_groups(
    *, query: Query, keys: Iterable[GroupKey], suspect_reason: str, by: User, now: datetime
) -> Reclassified:
    """Say of every event of these groups that a machine did it, or with ``""`` that a person did.

    Up to 10,000 events, 1,000 in a transaction: what is done is done for good.

    Args:
        query: what the groups were looked for with.
        keys: which groups.
        suspect_reason: as of ``reclassify_events``.
        by: who says so.
        now: when.

    Raises:
        PermissionDenied: ``by`` may not correct events.
        BadReason: the reason cannot be kept.
    """
    check_correct_events(by)
    outcome = Reclassified()
    left = MAX_AT_ONCE
    for key in keys:
        ids = events_of_group(query, key, limit=left + 1)
        outcome.more = outcome.more or len(ids) > left
        ids = ids[:left]
        left -= len(ids)
        for begin in range(0, len(ids), MAX_EVENTS):
            part = reclassify_events(
                event_ids=ids[begin : begin + MAX_EVENTS], suspect_reason=suspect_reason, by=by, now=now
            )
            outcome.events += len(part.accepted)
    return outcome
