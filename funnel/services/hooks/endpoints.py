"""Endpoints: made, changed, disabled, and their secrets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext

from contacts.audit import AuditAct, AuditThing
from contacts.permissions import check_manage_hooks
from contacts.services.auditing import audited
from contacts.services.wake import wake
from funnel.enums import AnnouncementType, DeliveryState, DisableReason, HookFault
from funnel.errors import HookConflict
from funnel.hooks.destinations import DestinationRefused, read_destination
from funnel.hooks.signing import derive_secret
from funnel.models import HookDelivery, HookEndpoint
from funnel.models.hooks import HOOKABLE
from funnel.services.announcing import Told, announce
from funnel.services.hooks.payloads import TEST, new_message

MOST_ENDPOINTS: Final = 50
LONGEST_DESCRIPTION: Final = 200
# Any constant: it names the lock among all advisory locks of the database.
_COUNTING: Final = 0x484F4F4B


@audited(AuditAct.HOOK_CREATED, "result", keep=["types"])
def create_endpoint(
    *, url: str, types: Sequence[str] = (), description: str = "", by: User | None, now: datetime
) -> HookEndpoint:
    """Make an endpoint; it is told what happens from now on. No ``types`` means everything.

    ``by`` is the administrator who does it, None an integration whose key may.

    Raises:
        PermissionDenied: ``by`` may not manage webhooks.
        ValidationError: the address is none that may be told (``url``), a type is unknown, or there are too many.
    """
    _check(by)
    endpoint = HookEndpoint(
        url=_checked_url(url),
        types=_checked_types(types),
        description=_checked_description(description),
        created_by=by,
        created_at=now,
    )
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_COUNTING])
        if HookEndpoint.objects.count() >= MOST_ENDPOINTS:
            raise ValidationError(
                {
                    "url": gettext("There are %(number)s endpoints, the most there can be; delete one.")
                    % {"number": MOST_ENDPOINTS}
                }
            )
        endpoint.save()
    return endpoint


@audited(AuditAct.HOOK_CHANGED, "result", keep=["types"])
def change_endpoint(
    *,
    endpoint_id: int,
    url: str | None = None,
    types: Sequence[str] | None = None,
    description: str | None = None,
    by: User | None,
) -> HookEndpoint:
    """Change what is given; what waits goes to the new address. Raises as ``create_endpoint``, and ``DoesNotExist``."""
    _check(by)
    changes: dict[str, object] = {}
    if url is not None:
        changes["url"] = _checked_url(url)
    if types is not None:
        changes["types"] = _checked_types(types)
    if description is not None:
        changes["description"] = _checked_description(description)
    if changes:
        HookEndpoint.objects.filter(pk=endpoint_id).update(**changes)
    return HookEndpoint.objects.select_related("created_by").get(pk=endpoint_id)


@audited(AuditAct.HOOK_DELETED, "endpoint_id", thing=AuditThing.WEBHOOK)
def delete_endpoint(*, endpoint_id: int, by: User | None) -> None:
    """Delete an endpoint with all its deliveries; a message that is just being sent still arrives.

    Raises ``PermissionDenied`` or ``HookEndpoint.DoesNotExist``.
    """
    _check(by)
    with transaction.atomic():
        # Its sender records nothing while it goes.
        HookEndpoint.objects.select_for_update().get(pk=endpoint_id).delete()


@audited(AuditAct.HOOK_DISABLED, "result")
def disable_endpoint(*, endpoint_id: int, by: User | None, now: datetime) -> HookEndpoint:
    """Tell this endpoint nothing any more; what waits becomes a dead letter. Raises as ``delete_endpoint``."""
    _check(by)
    with transaction.atomic():
        endpoint = HookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
        if endpoint.disabled_at is None:
            shut(endpoint, DisableReason.BY_HAND, now=now)
    return endpoint


@audited(AuditAct.HOOK_ENABLED, "result")
def enable_endpoint(*, endpoint_id: int, by: User | None) -> HookEndpoint:
    """Tell this endpoint again what happens from now on; its dead letters wait to be replayed."""
    _check(by)
    HookEndpoint.objects.filter(pk=endpoint_id).update(
        disabled_at=None, disabled_for="", failing_since=None, failed=0, ran_out=0, flagged_at=None, paused_until=None
    )
    return HookEndpoint.objects.get(pk=endpoint_id)


@audited(AuditAct.HOOK_SECRET_ROTATED, "result")
def rotate_secret(*, endpoint_id: int, by: User | None, now: datetime) -> HookEndpoint:
    """Give it a new secret; the one before signs beside it for a day, an older one no more."""
    _check(by)
    HookEndpoint.objects.filter(pk=endpoint_id).update(generation=F("generation") + 1, rotated_at=now)
    return HookEndpoint.objects.select_related("created_by").get(pk=endpoint_id)


@audited(AuditAct.HOOK_SECRET_SHOWN, "endpoint")
def reveal_secret(*, endpoint: HookEndpoint, by: User | None) -> str:
    """Return the secret for a person or a program to keep; the audit log notes that it was shown."""
    _check(by)
    return secret_of(endpoint)


def secret_of(endpoint: HookEndpoint) -> str:
    """Return the secret that the receiver checks signatures with."""
    return derive_secret(settings.HASH_KEY, endpoint=endpoint.uid, generation=endpoint.generation)


@audited(AuditAct.HOOK_TESTED, "endpoint_id", thing=AuditThing.WEBHOOK)
def send_test(*, endpoint_id: int, by: User | None, now: datetime) -> HookDelivery:
    """Send a test message, whatever types the endpoint asks for. It is tried once.

    Raises:
        HookConflict: it is disabled.
    """
    _check(by)
    with transaction.atomic():
        # For no longer than this it can neither be disabled nor go.
        endpoint = HookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
        _check_enabled(endpoint)
        message = new_message(
            TEST, at=now, data={"message": "Ripen can reach this address.", "endpoint": str(endpoint.pk)}
        )
        message.save()
        delivery = HookDelivery.objects.create(message=message, endpoint=endpoint, due_at=now, created_at=now)
        wake("funnel.hooks")
    return delivery


def shut(endpoint: HookEndpoint, reason: DisableReason, *, now: datetime) -> None:
    """Disable an endpoint (locked by the caller). What is on its way at this moment is left to its sender."""
    endpoint.disabled_at = now
    endpoint.disabled_for = reason
    endpoint.save(update_fields=["disabled_at", "disabled_for"])
    bury(now=now, endpoint_id=endpoint.pk)
    if reason != DisableReason.BY_HAND:
        told = {"endpoint": str(endpoint.pk), "reason": reason.value}
        announce([Told(AnnouncementType.HOOK_DISABLED, at=now, data=told)])


def bury(*, now: datetime, endpoint_id: int | None = None) -> int:
    """Make dead letters of what waits for a disabled endpoint and is not being sent; return how many.

    Whatever was queued while its endpoint was just being disabled is found by the sweep, too.
    """
    waiting = HookDelivery.objects.filter(state=DeliveryState.WAITING, endpoint__disabled_at__isnull=False)
    if endpoint_id is not None:
        waiting = waiting.filter(endpoint=endpoint_id)
    return waiting.exclude(leased_until__gt=now).update(
        state=DeliveryState.DEAD,
        due_at=None,
        leased_until=None,
        closed_at=now,
        last_fault=HookFault.DISABLED,
        last_status=None,
    )


@audited(AuditAct.HOOK_REPLAYED, "result", keep=["result.endpoint"])
def replay_delivery(*, delivery_id: int, by: User | None, now: datetime) -> HookDelivery:
    """Send a message once more, under its own id, with the whole schedule before it; one that waits is sent now.

    Raises:
        HookConflict: its endpoint is disabled, or it is being sent at this moment.
        HookDelivery.DoesNotExist: there is no such delivery.
    """
    _check(by)
    with transaction.atomic():
        delivery = HookDelivery.objects.select_related("endpoint").get(pk=delivery_id)
        _check_enabled(delivery.endpoint)
        if not _again(HookDelivery.objects.filter(pk=delivery_id).exclude(leased_until__gt=now), now=now):
            raise HookConflict("being_sent", gettext("It is being sent at this moment."))
        wake("funnel.hooks")
    delivery.refresh_from_db()
    return delivery


@audited(AuditAct.HOOK_REPLAYED, "endpoint_id", thing=AuditThing.WEBHOOK, keep=["since", "result"])
def replay_failed(*, endpoint_id: int, since: datetime, by: User | None, now: datetime) -> int:
    """Send every dead letter of an endpoint since ``since`` once more; return how many there are.

    Raises:
        HookConflict: the endpoint is disabled.
    """
    _check(by)
    with transaction.atomic():
        _check_enabled(HookEndpoint.objects.get(pk=endpoint_id))
        dead = HookDelivery.objects.filter(endpoint=endpoint_id, state=DeliveryState.DEAD, closed_at__gte=since)
        count = _again(dead.exclude(message__type=TEST), now=now)
        wake("funnel.hooks")
    return count


def _again(deliveries: "QuerySet[HookDelivery]", *, now: datetime) -> int:
    return deliveries.update(state=DeliveryState.WAITING, due_at=now, leased_until=None, closed_at=None, failed=0)


def _check(by: User | None) -> None:
    if by is not None:
        check_manage_hooks(by)


def _check_enabled(endpoint: HookEndpoint) -> None:
    if endpoint.disabled_at is not None:
        raise HookConflict("disabled", gettext("The endpoint is disabled; enable it first."))


def _checked_url(url: str) -> str:
    try:
        read_destination(url.strip(), allow_private=settings.HOOKS_ALLOW_PRIVATE)
    except DestinationRefused as refused:
        raise ValidationError({"url": str(refused)}) from None
    return url.strip()


def _checked_types(types: Sequence[str]) -> list[str]:
    known = {kind.value for kind in HOOKABLE}
    unknown = sorted(set(types) - known)
    if unknown:
        raise ValidationError({"types": gettext("No such type: %(names)s.") % {"names": ", ".join(unknown)[:200]}})
    return [kind.value for kind in HOOKABLE if kind.value in types]


def _checked_description(description: str) -> str:
    text = description.strip()
    if len(text) > LONGEST_DESCRIPTION:
        raise ValidationError(
            {"description": gettext("At most %(number)s characters.") % {"number": LONGEST_DESCRIPTION}}
        )
    return text
