"""What nobody announces, found by looking: dates that have come, conversations gone quiet, what contacts did, notices.

State-based, so a lost or repeated look changes nothing: each thing has a key, and a person is told once of each.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Q

from contacts.permissions import EDITORS
from funnel.enums import NoticeKind
from funnel.models import Handoff, NotificationItem
from funnel.moves import HELD_STATES
from funnel.selectors.cards import last_activity_of, with_activity
from funnel.selectors.working import sales_settings
from funnel.services.notices.audience import Notice
from funnel.services.notices.digests import zones_of
from funnel.services.notices.staff import Staff, load_staff
from funnel.services.notices.telling import write_notices
from scoring.announcing import NEWS_FOR
from scoring.models import Notice as DefinitionNotice

# Nobody is told in the middle of their night that a day has begun.
MORNING: Final = 6
_MOST: Final = 1_000
# Held by whoever looks, and by whoever erases what was seen.
LOOKING: Final = 0x52495045_4E4F54

# What a claimed contact did one to one, or a colleague logged of them. What a machine reports of both sides (a call)
# was most likely its rep's own doing. Only lately: histories are imported, too. What was told of is left out here and
# not by the constraint, so that a look costs no rollback.
_ACTED: Final = """
SELECT event.id, event.contact_id, handoff.id, handoff.claimed_by_id, event.recorded_by_id, event.occurred_at,
       coalesce(meant.name, kind.name)
FROM funnel_handoff AS handoff
JOIN contacts_event AS event ON event.contact_id = handoff.contact_id
    AND event.occurred_at > greatest(handoff.claimed_at, %(since)s) AND event.occurred_at <= %(now)s
    AND event.retracted_at IS NULL AND event.suspect_reason = ''
JOIN contacts_kind AS kind ON kind.id = event.kind_id
LEFT JOIN contacts_kind AS meant ON meant.id = kind.maps_to_id
WHERE handoff.state = ANY(%(held)s)
  AND (coalesce(meant.name, kind.name) = ANY(%(also)s)
       OR coalesce(meant.reach, kind.reach) = 'one'
          AND (coalesce(meant.initiator, kind.initiator) = 'them'
               OR coalesce(meant.initiator, kind.initiator) = 'both' AND event.recorded_by_id IS NOT NULL))
  AND event.recorded_by_id IS DISTINCT FROM handoff.claimed_by_id
  AND NOT EXISTS (
      SELECT FROM funnel_notificationitem AS item
      WHERE item.user_id = handoff.claimed_by_id AND item.key = 'event:' || event.id)
ORDER BY event.id LIMIT %(limit)s
"""
# Addressed to nobody, and yet news to whoever talks with them. A purchase is told as won.
_ALSO: Final = ["trial_started", "unsubscribed", "email_complained", "refunded", "churned"]


def look_out(*, now: datetime) -> int:
    """Tell what is to be told and nobody announced; return how many notices were written. One worker at a time."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOOKING])
            if not cursor.fetchone()[0]:
                return 0
        staff = load_staff()
        found = [*_acted(now), *_dates_and_silences(now), *_about_definitions(staff, now)]
        fresh = [notice for notice in _untold(found) if staff.ways(notice.user_id, notice.kind) is not None]
        write_notices(fresh, staff=staff, now=now)
        return len(fresh)


def _acted(now: datetime) -> Iterator[Notice]:
    given: dict[str, Any] = {
        "since": now - NEWS_FOR,
        "now": now,
        "held": [state.value for state in HELD_STATES],
        "also": _ALSO,
        "limit": _MOST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ACTED, given)
        rows = cursor.fetchall()
    for event_id, contact_id, handoff_id, rep_id, by_id, at, kind in rows:
        yield Notice(
            user_id=rep_id,
            kind=NoticeKind.ACTED,
            what="acted",
            key=f"event:{event_id}",
            at=at,
            contact_id=contact_id,
            handoff_id=handoff_id,
            by_id=by_id,
            data={"kind": kind},
        )


def _dates_and_silences(now: datetime) -> Iterator[Notice]:
    """Handoffs whose agreed day has come where their rep is, and those of which nothing was heard for too long."""
    stale_days = sales_settings().stale_days
    silent_since = now - timedelta(days=stale_days)
    held = Handoff.objects.filter(state__in=HELD_STATES)
    # The earliest zone is 14 hours ahead of UTC.
    due = Q(next_at__lte=now + timedelta(hours=38), next_at__gt=now - NEWS_FOR)
    quiet = Q(next_at=None, attempted_at__isnull=False, claimed_at__lte=silent_since)
    rows = [row for row in with_activity(held.filter(due | quiet)).order_by("pk") if row.claimed_by_id is not None]
    zones = zones_of({row.claimed_by_id for row in rows if row.claimed_by_id is not None}) if rows else {}
    for row in rows:
        rep = row.claimed_by_id
        if rep is None:
            continue
        here = now.astimezone(ZoneInfo(zones[rep]))
        if here.hour < MORNING:
            continue
        if row.next_at is not None:
            day = row.next_at.astimezone(here.tzinfo).date()
            if day <= here.date():
                yield _of(row, rep, "due", f"due:{row.pk}:{day:%Y-%m-%d}", at=row.next_at)
        elif (last := last_activity_of(row)) is not None and last <= silent_since:
            yield _of(row, rep, "stale", f"stale:{row.pk}:{last:%Y-%m-%d}", at=last + timedelta(days=stale_days))


def _of(row: Handoff, rep: int, what: str, key: str, *, at: datetime) -> Notice:
    return Notice(
        user_id=rep,
        kind=NoticeKind.DUE,
        what=what,
        key=key,
        at=at,
        contact_id=row.contact_id,
        handoff_id=row.pk,
        data={"outcome": row.outcome},
    )


def _about_definitions(staff: Staff, now: datetime) -> Iterator[Notice]:
    """What Ripen found out about definitions lately and nobody has dismissed."""
    open_ones = DefinitionNotice.objects.filter(dismissed_at=None, created_at__gt=now - NEWS_FOR).order_by("pk")
    for row in open_ones:
        for user_id in staff.in_roles(EDITORS):
            yield Notice(
                user_id=user_id,
                kind=NoticeKind.DEFINITION,
                what="definition",
                key=f"definition:{row.pk}",
                at=row.created_at,
                data={"notice": row.pk},
            )


def _untold(notices: Sequence[Notice]) -> Iterable[Notice]:
    told = set(
        NotificationItem.objects.filter(
            user__in={notice.user_id for notice in notices}, key__in={notice.key for notice in notices}
        ).values_list("user_id", "key")
    )
    return [notice for notice in notices if (notice.user_id, notice.key) not in told]
