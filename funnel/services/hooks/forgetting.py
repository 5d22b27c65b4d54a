"""What webhooks leave behind goes again: what was told after 30 days, dead letters after 90, what is erased at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from contacts.registry import Erasing, Merging
from funnel.enums import AnnouncementType, DeliveryState
from funnel.models import Announcement, HookAttempt, HookDelivery, HookMessage
from funnel.services.announcing import Told, announce

KEPT_FOR: Final = timedelta(days=30)
DEAD_KEPT_FOR: Final = timedelta(days=90)
_AT_ONCE: Final = 1_000


def forget_hooks(*, now: datetime) -> int:
    """Delete messages whose time is over, with their deliveries, and what was announced and told; return how many.

    A message stays while a delivery waits, and for 90 days where one of its deliveries is a dead letter. One that says
    that somebody was erased goes as soon as everybody has it.
    """
    deliveries = HookDelivery.objects.filter(message=OuterRef("pk"))
    waiting = Exists(deliveries.filter(state=DeliveryState.WAITING))
    dead = Exists(deliveries.filter(state=DeliveryState.DEAD, closed_at__gte=now - DEAD_KEPT_FOR))
    over = Q(created_at__lt=now - KEPT_FOR) | Q(type=AnnouncementType.CONTACT_ERASED)
    gone = 0
    while ids := list(HookMessage.objects.filter(over, ~waiting, ~dead).values_list("pk", flat=True)[:_AT_ONCE]):
        with transaction.atomic():
            _delete(ids)
        gone += len(ids)
    told = Announcement.objects.filter(
        at__lt=now - KEPT_FOR, hooked_at__lt=now - KEPT_FOR, noticed_at__lt=now - KEPT_FOR
    )
    while ids := list(told.values_list("pk", flat=True)[:_AT_ONCE]):
        Announcement.objects.filter(pk__in=ids).delete()
        gone += len(ids)
    return gone


def tell_merge(merging: Merging) -> None:
    """Announce that one contact became part of another."""
    _tell_pair(AnnouncementType.CONTACT_MERGED, merging)


def tell_parting(merging: Merging) -> None:
    """Announce that a merge was undone."""
    _tell_pair(AnnouncementType.CONTACT_PARTED, merging)


def erase_hooks(erasing: Erasing) -> None:
    """Delete what was and would be told of a person, and announce to receivers whose id is no more.

    That announcement is the husk's: the ids are in its words alone, and go with the message once everybody has it.
    """
    ids = list(erasing.contact_ids)
    _delete(list(HookMessage.objects.filter(contact_ids__overlap=ids).values_list("pk", flat=True)))
    texts = [str(contact_id) for contact_id in ids]
    pairs = Q(type__in=[AnnouncementType.CONTACT_MERGED, AnnouncementType.CONTACT_PARTED])
    theirs = pairs & (Q(data__winner__in=texts) | Q(data__loser__in=texts))
    Announcement.objects.filter(Q(contact_id__in=ids) | theirs).delete()
    announce(
        [
            Told(AnnouncementType.CONTACT_ERASED, at=erasing.now, contact_id=erasing.husk_id, data={"id": text})
            for text in texts
        ]
    )


def export_hooks(contact_ids: Sequence[int]) -> Mapping[str, Any]:
    """Tell which messages about these contacts went to which addresses, and when."""
    rows = (
        HookDelivery.objects.filter(message__contact_ids__overlap=list(contact_ids))
        .select_related("message", "endpoint")
        .order_by("pk")
    )
    return {
        "webhooks": [
            {
                "message": row.message.uid,
                "type": row.message.type,
                "at": row.message.at,
                "to": row.endpoint.url.partition("?")[0],
                "state": row.state,
                "closed_at": row.closed_at,
                "body": row.message.body,
            }
            for row in rows
        ]
    }


def _tell_pair(kind: AnnouncementType, merging: Merging) -> None:
    said = {"winner": str(merging.winner_id), "loser": str(merging.loser_id), "merge": str(merging.merge_id)}
    announce([Told(kind, at=merging.now, contact_id=merging.winner_id, data=said)])


def _delete(message_ids: Sequence[int]) -> None:
    """Delete messages with all that hangs on them; whoever is sending one finds nothing to write down."""
    # Whoever is just writing one down is waited for, so that nothing is left that hangs on it.
    list(HookDelivery.objects.filter(message__in=message_ids).order_by("pk").select_for_update().values_list("pk"))
    HookAttempt.objects.filter(delivery__message__in=message_ids).delete()
    HookDelivery.objects.filter(message__in=message_ids).delete()
    HookMessage.objects.filter(pk__in=message_ids).delete()
