"""From an announcement to a receiver's log: what is sent, when again, and what a bad receiver does to others."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from contacts.enums import Role
from funnel.enums import AnnouncementType, DeliveryState, DisableReason, HookFault, NoticeKind
from funnel.hooks.exchange import Answer, Fault
from funnel.hooks.schedule import DELAYS, JITTER, next_attempt, read_retry_after
from funnel.models import Announcement, HookAttempt, HookDelivery, HookEndpoint, HookMessage, Notification
from funnel.selectors.notices import items_of
from funnel.services.announcing import Told, announce
from funnel.services.hooks.claiming import AT_ONCE, LEASE, claim_deliveries
from funnel.services.hooks.endpoints import (
    secret_of,
)
from funnel.services.hooks.messages import take_announcements
from funnel.services.hooks.recording import MOST_TAKES, record_outcome
from funnel.services.notices.telling import tell_announcements
from tests.factories import make_user
from tests.funnel.hooks.conftest import Hooks, verified
from tests.funnel.hooks.receiver import DRIPS, HANGS, Receiver, receive

STARVING = AnnouncementType.STARVING


def say(hooks: Hooks, times: int = 1, kind: AnnouncementType = STARVING) -> None:
    announce([Told(kind, at=hooks.now, data={"number": number}) for number in range(times)])


def only_delivery() -> HookDelivery:
    return HookDelivery.objects.select_related("message", "endpoint").get()


def test_what_is_announced_arrives_signed_and_once(hooks: Hooks, receiver: Receiver) -> None:
    endpoint = hooks.endpoint(receiver)
    say(hooks)

    assert hooks.send() == 1
    assert hooks.send() == 0

    (one,) = receiver.received
    assert verified(one, endpoint) == {
        "type": "queue.starving",
        "timestamp": hooks.now.isoformat().replace("+00:00", "Z"),
        "data": {"number": 0},
    }
    assert one.id.startswith("msg_")
    delivery = only_delivery()
    assert (delivery.state, delivery.attempts, delivery.closed_at) == (DeliveryState.DELIVERED, 1, hooks.now)
    assert HookAttempt.objects.get().status == 204
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(endpoint)).verify(one.body + b" ", dict(one.headers))


def test_each_endpoint_is_told_what_it_asks_for_under_one_id(hooks: Hooks) -> None:
    with receive() as every, receive() as some, receive() as other:
        hooks.endpoint(every)
        hooks.endpoint(some, "queue.starving")
        hooks.endpoint(other, "handoff.won")
        say(hooks, 2)
        hooks.send()

    assert sorted(every.ids) == sorted(some.ids)
    assert len(set(every.ids)) == 2
    assert other.received == []
    assert secret_of(HookEndpoint.objects.all()[0]) != secret_of(HookEndpoint.objects.all()[1])


def test_without_endpoints_announcements_are_done_with_and_nothing_is_kept(hooks: Hooks) -> None:
    say(hooks, 3)
    assert take_announcements(now=hooks.now) == 3
    assert not HookMessage.objects.exists()
    assert not Announcement.objects.filter(hooked_at=None).exists()


def test_the_schedule_is_the_specs_with_jitter_and_ends_as_a_dead_letter(hooks: Hooks) -> None:
    """Ten attempts over three days, the same id and body each time, a signature and a time of its own for each."""
    waits = []
    with receive(500) as receiver:
        endpoint = hooks.endpoint(receiver)
        say(hooks)
        hooks.send()
        delivery = only_delivery()
        while delivery.state == DeliveryState.WAITING:
            waits.append(hooks.wait_until_due(delivery))
            assert hooks.send() == 1
            delivery.refresh_from_db()

    planned = [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30),
               *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24))]  # fmt: skip
    assert len(waits) == len(planned) == 9
    for waited, plan in zip(waits, planned, strict=True):
        assert plan <= waited <= plan * (1 + JITTER)
    assert any(waited != plan for waited, plan in zip(waits, planned, strict=True)), "nobody drew a jitter"
    assert len(receiver.received) == 10
    assert len(set(receiver.ids)) == 1
    assert len({one.body for one in receiver.received}) == 1
    assert len({one.headers["webhook-timestamp"] for one in receiver.received}) == 10
    last = receiver.received[-1]
    with time_machine.travel(datetime.fromtimestamp(int(last.headers["webhook-timestamp"]), UTC), tick=False):
        verified(last, endpoint)
    assert (delivery.state, delivery.failed, delivery.last_status) == (DeliveryState.DEAD, 10, 500)
    assert list(HookAttempt.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 11))


def test_a_receiver_that_comes_back_gets_what_it_missed(hooks: Hooks) -> None:
    with receive(500, HANGS, (302, {"Location": "/elsewhere"}), 200) as receiver:
        endpoint = hooks.endpoint(receiver)
        say(hooks)
        faults = []
        for _ in range(4):
            hooks.send(patience=0.3)
            delivery = only_delivery()
            faults.append(delivery.last_fault)
            if delivery.state == DeliveryState.WAITING:
                hooks.wait_until_due(delivery)
    endpoint.refresh_from_db()
    assert faults == ["status", "timeout", "redirect", ""]
    assert delivery.state == DeliveryState.DELIVERED
    assert (endpoint.failing_since, endpoint.failed, endpoint.last_success_at) == (None, 0, hooks.now)
    assert len(set(receiver.ids)) == 1
    assert {one.path for one in receiver.received} == {"/hook"}


def test_410_disables_the_endpoint_and_buries_what_waits(hooks: Hooks) -> None:
    with receive(410) as receiver, receive() as other:
        endpoint = hooks.endpoint(receiver)
        hooks.endpoint(other)
        say(hooks, AT_ONCE + 3)
        hooks.send()
        say(hooks)
        hooks.send()

    endpoint.refresh_from_db()
    assert (endpoint.disabled_for, endpoint.disabled_at) == (DisableReason.GONE, hooks.now)
    assert len(receiver.received) <= AT_ONCE
    assert set(HookDelivery.objects.filter(endpoint=endpoint).values_list("state", flat=True)) == {DeliveryState.DEAD}
    assert len(other.received) == AT_ONCE + 4, "the others are told all of it"
    told = Announcement.objects.get(type=AnnouncementType.HOOK_DISABLED)
    assert told.data == {"endpoint": str(endpoint.pk), "reason": "gone"}


@pytest.mark.parametrize("how", [HANGS, DRIPS, 500])
def test_a_bad_receiver_delays_nobody(hooks: Hooks, how: object) -> None:
    """Several that hang, with more to tell than there are places: the good one is told while they still do."""
    with receive(how) as first, receive(how) as second, receive() as good:
        for one in (first, second, good):
            hooks.endpoint(one)
        say(hooks, 5)
        begun = time.monotonic()
        times: list[float] = []
        watch = threading.Thread(target=lambda: _note_when(good, 5, begun, times))
        watch.start()
        hooks.send(patience=1.0, places=9)
        watch.join(10)

    assert len(good.received) == 5
    assert times
    assert times[0] < 0.9, f"the good receiver had to wait {times[0]:.1f} s for bad ones"


def _note_when(receiver: Receiver, number: int, begun: float, times: list[float]) -> None:
    deadline = begun + 10
    while time.monotonic() < deadline:
        if len(receiver.received) >= number:
            times.append(time.monotonic() - begun)
            return
        time.sleep(0.01)


def test_only_so_many_are_on_their_way_to_one_endpoint(hooks: Hooks, receiver: Receiver) -> None:
    endpoint = hooks.endpoint(receiver)
    say(hooks, 10)
    take_announcements(now=hooks.now)

    first = claim_deliveries(now=hooks.now, free=32, places=32)
    assert len(first) == AT_ONCE
    assert claim_deliveries(now=hooks.now, free=32, places=32) == []
    record_outcome(first[0], Answer(Fault.NONE, 200), now=hooks.now)
    assert len(claim_deliveries(now=hooks.now, free=32, places=32)) == 1
    record_outcome(first[1], Answer(Fault.STATUS, 500), now=hooks.now)
    assert claim_deliveries(now=hooks.now, free=32, places=32) == [], "one that fails is asked one at a time"
    endpoint.refresh_from_db()
    assert endpoint.failing_since == hooks.now


def test_places_are_shared_fairly_and_failing_endpoints_fill_half_of_them(hooks: Hooks) -> None:
    with receive() as receiver:
        endpoints = [hooks.endpoint(receiver) for _ in range(8)]
    HookEndpoint.objects.filter(pk__in=[one.pk for one in endpoints[:6]]).update(failing_since=hooks.now)
    say(hooks, 6)
    take_announcements(now=hooks.now)

    taken = [parcel.endpoint_id for parcel in claim_deliveries(now=hooks.now, free=3, places=6)]
    assert set(taken) >= {endpoints[6].pk, endpoints[7].pk}, "each of those that answer comes first"
    more = [parcel.endpoint_id for parcel in claim_deliveries(now=hooks.now, free=20, places=6)]
    failing = [one for one in taken + more if one in {endpoint.pk for endpoint in endpoints[:6]}]
    assert len(failing) == 3, "half of six places"


def test_a_sender_that_was_killed_is_followed_by_one_that_sends_under_the_same_id(
    hooks: Hooks, receiver: Receiver
) -> None:
    hooks.endpoint(receiver)
    say(hooks)
    take_announcements(now=hooks.now)
    (lost,) = claim_deliveries(now=hooks.now, free=1, places=1)

    assert hooks.send() == 0, "it is still being sent, as far as anybody knows"
    hooks.wait(seconds=LEASE.total_seconds() + 1)
    assert hooks.send() == 1
    assert receiver.ids == [lost.headers["webhook-id"]]
    delivery = only_delivery()
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 1)
    assert not record_outcome(lost, Answer(Fault.TIMEOUT), now=hooks.now), "whoever comes back too late decides nothing"
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DELIVERED


def test_a_message_that_kills_its_sender_each_time_becomes_a_dead_letter(hooks: Hooks, receiver: Receiver) -> None:
    hooks.endpoint(receiver)
    say(hooks)
    take_announcements(now=hooks.now)
    for _ in range(MOST_TAKES):
        assert claim_deliveries(now=hooks.now, free=1, places=1)
        hooks.wait(seconds=LEASE.total_seconds() + 1)
    hooks.send()

    delivery = only_delivery()
    assert (delivery.state, delivery.last_fault) == (DeliveryState.DEAD, HookFault.INTERRUPTED)
    assert receiver.received == []


def test_retry_after_puts_off_and_pauses_the_endpoint_within_limits(hooks: Hooks) -> None:
    with receive((429, {"Retry-After": "1200"}), 200) as receiver:
        endpoint = hooks.endpoint(receiver)
        say(hooks, 1)
        hooks.send()
        delivery = only_delivery()
        say(hooks, 1)
        hooks.wait(minutes=10)
        assert hooks.send() == 0, "nor is anything else sent there"
        waited = hooks.wait_until_due(delivery)
        assert waited == timedelta(minutes=10)
        assert hooks.send() == 2
    endpoint.refresh_from_db()
    assert endpoint.paused_until is None


def test_next_attempt_and_retry_after() -> None:
    now = datetime(2026, 11, 22, 9, tzinfo=UTC)
    hour = timedelta(hours=1)
    assert next_attempt(failed=1, now=now, draw=0) == now + timedelta(seconds=5)
    assert next_attempt(failed=1, now=now, draw=1) == now + timedelta(seconds=6)
    assert next_attempt(failed=9, now=now, draw=0.5) == now + timedelta(hours=24) * 1.1
    assert next_attempt(failed=10, now=now, draw=0) is None
    assert next_attempt(failed=1, now=now, draw=0, retry_after=hour) == now + hour
    assert next_attempt(failed=5, now=now, draw=0, retry_after=hour) == now + 5 * hour
    assert next_attempt(failed=1, now=now, draw=0, retry_after=timedelta(days=900)) == now + timedelta(hours=24)
    assert sum(DELAYS, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)
    assert read_retry_after("120", now=now) == timedelta(minutes=2)
    assert read_retry_after("Sun, 22 Nov 2026 10:00:00 GMT", now=now) == hour
    assert read_retry_after("9" * 400, now=now) == timedelta(hours=24)
    for nothing in (None, "", "soon", "-5", "1.5", "Sun, 22 Nov 2026 08:00:00 GMT", "Sun, 99 Nov 2026"):
        assert read_retry_after(nothing, now=now) is None


def test_an_endpoint_that_fails_for_long_is_told_of_once_and_disabled_in_the_end(hooks: Hooks) -> None:
    with receive(503) as receiver:
        endpoint = hooks.endpoint(receiver)
        for _ in range(3):
            say(hooks)
            take_announcements(now=hooks.now)
        flagged_after = None
        while HookDelivery.objects.filter(state=DeliveryState.WAITING).exists():
            due = HookDelivery.objects.filter(state=DeliveryState.WAITING).earliest("due_at", "pk")
            hooks.now = max(due.due_at or hooks.now, hooks.now)
            hooks.send()
            if flagged_after is None and HookEndpoint.objects.get().flagged_at:
                flagged_after = len(receiver.received)
    endpoint.refresh_from_db()
    assert flagged_after is not None
    assert 5 <= flagged_after < 20
    assert Announcement.objects.filter(type=AnnouncementType.HOOK_FAILING).count() == 1
    assert endpoint.disabled_for == DisableReason.FAILING
    assert Announcement.objects.filter(type=AnnouncementType.HOOK_DISABLED).count() == 1
    assert len(receiver.received) == 30, "three whole schedules"


def test_administrators_are_told_of_a_webhook_in_trouble_and_nobody_else(hooks: Hooks, admin: User) -> None:
    make_user(Role.MANAGER)
    with receive(410) as receiver:
        endpoint = hooks.endpoint(receiver)
        say(hooks)
        hooks.send()
    tell_announcements(now=hooks.now)
    (told,) = Notification.objects.filter(kind=NoticeKind.HOOK)
    assert told.user == admin
    (line,) = items_of(told)
    assert (line.text, line.url) == (
        "A webhook was disabled: its receiver answered 410 Gone",
        f"/hooks/{endpoint.pk}/",
    )
