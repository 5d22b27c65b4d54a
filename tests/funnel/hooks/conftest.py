"""Endpoints on receivers of this machine, and a clock that tests move."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from standardwebhooks.webhooks import Webhook

from contacts.enums import Role
from funnel.models import HookDelivery, HookEndpoint
from funnel.services.hooks.endpoints import create_endpoint, secret_of
from funnel.services.hooks.messages import take_announcements
from funnel.services.hooks.sending import send_hooks
from tests.factories import make_user
from tests.funnel.conftest import World
from tests.funnel.hooks.receiver import Received, Receiver, receive


@dataclass
class Hooks:
    """What these tests do over and over."""

    # Signatures hold for five minutes, so the clock begins at the true time.
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def endpoint(self, receiver: Receiver, *types: str) -> HookEndpoint:
        """An endpoint at a receiver."""
        return create_endpoint(url=receiver.url, types=types, by=None, now=self.now)

    def send(self, *, patience: float = 5.0, places: int = 32) -> int:
        """Send what is due at this moment; nothing waits for a later one."""
        return send_hooks(clock=lambda: self.now, patience=patience, places=places)

    def wait(self, **passed: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(**passed)
        return self.now

    def catch_up(self) -> None:
        """Go to the present: what pages and the API order is due at the true time."""
        self.now = datetime.now(UTC)

    def wait_until_due(self, delivery: HookDelivery) -> timedelta:
        """Go to when the delivery is tried next; how long that takes."""
        delivery.refresh_from_db()
        assert delivery.due_at is not None
        passed, self.now = delivery.due_at - self.now, delivery.due_at
        return passed


def verified(received: Received, endpoint: HookEndpoint) -> Any:
    """The payload, as the package of Standard Webhooks lets it pass with the endpoint's secret."""
    return Webhook(secret_of(endpoint)).verify(received.body, dict(received.headers))


@pytest.fixture
def hooks(db: None, settings: Any) -> Hooks:
    settings.HOOKS_ALLOW_PRIVATE = True
    return Hooks()


@pytest.fixture
def admin(db: None) -> User:
    return make_user(Role.ADMIN)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receive(204) as one:
        yield one


@pytest.fixture
def told(hooks: Hooks, world: World) -> Callable[..., Any]:
    """Let somebody become a prospect; what the receivers that ask for it got of that."""

    def tell(email: str = "ann@acme.example") -> Any:
        hooks.now = world.now
        contact = world.prospect(email)
        while take_announcements(now=hooks.now):
            pass
        return contact

    return tell


@pytest.fixture
def world(db: None) -> World:
    return World()


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    """What came, read."""
    return [json.loads(one.body) for one in receiver.received]
