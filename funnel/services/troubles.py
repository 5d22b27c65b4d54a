"""Telling administrators when something about Ripen itself stays wrong.

Every worker watches, whichever queue it takes from, and so one that lives tells of the others. A database or a broker
that is down nobody here can tell of: that is for whoever watches from outside (docs/operate.md).
"""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from contacts.enums import Role
from funnel.enums import NoticeKind
from funnel.models import Trouble
from funnel.operation import alarms_of, judge_operation
from funnel.selectors.operation import observe
from funnel.services.notices.audience import Notice
from funnel.services.notices.mailing import queue_mails, send_notice_mails
from funnel.services.notices.staff import load_staff
from funnel.services.notices.telling import write_notices

# A restart takes seconds and is nobody's trouble.
TELL_AFTER: Final = timedelta(minutes=3)
# Mail is due half a minute after its cause; whoever would send it may be the one in trouble.
_MAIL_FOR: Final = timedelta(minutes=10)
_WATCHING: Final = 0x52495045_4E5741
# Checks of the data tell of themselves (funnel/services/proving.py).
_TOLD_OTHERWISE: Final = frozenset({"proof"})


def watch_operation(*, now: datetime) -> list[str]:
    """Note what is wrong and what is right again; return the parts that administrators were told of just now.

    Safe with any number of workers at once: one of them watches.
    """
    seen = observe(now=now)
    if seen.database is None:
        return []
    alarms = {finding.key for finding in alarms_of(judge_operation(seen))} - _TOLD_OTHERWISE
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_WATCHING])
            if not cursor.fetchone()[0]:
                return []
        Trouble.objects.exclude(part__in=alarms).delete()
        known = {row.part: row for row in Trouble.objects.all()}
        Trouble.objects.bulk_create(Trouble(part=part, since=now) for part in sorted(alarms - known.keys()))
        lasting = [row for row in known.values() if row.told_at is None and now - row.since >= TELL_AFTER]
        if lasting:
            _tell(lasting, now=now)
        return [row.part for row in lasting]


def mail_troubles(*, now: datetime) -> None:
    """Send what was told lately by mail, from whichever worker lives."""
    if Trouble.objects.filter(told_at__gt=now - _MAIL_FOR).exists():
        while queue_mails(now=now):
            pass
        send_notice_mails(now=now)


def _tell(rows: list[Trouble], *, now: datetime) -> None:
    staff = load_staff()
    notices = [
        Notice(
            user_id=user_id,
            kind=NoticeKind.OPERATION,
            what="trouble",
            key=f"trouble:{row.part}:{row.since:%Y%m%d%H%M%S}",
            at=row.since,
            data={"trouble": row.part},
        )
        for row in rows
        for user_id in staff.in_roles([Role.ADMIN])
    ]
    write_notices(notices, staff=staff, now=now)
    Trouble.objects.filter(pk__in=[row.pk for row in rows]).update(told_at=now)
