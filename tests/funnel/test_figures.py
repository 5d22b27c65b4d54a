"""The funnel's figures of a few contacts whose story is known."""

from datetime import UTC, date, datetime, timedelta

import pytest

from funnel.analytics import Flow, Period, Segment, Share, Step
from funnel.selectors.figures import Behind, Number, cohorts, people_behind, report, shares
from funnel.services.counting import count_due
from scoring.services.evaluate import drain_due
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
PERIOD = Period(date(2026, 1, 1), date(2026, 6, 30))


@pytest.fixture
def told(world: World) -> World:
    """Anna signs up in March and buys 20 days later; Ben signs up in April; Cleo buys at once in May."""
    world.now = NOW
    march = datetime(2026, 3, 2, 9, tzinfo=UTC)
    world.happens("anna@one.example", "newsletter_subscribed", at=march, traits={"country": "Norway"})
    world.happens("anna@one.example", "purchased", at=march + timedelta(days=20))
    world.happens("ben@two.example", "newsletter_subscribed", at=march + timedelta(days=31))
    world.happens("cleo@three.example", "purchased", at=march + timedelta(days=62), traits={"country": "Norway"})
    drain_due(now=NOW)
    count_due(now=NOW)
    return world


def test_a_report_tells_who_came_how_far_and_how_fast(told: World) -> None:
    found = report(period=PERIOD, segment=Segment())
    steps = {(step.origin, step.target): step for step in found.steps}
    velocities = {(velocity.origin, velocity.target): velocity for velocity in found.velocities}
    # Cleo skipped what lies between.
    assert steps["lead", "customer"] == Step("lead", "customer", reached=3, strict=1, loose=2, skipped=1)
    assert velocities["lead", "customer"].median == 10 * 86400
    assert Flow("lead", "customer", 1) in found.flows
    assert Flow("", "customer", 1) in found.flows
    assert dict(found.entered_at)["customer"] == 1
    assert {row.key: (row.before, row.after) for row in found.stages}["customer"] == (0, 2)


def test_cohorts_tell_how_many_had_gone_on_after_so_long(told: World) -> None:
    months = cohorts(period=PERIOD, segment=Segment(), origin="lead", target="customer", now=NOW)
    march = months[0]
    assert (march.month, march.size, march.ever) == (date(2026, 3, 1), 1, 1)
    assert march.within[:3] == ((7, 0, True), (14, 0, True), (30, 1, True))
    assert march.within[-1] == (365, 1, False)


def test_shares_and_people_follow_the_segment(told: World) -> None:
    by_country = shares(period=PERIOD, segment=Segment(), facet="country", origin="lead", target="customer")
    assert by_country == (Share("Norway", 2, 2), Share("", 1, 0))
    behind = Behind(Number.CONVERTED, "lead", "customer")
    everyone = people_behind(period=PERIOD, segment=Segment(), behind=behind, limit=1)
    assert (len(everyone.contact_ids), everyone.next) == (1, everyone.contact_ids[0])
    rest = people_behind(period=PERIOD, segment=Segment(), behind=behind, after=everyone.next or 0)
    assert (len(rest.contact_ids), rest.next) == (1, None)
    assert not people_behind(period=PERIOD, segment=Segment(country="Peru"), behind=behind).contact_ids
