"""Invariant 8, held and broken; and the example receiver of the documentation."""

import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import F

from config.env import BASE_DIR
from contacts.services.verification import Violation
from funnel.models import Announcement, HookDelivery, HookEndpoint
from funnel.models.hooks import HOOKABLE
from funnel.services.hooks.endpoints import create_endpoint, secret_of
from funnel.services.hooks.messages import take_announcements
from funnel.services.hooks.verification import verify_hooks
from funnel.services.verification import verify_invariants
from scoring.models import Transition
from tests.funnel.conftest import World
from tests.funnel.hooks.conftest import Hooks
from tests.funnel.hooks.receiver import Receiver, receive
from tests.funnel.hooks.test_sending import say


def found(hooks: Hooks, **later: float) -> list[Violation]:
    return list(verify_hooks(now=hooks.now + timedelta(**later)))


def test_all_holds_while_receivers_are_well_slow_or_gone(hooks: Hooks, world: World) -> None:
    with receive(500) as bad, receive() as good, receive(410) as gone:
        for one in (bad, good, gone):
            hooks.endpoint(one)
        world.prospect()
        hooks.now = world.now
        say(hooks, 3)
        hooks.send()
        world.tell()
    assert found(hooks, seconds=30) == []
    assert [one for one in verify_invariants(now=hooks.now + timedelta(seconds=30)) if one.invariant == 8] == []


def test_what_is_broken_is_named(hooks: Hooks, receiver: Receiver, world: World) -> None:
    endpoint = hooks.endpoint(receiver)
    contact = world.prospect()
    hooks.now = world.now
    assert [one.message for one in found(hooks, seconds=30)] == [
        f"1 announcements were not taken by webhooks, the oldest of {hooks.now:%Y-%m-%d %H:%M:%S}"
    ]
    take_announcements(now=hooks.now)
    delivery = HookDelivery.objects.get()

    Transition.objects.filter(contact=contact).update(consumed_at=None, recorded_at=hooks.now)
    assert [(one.contact_id, one.message) for one in found(hooks, seconds=30)] == [
        (contact.pk, "1 changes of stage were not consumed")
    ]
    Transition.objects.update(consumed_at=hooks.now)
    transition = Transition.objects.get(contact=contact)
    for _ in range(2):
        Announcement.objects.create(
            type="contact.stage_changed",
            contact_id=contact.pk,
            transition=transition,
            at=hooks.now,
            hooked_at=hooks.now,
        )
    assert "was announced 2 times" in found(hooks, seconds=30)[0].message
    Announcement.objects.filter(type="contact.stage_changed").delete()

    HookDelivery.objects.update(leased_until=F("due_at"))
    assert found(hooks, seconds=30) == []
    assert f"delivery {delivery.pk} was taken and neither" in found(hooks, minutes=5)[0].message
    HookDelivery.objects.update(leased_until=None)
    HookEndpoint.objects.filter(pk=endpoint.pk).update(disabled_at=hooks.now, disabled_for="by_hand")
    assert "waits for an endpoint that is disabled" in found(hooks, minutes=5)[0].message


def test_the_documented_receiver_takes_what_is_ours_and_nothing_else(hooks: Hooks) -> None:
    endpoint = create_endpoint(url="http://127.0.0.1:9/", by=None, now=hooks.now)
    secret = secret_of(endpoint)
    program = [sys.executable, str(BASE_DIR / "docs" / "examples" / "receive_webhook.py"), "0"]
    environment = {**os.environ, "RIPEN_HOOK_SECRET": secret}
    running = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        port = re.fullmatch(r"listening on (\d+)\n", running.stdout.readline())
        assert port
        HookEndpoint.objects.update(url=f"http://127.0.0.1:{port[1]}/")
        say(hooks)
        hooks.send()
        assert HookDelivery.objects.get().state == "delivered"
        assert "queue.starving" in running.stdout.readline()

        HookEndpoint.objects.update(generation=7)
        say(hooks)
        hooks.send()
        assert HookDelivery.objects.latest("pk").last_status == 401
    finally:
        running.kill()
        running.communicate()


@pytest.mark.skipif(
    not all(map(shutil.which, ("sh", "openssl", "xxd", "base64"))), reason="openssl, xxd or base64 is not here"
)
def test_the_documented_shell_lines_make_the_same_signature(hooks: Hooks, receiver: Receiver, tmp_path: Path) -> None:
    secret = secret_of(hooks.endpoint(receiver))
    say(hooks)
    hooks.send()
    (received,) = receiver.received
    (tmp_path / "body.json").write_bytes(received.body)
    lines = re.search(r"```sh\n(.*?)```", (BASE_DIR / "docs" / "webhooks.md").read_text(), re.DOTALL)
    assert lines
    environment = {
        **os.environ,
        "RIPEN_HOOK_SECRET": secret,
        "WEBHOOK_ID": received.headers["webhook-id"],
        "WEBHOOK_TIMESTAMP": received.headers["webhook-timestamp"],
    }
    ran = subprocess.run(
        ["sh", "-c", lines[1]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert f"v1,{ran.stdout.strip()}" in received.headers["webhook-signature"].split()


def test_every_type_is_documented() -> None:
    text = (BASE_DIR / "docs" / "webhooks.md").read_text()
    missing = [kind.value for kind in HOOKABLE if kind.value not in text]
    # Those of one family are listed by what follows their family's name.
    assert [name for name in missing if f"`.{name.partition('.')[2]}`" not in text] == []


pytestmark = pytest.mark.django_db
