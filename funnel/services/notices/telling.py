"""Telling people of announcements: taken once, written with all that follows in one transaction.

Whoever takes an announcement holds its row until people are told and that is noted, so a worker that is killed in
between has told nobody, and the next one does. ``NotificationItem`` is unique for a person and what told of it: should
two ever tell the same, the later one rolls back.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from contacts.services.wake import wake
from funnel.enums import AnnouncementType, MailMode, NoticeKind
from funnel.models import Announcement, Notification, NotificationItem
from funnel.services.notices.audience import Notice, notices_of, set_scene
from funnel.services.notices.digests import plan_digests
from funnel.services.notices.staff import Staff, load_staff

log = logging.getLogger(__name__)

# Things of one kind that come within this time of each other are told in one line, unless it was read meanwhile.
JOINS_WITHIN: Final = timedelta(minutes=10)
# And one line does not grow for longer than this, so that somebody who looks rarely sees when things came.
GROWS_FOR: Final = timedelta(hours=2)
# After these moves nobody needs to hurry to the queue for it any more.
_SETTLED: Final = (
    AnnouncementType.CLAIMED,
    AnnouncementType.REASSIGNED,
    AnnouncementType.EXPIRED,
    AnnouncementType.WITHDRAWN,
    AnnouncementType.WON,
    AnnouncementType.RETURNED,
)


def tell_announcements(*, now: datetime, limit: int = 200) -> int:
    """Tell people of up to ``limit`` announcements, oldest first; return how many are done.

    Safe with any number of workers at once: each takes rows of its own. One that cannot be told of (a failure of ours)
    does not keep others back; it stays, is tried again, and ``verify`` names it.
    """
    with transaction.atomic():
        waiting = Announcement.objects.filter(noticed_at=None).order_by("id")
        rows = list(waiting.select_for_update(skip_locked=True, no_key=True, of=("self",))[:limit])
        if not rows:
            return 0
        done = _tell_as_far_as_possible(rows, now=now)
        Announcement.objects.filter(pk__in=done).update(noticed_at=now)
        return len(done)


def _tell_as_far_as_possible(rows: Sequence[Announcement], *, now: datetime) -> list[int]:
    try:
        with transaction.atomic():
            _tell(rows, now=now)
    except Exception:
        log.exception("announcements_not_told")
    else:
        return [row.pk for row in rows]
    done = []
    for row in rows:
        try:
            with transaction.atomic():
                _tell([row], now=now)
        except Exception:
            log.exception("announcement_not_told", extra={"announcement": row.pk})
        else:
            done.append(row.pk)
    return done


def _tell(rows: Sequence[Announcement], *, now: datetime) -> None:
    staff = load_staff()
    scene = set_scene(rows, staff=staff, now=now)
    write_notices([notice for row in rows for notice in notices_of(row, scene)], staff=staff, now=now)
    settled = [row.handoff_id for row in rows if row.type in _SETTLED and row.handoff_id is not None]
    if settled:
        _settle_queue(settled, now=now)


def write_notices(notices: Sequence[Notice], *, staff: Staff, now: datetime) -> None:
    """Write these down for their people, several of a kind in one line each; a fixed number of statements."""
    if not notices:
        return
    lines = _open_lines(notices, now=now)
    fresh, items = [], []
    grown: dict[int, Notification] = {}
    digested: set[int] = set()
    mails = False
    for notice in notices:
        ways = staff.ways(notice.user_id, notice.kind)
        if ways is None:
            continue
        where = (notice.user_id, notice.kind, ways.in_app)
        line = lines.get(where)
        if line is None:
            line = lines[where] = Notification(
                user_id=notice.user_id, kind=notice.kind, in_app=ways.in_app, count=0, begun_at=now, at=now
            )
            fresh.append(line)
        elif line.pk is not None:
            grown[line.pk] = line
        line.count += 1
        line.at = now
        items.append(_item(notice, line, ways.mail, now=now))
        mails = mails or ways.mail is MailMode.AT_ONCE
        if ways.mail is MailMode.DIGEST:
            digested.add(notice.user_id)
    Notification.objects.bulk_create(fresh)
    if grown:
        Notification.objects.bulk_update(grown.values(), ["count", "at"])
    NotificationItem.objects.bulk_create(items, batch_size=2_000)
    plan_digests(digested, now=now)
    if mails:
        wake("funnel.notice_mail")


def _open_lines(notices: Iterable[Notice], *, now: datetime) -> dict[tuple[int, NoticeKind, bool], Notification]:
    """The unread lines to which further things may be added, locked; nobody reads or adds to them meanwhile."""
    rows = (
        Notification.objects.filter(
            user_id__in={notice.user_id for notice in notices},
            kind__in={notice.kind for notice in notices},
            read_at=None,
            at__gt=now - JOINS_WITHIN,
            begun_at__gt=now - GROWS_FOR,
        )
        .order_by("id")
        .select_for_update(no_key=True)
    )
    return {(row.user_id, NoticeKind(row.kind), row.in_app): row for row in rows}


def _item(notice: Notice, line: Notification, mail: MailMode, *, now: datetime) -> NotificationItem:
    return NotificationItem(
        notification=line,
        user_id=notice.user_id,
        key=notice.key,
        what=notice.what,
        contact_id=notice.contact_id,
        handoff_id=notice.handoff_id,
        by_id=notice.by_id,
        data=dict(notice.data),
        at=notice.at,
        told_at=now,
        mail_mode=mail,
    )


_SETTLE: Final = """
UPDATE funnel_notification AS line SET read_at = %(now)s
WHERE line.read_at IS NULL AND line.kind = 'queue'
  AND line.id IN (SELECT notification_id FROM funnel_notificationitem WHERE handoff_id = ANY(%(ids)s))
  AND NOT EXISTS (
      SELECT FROM funnel_notificationitem AS item JOIN funnel_handoff AS handoff ON handoff.id = item.handoff_id
      WHERE item.notification_id = line.id AND handoff.state = 'offered')
"""


def _settle_queue(handoff_ids: Sequence[int], *, now: datetime) -> None:
    """Take lines about the queue as read once nothing of what they tell is in the queue any more."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, {"now": now, "ids": list(handoff_ids)})
