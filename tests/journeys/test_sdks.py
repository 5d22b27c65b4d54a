"""Real SDKs against the running application: from a newsletter to a customer, each step judged within two seconds."""

import html
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import rudderstack.analytics.client
import rudderstack.analytics.request
import segment.analytics.client
import segment.analytics.request

from tests.journeys.callers import Person, Program, wait_for
from tests.running_app import RunningApp

WITHIN = 2.0
STEPS = [("Newsletter Subscribed", "lead"), ("Demo Requested", "sales_prospect"), ("Purchased", "customer")]
PHRASES = {
    "lead": "subscribed to the newsletter",
    "sales_prospect": "asked for a demo",
    "customer": "bought",
}
SDKS = {
    "segment-analytics-python": segment.analytics.client.Client,
    "rudder-sdk-python": rudderstack.analytics.client.Client,
}


@pytest.fixture(autouse=True)
def sdk_connections() -> Iterator[None]:
    """Close what the SDKs keep open in their modules."""
    yield
    segment.analytics.request._session.close()
    rudderstack.analytics.request._session.close()


class Sender:
    """A customer's backend that uses an SDK; it remembers what it sent, to send it all again."""

    def __init__(self, sdk: str, app: RunningApp, key: str) -> None:
        self.errors: list[Any] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.user = f"user-{uuid.uuid4()}"
        self.client = SDKS[sdk](
            key,
            host=app.base_url,
            gzip=True,
            upload_interval=0.05,
            max_retries=0,
            on_error=lambda error, _batch: self.errors.append(error),
        )

    def send(self, call: str, **message: Any) -> None:
        """Make one call of the SDK and return when the application has answered."""
        message |= {"user_id": self.user, "message_id": str(uuid.uuid4()), "timestamp": datetime.now(UTC)}
        self.sent.append((call, message))
        self._deliver(call, message)

    def send_all_again(self) -> None:
        """The same messages with the same ids."""
        for call, message in self.sent:
            self._deliver(call, message)

    def _deliver(self, call: str, message: dict[str, Any]) -> None:
        getattr(self.client, call)(**message)
        self.client.flush()
        assert self.errors == []


def everything_about(program: Program, contact_id: str) -> dict[str, Any]:
    """All that the API tells of a contact."""
    path = f"/api/v1/contacts/{contact_id}/"
    return {name: program.get(f"{path}{name}") for name in ("", "events/", "transitions/", "handoffs/")}


@pytest.mark.parametrize("sdk", SDKS)
def test_an_sdk_carries_a_contact_from_newsletter_to_customer(running_app: RunningApp, sdk: str) -> None:
    name = f"{sdk} {uuid.uuid4()}"
    key = running_app.run("create_source", name, "--scopes", "events:write,contacts:read").splitlines()[-1]
    rep = f"{uuid.uuid4()}@ripen.test"
    token = running_app.run("create_user", rep, "--role", "rep", "--password", "a long password", "--token")
    program, person = Program(running_app.base_url, key), Person(running_app.base_url, rep, "a long password")
    sales = Program(running_app.base_url, token.splitlines()[-1])
    email = f"ada.{uuid.uuid4()}@{sdk}.test"
    sender = Sender(sdk, running_app, key)
    try:
        company = {"name": f"Engines of {sdk}", "industry": "software", "employees": 200}
        traits = {"email": email, "firstName": "Ada", "title": "Head of Operations", "company": company}
        sender.send("identify", traits=traits)
        contact = wait_for(lambda: program.contact(email), within=WITHIN)
        assert contact["job_title"] == "Head of Operations"
        assert contact["company"]["employees"] == 200

        for event, stage in STEPS:
            sender.send("track", event=event, properties={"plan": "Team"})
            wait_for(partial(stands_at, program, email, stage), within=WITHIN)
            why = program.get(f"/api/v1/contacts/{contact['id']}/why/")
            assert why["stage"]["key"] == stage
            assert PHRASES[stage] in why["sentence"]
            assert html.escape(why["sentence"]) in person.read(f"/contacts/{contact['id']}/why/")
            if stage == "sales_prospect":
                waiting = wait_for(lambda: offered(sales, contact["id"]), within=WITHIN)
                assert [offer["contact"]["email"] for offer in waiting] == [email]
                assert "Ada" in person.read("/queue/")

        wait_for(lambda: [handoff["state"] for handoff in handoffs(sales, contact["id"])] == ["won"], within=WITHIN)
        stages = [row["to"] for row in program.get(f"/api/v1/contacts/{contact['id']}/transitions/")["results"]]
        assert sorted(stages) == ["audience", "customer", "lead", "sales_prospect"]

        before = everything_about(sales, contact["id"])
        sender.send_all_again()
        # Longer than a sweep, so that whatever it changed would show.
        time.sleep(2.5)
        assert everything_about(sales, contact["id"]) == before
    finally:
        sender.client.shutdown()
    running_app.run("verify")


def stands_at(program: Program, email: str, stage: str) -> bool:
    contact = program.contact(email)
    return contact is not None and contact["stage"] is not None and contact["stage"]["key"] == stage


def handoffs(sales: Program, contact_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sales.get(f"/api/v1/contacts/{contact_id}/handoffs/")["results"]
    return found


def offered(sales: Program, contact_id: str) -> list[dict[str, Any]]:
    return [handoff for handoff in handoffs(sales, contact_id) if handoff["state"] == "offered"]
