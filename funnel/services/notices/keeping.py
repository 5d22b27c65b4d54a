"""What becomes of what people were told: forgotten in time, and free of whoever was erased; whether all were told."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Subquery

from contacts.registry import Erasing, Merging
from contacts.services.verification import PATIENCE, Violation
from funnel.models import Announcement, NoticeMail, Notification, NotificationItem
from funnel.selectors.people import name_of
from funnel.services.notices.looking_out import LOOKING

READ_KEPT_FOR: Final = timedelta(days=90)
# Whoever has not looked for a year does not miss what came before that.
UNREAD_KEPT_FOR: Final = timedelta(days=365)
_AT_ONCE: Final = 5_000


def forget_notices(*, now: datetime) -> int:
    """Delete lines that were read 90 days ago or came a year ago, with what they tell; return how many lines."""
    old = Notification.objects.filter(read_at__lt=now - READ_KEPT_FOR) | Notification.objects.filter(
        at__lt=now - UNREAD_KEPT_FOR
    )
    ids = list(old.order_by("pk").values_list("pk", flat=True)[:_AT_ONCE])
    Notification.objects.filter(pk__in=ids).delete()
    return len(ids)


def keep_notices(merging: Merging) -> None:
    """Nothing follows from a merge or its undoing: whom a line is about, and what they are called, is looked up."""


def export_notices(contact_ids: Sequence[int]) -> Mapping[str, Any]:
    """Tell who of us was told what of these contacts, and when."""
    rows = NotificationItem.objects.filter(contact_id__in=list(contact_ids)).select_related("user", "notification")
    return {
        "notifications": [
            {"at": row.told_at, "person": name_of(row.user), "kind": row.notification.kind, "what": row.what}
            for row in rows.order_by("told_at", "pk")
        ]
    }


def erase_notices(erasing: Erasing) -> None:
    """Delete what people were told of an erased person; lines that told of several tell of the others."""
    with connection.cursor() as cursor:
        # Whoever looks at events right now ends first, so that nothing is written of them after this.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOOKING])
    items = NotificationItem.objects.filter(contact_id__in=erasing.contact_ids)
    lines = set(items.values_list("notification", flat=True))
    mails = set(items.filter(mail__isnull=False).values_list("mail", flat=True))
    items.delete()
    left = (
        NotificationItem.objects.filter(notification=OuterRef("pk"))
        .order_by()
        .values("notification")
        .annotate(number=Count("pk"))
    )
    touched = Notification.objects.filter(pk__in=lines)
    touched.filter(~Exists(left)).delete()
    touched.update(count=Subquery(left.values("number")))
    NoticeMail.objects.filter(~Exists(NotificationItem.objects.filter(mail=OuterRef("pk"))), pk__in=mails).delete()


def verify_notices(*, now: datetime, patience: timedelta = PATIENCE) -> Iterator[Violation]:
    """Invariant 8, people's part: nobody is left untold of what was announced more than ``patience`` ago."""
    late = Announcement.objects.filter(noticed_at=None, at__lt=now - patience).order_by("pk")
    for row in late[:100]:
        yield Violation(
            8, f"announcement {row.pk} ({row.type}) of {row.at:%Y-%m-%d %H:%M:%S} was told to nobody", row.contact_id
        )
