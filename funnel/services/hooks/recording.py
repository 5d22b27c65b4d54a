"""What becomes of a delivery, and of its endpoint, after an attempt."""

import logging
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from funnel.enums import AnnouncementType, DeliveryState, DisableReason, HookFault
from funnel.hooks.exchange import Answer, Fault
from funnel.hooks.schedule import LONGEST_PAUSE, next_attempt, read_retry_after
from funnel.models import HookAttempt, HookDelivery, HookEndpoint
from funnel.services.announcing import Told, announce
from funnel.services.hooks.claiming import Parcel
from funnel.services.hooks.endpoints import shut

log = logging.getLogger(__name__)

# People are told of an endpoint that took nothing for so long, in so many attempts.
FLAGGED_AFTER: Final = timedelta(hours=1)
FLAGGED_ATTEMPTS: Final = 5
# And it is disabled once the whole schedule (75 hours and more) has run out for so many messages without a success.
MOST_RUN_OUT: Final = 3
# A sender that dies of a message each time must not do so for ever.
MOST_TAKES: Final = 5
_KEPT_OF_ANSWER: Final = 500
_BUSY: Final = frozenset({429, 503})
_FINE_GRAIN: Final = 1_000_000


def record_outcome(parcel: Parcel, answer: Answer, *, now: datetime, draw: float | None = None) -> bool:
    """Write down what came of an attempt and decide what follows; False where it was no longer ours to decide.

    ``draw`` from 0 to 1 decides the jitter; by default it is drawn.
    """
    with transaction.atomic():
        endpoint = HookEndpoint.objects.select_for_update(no_key=True).filter(pk=parcel.endpoint_id).first()
        ours = HookDelivery.objects.filter(
            pk=parcel.delivery_id, state=DeliveryState.WAITING, takes=parcel.takes, attempts=parcel.attempts
        )
        delivery = ours.select_for_update(no_key=True).first()
        if endpoint is None or delivery is None:
            # Deleted, erased, or taken by another after the lease ran out.
            return False
        _note_attempt(delivery, answer, now=now)
        if answer.taken:
            _close(delivery, DeliveryState.DELIVERED, now=now)
            _recover(endpoint, now=now)
        else:
            drawn = secrets.randbelow(_FINE_GRAIN) / _FINE_GRAIN if draw is None else draw
            _fail(delivery, endpoint, answer, is_test=parcel.is_test, now=now, draw=drawn)
            log.info(
                "hook_not_taken",
                extra={
                    "endpoint": endpoint.pk,
                    "delivery": delivery.pk,
                    "fault": answer.fault,
                    "http": answer.status,
                },
            )
        delivery.save()
        return True


def bury_interrupted(parcel: Parcel, *, now: datetime) -> bool:
    """Make a dead letter of what was taken again and again and whose sender never came back; True where it did."""
    if parcel.takes <= MOST_TAKES:
        return False
    ours = HookDelivery.objects.filter(pk=parcel.delivery_id, state=DeliveryState.WAITING, takes=parcel.takes)
    ours.update(
        state=DeliveryState.DEAD,
        due_at=None,
        leased_until=None,
        closed_at=now,
        takes=0,
        last_fault=HookFault.INTERRUPTED,
        last_status=None,
    )
    log.error("hook_interrupted", extra={"endpoint": parcel.endpoint_id, "delivery": parcel.delivery_id})
    return True


def _note_attempt(delivery: HookDelivery, answer: Answer, *, now: datetime) -> None:
    delivery.attempts += 1
    delivery.takes = 0
    delivery.leased_until = None
    delivery.last_fault = answer.fault.value
    delivery.last_status = answer.status
    text = answer.body[:_KEPT_OF_ANSWER].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    HookAttempt.objects.create(
        delivery=delivery,
        number=delivery.attempts,
        at=now,
        took_ms=round(answer.took * 1000),
        fault=answer.fault.value,
        status=answer.status,
        answer=text,
    )


def _close(delivery: HookDelivery, state: DeliveryState, *, now: datetime) -> None:
    delivery.state = state
    delivery.due_at = None
    delivery.closed_at = now


def _recover(endpoint: HookEndpoint, *, now: datetime) -> None:
    endpoint.last_success_at = now
    endpoint.failing_since = endpoint.flagged_at = endpoint.paused_until = None
    endpoint.failed = endpoint.ran_out = 0
    endpoint.save(update_fields=["last_success_at", "failing_since", "flagged_at", "paused_until", "failed", "ran_out"])


def _fail(
    delivery: HookDelivery, endpoint: HookEndpoint, answer: Answer, *, is_test: bool, now: datetime, draw: float
) -> None:
    delivery.failed += 1
    retry_after = read_retry_after(answer.headers.get("retry-after"), now=now)
    due = next_attempt(failed=delivery.failed, now=now, draw=draw, retry_after=retry_after)
    is_over = is_test or due is None or answer.fault is Fault.GONE or endpoint.disabled_at is not None
    if is_over:
        _close(delivery, DeliveryState.DEAD, now=now)
    else:
        delivery.due_at = due
    if answer.fault is Fault.GONE and endpoint.disabled_at is None:
        # Saved first: what is still waiting is buried, and this one is not.
        delivery.save()
        shut(endpoint, DisableReason.GONE, now=now)
    if is_test or endpoint.disabled_at is not None:
        return
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.failed += 1
    endpoint.ran_out += due is None
    if answer.status in _BUSY and retry_after is not None:
        endpoint.paused_until = now + min(retry_after, LONGEST_PAUSE)
    if endpoint.flagged_at is None and _is_to_be_flagged(endpoint, now):
        endpoint.flagged_at = now
        told = {"endpoint": str(endpoint.pk), "since": endpoint.failing_since.isoformat()}
        announce([Told(AnnouncementType.HOOK_FAILING, at=now, data=told)])
    endpoint.save(update_fields=["failing_since", "failed", "ran_out", "paused_until", "flagged_at"])
    if endpoint.ran_out >= MOST_RUN_OUT:
        delivery.save()
        shut(endpoint, DisableReason.FAILING, now=now)


def _is_to_be_flagged(endpoint: HookEndpoint, now: datetime) -> bool:
    since = endpoint.failing_since or now
    return endpoint.failed >= FLAGGED_ATTEMPTS and now - since >= FLAGGED_AFTER
