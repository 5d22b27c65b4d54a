"""The rollups follow the transitions: after every change they equal what is counted from nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from funnel.models import Reached, Tally
from funnel.services.counting import count_due, recount_all, verify_rollups
from scoring.services.evaluate import drain_due
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


def faults() -> list[str]:
    return [str(violation) for violation in verify_rollups(now=NOW)]


def test_counted_one_by_one_and_all_at_once_is_the_same(world: World) -> None:
    world.now = NOW
    march = datetime(2026, 3, 2, 9, tzinfo=UTC)
    world.happens("anna@one.example", "newsletter_subscribed", at=march, traits={"country": "Norway"})
    world.happens("anna@one.example", "purchased", at=march + timedelta(days=20))
    world.happens("ben@two.example", "newsletter_subscribed", at=march + timedelta(days=31))
    world.happens("cleo@three.example", "purchased", at=march + timedelta(days=62), traits={"country": "Norway"})
    drain_due(now=NOW)
    assert count_due(now=NOW) == 3
    assert count_due(now=NOW) == 0
    assert Reached.objects.count() == 3
    assert faults() == []
    one_by_one = list(Tally.objects.order_by("pk").values())
    recount_all(now=NOW)
    assert faults() == []
    assert list(Tally.objects.order_by("pk").values()) == one_by_one
