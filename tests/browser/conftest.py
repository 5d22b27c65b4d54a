"""A browser on the whole application: two reps and contacts that are ready for Sales."""

import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.running_app import RunningApp

PASSWORD = "browser-tests-only-1"
FITTING = {
    "job_title": "Head of Operations",
    "company": {"name": "Acme", "domain": "acme.example", "industry": "software", "employees": 200},
}
_numbers = count(1)


@dataclass
class Shop:
    """The running application with people and a write key."""

    app: RunningApp
    key: str
    people: dict[str, str] = field(default_factory=dict)

    def send(self, *events: dict[str, Any]) -> None:
        """Post events as an integration does."""
        body = json.dumps({"events": [{"message_id": str(uuid.uuid4()), **event} for event in events]})
        request = urllib.request.Request(
            f"{self.app.base_url}/api/v1/events/",
            data=body.encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            receipt = json.load(answer)
        assert receipt["rejected"] == []

    def ask(self, sql: str, *values: Any) -> Any:
        """The first column of the first row, straight from the database."""
        connection = self.app.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, values)
                row = cursor.fetchone()
        finally:
            connection.close()
        return row[0] if row else None

    def offer(self, first_name: str = "Ann") -> tuple[int, int]:
        """A contact that asked for a demo and is in the queue now: its id and the handoff's."""
        email = f"contact{next(_numbers)}.{uuid.uuid4().hex[:8]}@acme.example"
        traits = {**FITTING, "first_name": first_name, "last_name": email.partition(".")[0].capitalize()}
        self.send(
            {"kind": "newsletter_subscribed", "contact": {"email": email}, "traits": traits},
            {"kind": "demo_requested", "contact": {"email": email}},
        )
        sql = (
            "SELECT h.id FROM funnel_handoff h JOIN contacts_contact c ON c.id = h.contact_id "
            "WHERE c.email = %s AND h.state = 'offered'"
        )
        deadline = time.monotonic() + 30
        while (handoff := self.ask(sql, email)) is None:
            assert time.monotonic() < deadline, self.app.logs()
            time.sleep(0.1)
        return int(self.ask("SELECT id FROM contacts_contact WHERE email = %s", email)), int(handoff)

    def sequence(self) -> int:
        """A draft of a sequence with a mail and a step for a tool; nobody is sent anything."""
        sql = "SELECT id FROM funnel_sequence WHERE name = 'Browser tests'"
        if self.ask(sql) is None:
            self.app.run("shell", "-c", _SEQUENCE)
        return int(self.ask(sql))


_SEQUENCE = """
from django.utils import timezone
from funnel.services.sequences.drafting import SequencePlan, StepPlan, create_sequence
steps = (
    StepPlan(channel="email", subject="Hello {first_name|there}", body="News for {company|you}."),
    StepPlan(channel="webhook", wait_days=2, call_to_action="Download the guide", reference="guide"),
)
plan = SequencePlan("Browser tests", "lead", "newsletter", "Two steps.", steps)
create_sequence(plan=plan, by=None, now=timezone.now())
"""


@pytest.fixture(scope="session")
def shop(running_app: RunningApp) -> Shop:
    key = running_app.run("create_source", "browser tests").strip().splitlines()[-1]
    shop = Shop(running_app, key)
    for name, role in (("rita", "rep"), ("ben", "rep"), ("max", "manager"), ("ada", "admin"), ("mara", "marketer")):
        shop.people[name] = f"{name}@ripen.test"
        running_app.run("create_user", shop.people[name], "--role", role, "--password", PASSWORD)
    return shop


@pytest.fixture
def open_as(browser: Browser, shop: Shop) -> Iterator[Callable[..., Page]]:
    """Opens a page signed in as somebody; at the end, whatever the console said fails the test."""
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def opened(name: str, **options: Any) -> Page:
        context = browser.new_context(base_url=shop.app.base_url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{page.url}: {message.type} {message.text}"))
        page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
        page.goto("/account/login/")
        page.get_by_label("Email").fill(shop.people[name])
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{shop.app.base_url}/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
