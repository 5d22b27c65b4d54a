"""What is announced of changes of stage: news, once."""

from datetime import timedelta

from funnel.enums import AnnouncementType
from funnel.models import Announcement
from funnel.services.verification import verify_invariants
from scoring.models import Transition
from tests.funnel.conftest import World


def changes() -> list[tuple[str, str]]:
    rows = Announcement.objects.filter(type=AnnouncementType.STAGE_CHANGED).order_by("id")
    return [(row.data["from"], row.data["to"]) for row in rows]


def test_a_change_that_a_late_fact_corrects_is_announced_once(world: World) -> None:
    # The database's own clock stamps what is recorded: live in its present.
    contact = world.happens("ann@acme.example", "newsletter_subscribed", at=world.now - timedelta(hours=5))
    world.settle()
    world.happens("ann@acme.example", "purchased", at=world.now - timedelta(hours=1))
    world.settle()
    assert changes() == [("lead", "customer")]

    # Known later: the score at the purchase was another, so the change is recorded again, and the first row superseded.
    world.happens("ann@acme.example", "asset_downloaded", at=world.now - timedelta(hours=3))
    world.settle()
    assert Transition.objects.filter(contact=contact, to_stage="customer").count() == 2
    assert changes() == [("lead", "customer")]
    world.tell()
    assert list(verify_invariants(now=world.now)) == []
