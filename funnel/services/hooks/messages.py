"""From what is announced to what is sent: the consumer of the announcements.

One at a time (an advisory lock), in the order of their ids. No row of theirs is locked while payloads are built, so
whoever tells people of the same announcements is not in the way, nor this in theirs.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from contacts.models import Contact
from funnel.enums import AnnouncementType
from funnel.models import Announcement, HookDelivery, HookEndpoint
from funnel.services.hooks.payloads import build_messages, contacts_of

# Any constant: it names the lock among all advisory locks of the database.
_TAKING: Final = 0x484F4F4C
# An erasure or a merge under way holds them; then their announcements wait, or go with them.
_HOLD: Final = "SELECT id FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE SKIP LOCKED"


def take_announcements(*, now: datetime, limit: int = 200) -> int:
    """Make messages of up to ``limit`` announcements, one each, with a delivery for every endpoint that asks for them.

    Returns how many announcements are done with; 0: none is left, or somebody else is at it.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_TAKING])
            if not cursor.fetchone()[0]:
                return 0
        fresh = list(Announcement.objects.filter(hooked_at=None).order_by("id")[:limit])
        endpoints = list(HookEndpoint.objects.filter(disabled_at=None).order_by("id")) if fresh else []
        free = _without_held(fresh)
        _send_to(endpoints, [one for one in free if any(_asks(endpoint, one) for endpoint in endpoints)], now=now)
        Announcement.objects.filter(pk__in=[one.pk for one in free]).update(hooked_at=now)
        return len(free)


def _send_to(endpoints: Sequence[HookEndpoint], announcements: Sequence[Announcement], *, now: datetime) -> None:
    if not announcements:
        return
    messages = build_messages(announcements, now=now)
    for message in messages:
        message.save()
    by_id = {one.pk: one for one in announcements}
    HookDelivery.objects.bulk_create(
        HookDelivery(message=message, endpoint=endpoint, due_at=now, created_at=now)
        for message in messages
        for endpoint in endpoints
        if _asks(endpoint, by_id[message.announcement_id or 0])
    )


def _without_held(announcements: Sequence[Announcement]) -> list[Announcement]:
    """Those of which nobody's contact is just being erased or merged; contacts that are gone hold up nothing."""
    ids = sorted({contact_id for one in announcements for contact_id in contacts_of(one)})
    if not ids:
        return list(announcements)
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [ids])
        held = {contact_id for (contact_id,) in cursor.fetchall()}
    taken = set(Contact.objects.filter(pk__in=set(ids) - held).values_list("pk", flat=True))
    return [one for one in announcements if taken.isdisjoint(contacts_of(one))]


def _asks(endpoint: HookEndpoint, announcement: Announcement) -> bool:
    kind = AnnouncementType(announcement.type)
    if kind in {AnnouncementType.HOOK_FAILING, AnnouncementType.HOOK_DISABLED}:
        return False
    return endpoint.wants_everything or kind.value in endpoint.types
