"""Webhooks of the running application: told at once, and told again when their sender is killed in the middle."""

import uuid
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tests.funnel.hooks.receiver import HANGS, Received, receive
from tests.journeys.callers import Program, wait_for
from tests.running_app import RunningApp

PATIENCE = 30.0
FITS = {"job_title": "Head of Operations", "company": {"name": "Acme", "domain": "acme.example", "employees": 200}}


@pytest.fixture(scope="module")
def admin(running_app: RunningApp) -> Program:
    """An administrator's token."""
    printed = running_app.run("create_user", f"hook.{uuid.uuid4().hex[:6]}@ripen.test", "--role", "admin", "--token")
    return Program(running_app.base_url, printed.splitlines()[-1])


def ask_for_a_demo(admin: Program) -> str:
    email = f"hook.{uuid.uuid4().hex[:8]}@acme.example"
    event = {"message_id": str(uuid.uuid4()), "kind": "demo_requested", "contact": {"email": email}, "traits": FITS}
    status, answer = admin.call("POST", "/api/v1/events/", event)
    assert (status, answer["accepted"]) == (200, 1), answer
    return email


def let_leases_run_out(app: RunningApp, endpoint: str) -> None:
    connection = app.connect()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "UPDATE funnel_hookdelivery SET leased_until = now() - interval '1 second' "
                "WHERE endpoint_id = %s AND leased_until IS NOT NULL",
                [endpoint],
            )
    finally:
        connection.close()


def test_a_sender_that_is_killed_in_the_middle_is_followed_by_one_that_sends_the_same(
    running_app: RunningApp, admin: Program
) -> None:
    with receive(204, HANGS, 204) as receiver, receive() as other:
        made = [
            admin.call("POST", "/api/v1/hooks/", {"url": one.url, "types": ["handoff.offered"]})[1]
            for one in (receiver, other)
        ]
        try:
            secret = Webhook(admin.get(f"/api/v1/hooks/{made[0]['id']}/secret/")["secret"])
            email = ask_for_a_demo(admin)
            first = wait_for(lambda: _of(receiver.received, email), within=PATIENCE)
            message: Any = secret.verify(first.body, dict(first.headers))
            assert message["type"] == "handoff.offered"
            assert message["data"]["handoff"]["contact"]["email"] == email

            again = ask_for_a_demo(admin)
            lost = wait_for(lambda: _of(receiver.received, again), within=PATIENCE)
            wait_for(lambda: _of(other.received, again), within=5)
            old = running_app.kill("hooks")
            running_app.wait_until_back("hooks", old)
            let_leases_run_out(running_app, made[0]["id"])

            def came_again() -> list[Received]:
                found = [one for one in receiver.received if one.id == lost.id]
                return found if len(found) == 2 else []

            twice = wait_for(came_again, within=PATIENCE)
            assert twice[0].body == twice[1].body
            deliveries = f"/api/v1/hooks/{made[0]['id']}/deliveries/"
            wait_for(lambda: {row["state"] for row in admin.get(deliveries)["results"]} == {"delivered"}, within=5)
            assert len([one for one in other.received if one.id == lost.id]) == 1
        finally:
            for endpoint in made:
                admin_delete(admin, endpoint["id"])


def admin_delete(admin: Program, endpoint: str) -> None:
    """Leave the shared application as it was; an answer of 204 holds no JSON."""
    from urllib.request import Request, urlopen

    request = Request(
        f"{admin.base_url}/api/v1/hooks/{endpoint}/", method="DELETE", headers={"Authorization": f"Bearer {admin.key}"}
    )
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 204


def _of(received: list[Received], email: str) -> Received | None:
    return next((one for one in received if email.encode() in one.body), None)
