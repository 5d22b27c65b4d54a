"""What is told of handoffs that follow from judgement: what is news, and nothing of old or quiet changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import to_builtins

from funnel.enums import HandoffState
from funnel.models import Announcement, Handoff
from funnel.services.consequences import reconcile_standings
from scoring.definition import read_document
from scoring.models import Definition
from scoring.selectors import published_definition
from scoring.services.drafts import store_draft
from scoring.services.publish import judge_publication, publish_definition
from tests.funnel.conftest import FITTING, World

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_the_present(world: World) -> None:
    """The database's own clock stamps what is recorded."""
    world.now = datetime.now(UTC) - timedelta(minutes=30)


def types() -> list[str]:
    return list(Announcement.objects.filter(type__startswith="handoff.").order_by("id").values_list("type", flat=True))


def settle(world: World) -> None:
    world.settle()
    while reconcile_standings(now=world.now):
        world.settle()


def publish(world: World, *, quiet: bool, **changes: dict[str, Any]) -> Definition:
    """Put the definition in force with other settings for the named stages."""
    _, document = published_definition()
    plain: dict[str, Any] = to_builtins(document)
    stages = [{**stage, **changes.get(stage["key"], {})} for stage in plain["stages"]]
    draft = store_draft(document=read_document({**plain, "approval": [], "stages": stages}), by=None)
    judge_publication(publish_definition(definition_id=draft.pk, by=None, now=world.later(minutes=1), quiet=quiet))
    settle(world)
    return draft


def test_what_just_happened_is_told(world: World) -> None:
    world.prospect()

    ((told,)) = Announcement.objects.filter(type="handoff.offered")
    assert (told.contact_id, told.handoff) == (Handoff.objects.get().contact_id, Handoff.objects.get())
    assert told.data == {
        "move": "offer", "number": 0, "from": "", "to": "offered", "by": None, "from_rep": None, "to_rep": None,
        "reason": "", "escalation": 0,
    }  # fmt: skip


def test_what_happened_four_days_ago_opens_an_offer_and_is_told_to_nobody(world: World) -> None:
    world.happens("ann@acme.example", "demo_requested", at=world.now - timedelta(days=4), traits=FITTING)
    settle(world)

    assert Handoff.objects.get().state == HandoffState.OFFERED
    assert types() == []


def test_a_purchase_that_we_learn_of_late_closes_as_won_and_is_told_to_nobody(world: World) -> None:
    world.happens("ann@acme.example", "demo_requested", at=world.now - timedelta(days=9), traits=FITTING)
    settle(world)
    world.happens("ann@acme.example", "purchased", at=world.now - timedelta(days=4))
    settle(world)

    assert Handoff.objects.get().state == HandoffState.WON
    assert types() == []


@pytest.mark.parametrize("quiet", [True, False])
def test_a_publication_that_hands_another_stage_over_is_told_unless_it_is_quiet(world: World, *, quiet: bool) -> None:
    contact = world.happens("ann@acme.example", "newsletter_subscribed", traits=FITTING)
    settle(world)
    assert (world.stage(contact), types()) == ("lead", [])

    publish(world, quiet=quiet, lead={"handoff": True})
    assert Handoff.objects.get().state == HandoffState.OFFERED
    assert types() == ([] if quiet else ["handoff.offered"])


@pytest.mark.parametrize("quiet", [True, False])
def test_a_publication_that_withdraws_offers_is_told_unless_it_is_quiet(world: World, *, quiet: bool) -> None:
    world.prospect()
    publish(world, quiet=quiet, sales_prospect={"handoff": False})

    assert Handoff.objects.get().state == HandoffState.WITHDRAWN
    assert types() == ["handoff.offered"] + ([] if quiet else ["handoff.withdrawn"])


def test_after_a_quiet_publication_what_happens_is_news_again(world: World) -> None:
    publish(world, quiet=True, sales_prospect={"sla_hours": 2})
    world.later(minutes=5)
    world.prospect()

    assert types() == ["handoff.offered"]


def test_a_published_change_of_the_time_to_claim_holds_for_later_offers(world: World) -> None:
    first = world.offer()
    assert first.due_at is not None
    publish(world, quiet=True, sales_prospect={"sla_hours": 40})
    second = world.offer("bob@acme.example")
    first_again = Handoff.objects.get(pk=first.pk)

    assert first_again.due_at == first.due_at
    assert second.due_at is not None
    assert second.due_at - second.offered_at > (first.due_at - first.offered_at) + timedelta(hours=30)
