"""Secrets, replays, tests and what is kept: webhooks in the hands of those who look after them."""

import json
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import close_old_connections, connection
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from config.redaction import redact
from contacts.models import Contact
from funnel.enums import AnnouncementType, DeliveryState
from funnel.hooks.exchange import Answer, Fault
from funnel.models import Announcement, HookAttempt, HookDelivery, HookMessage
from funnel.services.announcing import Told, announce
from funnel.services.hooks.claiming import claim_deliveries
from funnel.services.hooks.endpoints import (
    disable_endpoint,
    enable_endpoint,
    replay_delivery,
    replay_failed,
    rotate_secret,
    secret_of,
    send_test,
)
from funnel.services.hooks.messages import take_announcements
from funnel.services.hooks.recording import record_outcome
from funnel.services.hooks.sending import send_hooks
from tests.funnel.hooks.conftest import Hooks, bodies, verified
from tests.funnel.hooks.receiver import Receiver, receive

STARVING = AnnouncementType.STARVING


def say(hooks: Hooks, times: int = 1, kind: AnnouncementType = STARVING) -> None:
    announce([Told(kind, at=hooks.now, data={"number": number}) for number in range(times)])


def only_delivery() -> HookDelivery:
    return HookDelivery.objects.select_related("message", "endpoint").get()


def test_both_secrets_sign_for_a_day_after_a_rotation(hooks: Hooks, receiver: Receiver) -> None:
    endpoint = hooks.endpoint(receiver)
    old = Webhook(secret_of(endpoint))
    endpoint = rotate_secret(endpoint_id=endpoint.pk, by=None, now=hooks.now)
    new = Webhook(secret_of(endpoint))
    say(hooks)
    hooks.send()
    (one,) = receiver.received
    assert len(one.headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        secret.verify(one.body, dict(one.headers))

    hooks.wait(hours=24)
    say(hooks)
    hooks.send()
    with time_machine.travel(hooks.now, tick=False):
        later = dict(receiver.received[-1].headers)
        new.verify(receiver.received[-1].body, later)
        with pytest.raises(WebhookVerificationError):
            old.verify(receiver.received[-1].body, later)


def test_replaying_one_and_all_since_keeps_the_ids(hooks: Hooks) -> None:
    with receive(410, 200) as receiver:
        endpoint = hooks.endpoint(receiver)
        say(hooks, 3)
        take_announcements(now=hooks.now)
        hooks.send()
        enable_endpoint(endpoint_id=endpoint.pk, by=None)
        dead = HookDelivery.objects.filter(state=DeliveryState.DEAD)
        assert dead.count() >= 1
        first = dead.earliest("pk")
        replay_delivery(delivery_id=first.pk, by=None, now=hooks.now)
        assert hooks.send() == 1
        first.refresh_from_db()
        assert (first.state, first.attempts) == (DeliveryState.DELIVERED, 2)
        left = dead.count()
        assert (
            replay_failed(endpoint_id=endpoint.pk, since=hooks.now + timedelta(seconds=1), by=None, now=hooks.now) == 0
        )
        assert replay_failed(endpoint_id=endpoint.pk, since=hooks.now, by=None, now=hooks.now) == left
        hooks.send()

    assert not dead.exists()
    assert set(receiver.ids) == set(HookMessage.objects.values_list("uid", flat=True))


def test_a_test_message_goes_to_one_endpoint_whatever_it_asks_for_and_is_tried_once(hooks: Hooks) -> None:
    with receive(500) as receiver, receive() as other:
        endpoint = hooks.endpoint(receiver, "handoff.won")
        hooks.endpoint(other)
        delivery = send_test(endpoint_id=endpoint.pk, by=None, now=hooks.now)
        hooks.send()
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DEAD
    assert bodies(receiver)[0]["type"] == "hook.test"
    assert other.received == []
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None


def test_a_disabled_endpoint_is_told_nothing_and_nothing_waits_for_it(hooks: Hooks, receiver: Receiver) -> None:
    endpoint = hooks.endpoint(receiver)
    say(hooks)
    take_announcements(now=hooks.now)
    disable_endpoint(endpoint_id=endpoint.pk, by=None, now=hooks.now)
    say(hooks)
    hooks.send()
    assert receiver.received == []
    assert [(row.state, row.last_fault) for row in HookDelivery.objects.all()] == [("dead", "disabled")]


def test_what_an_answer_says_is_kept_as_text_and_in_parts(hooks: Hooks, receiver: Receiver) -> None:
    hooks.endpoint(receiver)
    say(hooks)
    take_announcements(now=hooks.now)
    (parcel,) = claim_deliveries(now=hooks.now, free=1, places=1)
    record_outcome(parcel, Answer(Fault.STATUS, 500, {}, b"\0\xff" + b"x" * 10_000), now=hooks.now)
    answer = HookAttempt.objects.get().answer
    assert len(answer) == 500
    assert "\0" not in answer


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_senders_never_send_the_same_twice(hooks: Hooks, receiver: Receiver) -> None:
    endpoints = [hooks.endpoint(receiver) for _ in range(3)]
    say(hooks, 30)
    take_announcements(now=hooks.now)
    start = threading.Barrier(4)

    def run() -> None:
        try:
            start.wait()
            send_hooks(clock=lambda: hooks.now, patience=5)
        finally:
            close_old_connections()
            connection.close()

    senders = [threading.Thread(target=run) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    # Whoever finds every endpoint in another's hands leaves; the sweep goes on.
    hooks.send()

    assert len(receiver.received) == 30 * len(endpoints)
    assert all(receiver.ids.count(uid) == len(endpoints) for uid in set(receiver.ids))


def test_the_number_of_statements_does_not_grow_with_what_is_told(
    hooks: Hooks, receiver: Receiver, told: Callable[..., Contact], django_assert_max_num_queries: Any
) -> None:
    hooks.endpoint(receiver)
    told("first@acme.example")
    counts = []
    for number in (1, 3):
        contacts = [told(f"p{number}.{index}@acme.example") for index in range(number)]
        Announcement.objects.filter(contact_id__in=[one.pk for one in contacts]).update(hooked_at=None)
        HookMessage.objects.filter(announcement__hooked_at=None).update(announcement=None)
        with django_assert_max_num_queries(200) as captured:
            take_announcements(now=hooks.now)
        counts.append(len([query for query in captured.captured_queries if "funnel_hookmessage" not in query["sql"]]))
    assert counts[0] == counts[1]


def test_a_body_is_what_is_signed(hooks: Hooks, receiver: Receiver) -> None:
    """Not what comes out of it when it is read and written again."""
    endpoint = hooks.endpoint(receiver)
    announce([Told(STARVING, at=hooks.now, data={"name": "Zoë \N{SNOWMAN}", "a": 1.50, "b": None})])
    hooks.send()
    (one,) = receiver.received
    assert one.body == HookMessage.objects.get().body.encode()
    assert verified(one, endpoint) == json.loads(one.body)


def test_no_line_of_the_log_holds_a_payload_an_address_or_a_secret(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with receive(500) as receiver:
        receiver.url += "?token=opens-everything"
        endpoint = hooks.endpoint(receiver)
        announce([Told(STARVING, at=hooks.now, data={"name": "ann@acme.example"})])
        hooks.send()
    assert "hook_not_taken" in caplog.text
    said = "\n".join(str(vars(record)) for record in caplog.records if not record.name.startswith("django.db"))
    for private in ("opens-everything", "ann@acme.example", secret_of(endpoint), "whsec_"):
        assert private not in said
    assert redact(f"it is {secret_of(endpoint)}, they said") == "it is [key], they said"
