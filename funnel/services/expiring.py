"""What becomes of handoffs whose clock rings: a warning, an offer that expires and is made again, a claim that lapses.

Each takes a batch of rows that nobody else is at (SKIP LOCKED) and does all of it in a few statements, so any number of
sweeps may run at once. Locks: contacts first (as the judgement and the drains do), then handoffs, then reps.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from contacts.models import Contact, Standing
from funnel.conversation import ATTEMPTS
from funnel.enums import AnnouncementType, HandoffState, ReleaseReason
from funnel.models import Handoff
from funnel.moves import EXPIRE, HELD_STATES, RELEASE
from funnel.selectors.stages import handoff_stages
from funnel.services.announcing import Told, announce
from funnel.services.consequences import lock_contacts, open_offers
from funnel.services.evidence import freeze_evidence
from funnel.services.making import make_moves
from funnel.services.winding import start_clocks

# Several sweeps at once look at the same rows; a wider window lets each find some of its own.
_WINDOW: Final = 4
LET_IT_LAPSE: Final = "let the last offer lapse"

_OFFERED = Q(state=HandoffState.OFFERED)
_UNATTEMPTED = Q(state__in=HELD_STATES, attempted_at=None)


def set_clocks(*, now: datetime, limit: int = 500) -> int:
    """Start the clocks that have yet to be set (after an upgrade, or a merge that was undone) from ``now`` on."""
    with transaction.atomic():
        rows = Handoff.objects.filter(_OFFERED | _UNATTEMPTED, waiting_since=None).order_by("pk")
        ids = list(rows.select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True)[:limit])
        return start_clocks(handoff_ids=ids, now=now)


def warn_of_deadlines(*, now: datetime, limit: int = 500) -> int:
    """Tell once of each handoff whose time is nearly up; return how many they are.

    A claimed one is looked at first: where an attempt was made (whoever reported it), its clock ends instead.
    """
    ringing = Handoff.objects.filter(_OFFERED | _UNATTEMPTED, warn_at__lte=now, warned_at=None, due_at__gt=now)
    find_attempts(_ids(ringing.filter(_UNATTEMPTED), limit))
    with transaction.atomic():
        rows = list(ringing.order_by("pk").select_for_update(no_key=True, skip_locked=True)[:limit])
        Handoff.objects.filter(pk__in=[row.pk for row in rows]).update(warned_at=now)
        announce(
            [
                Told(
                    AnnouncementType.WARNED,
                    at=now,
                    contact_id=row.contact_id,
                    handoff_id=row.pk,
                    data={
                        "state": row.state,
                        "rep": row.claimed_by_id or row.assigned_to_id,
                        "due_at": row.due_at.isoformat() if row.due_at else None,
                        "escalation": row.escalation,
                    },
                )
                for row in rows
            ]
        )
        return len(rows)


def expire_offers(*, now: datetime, limit: int = 200) -> int:
    """Let offers expire that nobody claimed in time, and offer their contacts again at once, one step further up.

    The new offer has evidence of its own, remembers since when the contact waits (``first_offered_at``), and is kept
    for nobody who let the last one lapse. Whose contact has left the handoff stages is left to the judgement, which
    withdraws it. Returns how many expired.
    """
    with transaction.atomic():
        due = Handoff.objects.filter(_OFFERED, due_at__lte=now)
        contact_ids = _lock_contacts_of(due, limit)
        # Standings are read after their contacts were locked, so they are the latest and stay so.
        standings = Standing.objects.filter(contact_id__in=contact_ids, stage__in=handoff_stages())
        stages = dict(standings.values_list("contact_id", "stage"))
        moved = make_moves(EXPIRE, due.filter(contact_id__in=list(stages)), now=now, skip_locked=True)
        expired = Handoff.objects.filter(pk__in=[one.handoff_id for one in moved]).order_by("pk")
        evidence = freeze_evidence(stages={row.contact_id: stages[row.contact_id] for row in expired}, at=now)
        offers, not_to = [], {}
        for row in expired:
            if row.assigned_to_id is not None:
                not_to[row.contact_id] = {row.assigned_to_id: LET_IT_LAPSE}
            offers.append(
                Handoff(
                    contact_id=row.contact_id,
                    stage=stages[row.contact_id],
                    transition_id=row.transition_id,
                    # No offer is lost for want of an explanation.
                    evidence=evidence.get(row.contact_id, row.evidence),
                    offered_at=now,
                    first_offered_at=row.first_offered_at,
                    previous=row,
                    escalation=row.escalation + 1,
                )
            )
        open_offers(offers, now=now, not_to=not_to)
        return len(moved)


def release_unattempted(*, now: datetime, limit: int = 200) -> int:
    """Put back into the queue what was claimed without a first attempt in time; return how many.

    An attempt that somebody else reported (a mail provider, a telephone system) is looked for before.
    """
    due = Handoff.objects.filter(_UNATTEMPTED, due_at__lte=now)
    find_attempts(_ids(due, limit * _WINDOW))
    with transaction.atomic():
        rows = due.filter(contact_id__in=_lock_contacts_of(due, limit))
        return len(make_moves(RELEASE, rows, now=now, reason=ReleaseReason.NO_ATTEMPT, skip_locked=True))


_FIND_ATTEMPTS: Final = """
WITH held AS MATERIALIZED (
    SELECT handoff.id, handoff.contact_id, handoff.claimed_at FROM funnel_handoff AS handoff
    WHERE handoff.id = ANY(%(ids)s) AND handoff.attempted_at IS NULL AND handoff.state = ANY(%(states)s)
    ORDER BY handoff.id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE funnel_handoff AS handoff
SET attempted_at = attempt.at, warn_at = NULL, due_at = NULL,
    last_activity_at = greatest(handoff.last_activity_at, attempt.latest)
FROM held CROSS JOIN LATERAL (
    SELECT min(event.occurred_at) AS at, max(event.occurred_at) AS latest
    FROM contacts_event AS event JOIN contacts_kind AS kind ON kind.id = event.kind_id
    LEFT JOIN contacts_kind AS meant ON meant.id = kind.maps_to_id
    WHERE event.contact_id = held.contact_id AND event.occurred_at >= held.claimed_at
      AND event.retracted_at IS NULL AND event.suspect_reason = '' AND coalesce(meant.name, kind.name) = ANY(%(kinds)s)
) AS attempt
WHERE handoff.id = held.id AND attempt.at IS NOT NULL
"""


def find_attempts(handoff_ids: Sequence[int]) -> int:
    """Look for attempts to reach the contacts of these claimed handoffs since their claim, whoever reported them.

    Where there is one, the clock ends; return how many that were. One statement.
    """
    if not handoff_ids:
        return 0
    given: dict[str, Any] = {
        "ids": list(handoff_ids),
        "states": [str(state) for state in HELD_STATES],
        "kinds": list(ATTEMPTS),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FIND_ATTEMPTS, given)
        found: int = cursor.rowcount
        return found


def _ids(rows: "QuerySet[Handoff]", limit: int) -> list[int]:
    return list(rows.order_by(F("due_at"), "pk").values_list("pk", flat=True)[:limit])


def _lock_contacts_of(rows: "QuerySet[Handoff]", limit: int) -> list[int]:
    """Lock the contacts of the rows that are due the longest, leaving out those that others are at."""
    window = rows.order_by("due_at", "pk").values("contact_id")[: limit * _WINDOW]
    return lock_contacts(Contact.objects.filter(id__in=window), limit=limit)
