"""The overview: what changed this week, how long contacts stay, where they moved, how the handing over goes."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from funnel.models import Handoff
from funnel.selectors.stays import median_stays
from funnel.services.handoffs import return_handoff
from tests.funnel.analytics.lives import FIRST, count_all, lived
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db
DAY = 86_400


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.person(Role.MARKETER, "Mara Marketer"))
    return client


def text_of(client: Client) -> str:
    page = client.get("/").content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_median_stay_is_of_the_latest_stays_that_ended(world: World) -> None:
    lived(("lead", 0), ("customer", 4))
    lived(("lead", 0), ("marketing_prospect", 10))
    lived(("audience", 0), ("lead", 1), ("audience", 7))
    lived(("lead", 0))
    count_all()
    # Lead was left after 4, 6 and 10 days, the weakest stage after one; nobody left any other.
    assert median_stays() == {"audience": 1 * DAY, "lead": 6 * DAY}


def test_a_card_says_how_the_stage_changed_this_week(client: Client, world: World) -> None:
    days = (world.now - FIRST) / timedelta(days=1)
    lived(("lead", 0), ("audience", days - 2))
    lived(("lead", days - 3))
    lived(("lead", days - 1))
    lived(("lead", 0), ("customer", days - 30))
    count_all()
    text = text_of(client)
    assert re.search(r"Audience 1 .{0,90} \+1 came · nobody left in 7 days nobody left it lately", text)
    assert re.search(r"Lead 2 .{0,90} \+2 came · −1 left in 7 days median stay [\d.]+ days", text)
    assert re.search(r"Customer 1 .{0,90} nobody came · nobody left in 7 days", text)
    assert "Moves between stages" in text


def test_the_handoff_block_says_what_was_claimed_in_time_and_why_they_came_back(client: Client, world: World) -> None:
    rep = world.person()
    for number in range(2):
        handoff = world.claimed(rep, f"returned{number}@acme.example")
        return_handoff(handoff_id=handoff.pk, by=rep, reason="no_want", now=world.now)
    late = world.offer("late@acme.example")
    Handoff.objects.filter(pk=late.pk).update(due_at=world.now - timedelta(hours=1))
    page = client.get("/").content.decode()
    text = text_of(client)
    assert re.search(r"1 waiting now 0 in hand now 3 offered 67 % claimed in time 0 won 2 returned", text)
    link = re.search(r'href="(/funnel/handoffs/[^"]*reason=no_want)"', page)
    assert link is not None
    listed = client.get(link[1].replace("&amp;", "&")).content.decode()
    assert re.findall(r"returned\d@acme.example", listed)
    assert "late@acme.example" not in listed


def test_the_number_of_queries_is_fixed(client: Client, world: World) -> None:
    def asked(times: int) -> int:
        for number in range(times):
            lived(("lead", 200 + number), ("customer", 210 + number))
        count_all()
        client.get("/")
        with CaptureQueriesContext(connection) as captured:
            client.get("/")
        return len(captured)

    assert asked(1) == asked(3)
