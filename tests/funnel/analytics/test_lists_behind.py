"""Every number of the funnel leads to as many contacts, handoffs or turns as it says."""

import re
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.funnel.analytics.lives import count_all, lived
from tests.funnel.analytics.rows import evidence, hour, tell
from tests.funnel.analytics.test_pages import PERIOD, api, client, read, spring
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db
# The same people and contacts as those of the page.
__all__ = ["api", "client", "spring"]


def test_every_number_of_contacts_leads_to_as_many(spring: None, client: Client) -> None:
    page = read(client, "/funnel/")
    links = {
        (url.replace("&amp;", "&"), number)
        for url, number in re.findall(r'<a href="(/funnel/people/[^"]*)"[^>]*>(-?[\d,]+)</a>', page)
    }
    assert len(links) > 20
    numbers = {number for url, _ in links for number in re.findall(r"number=(\w+)", url)}
    assert numbers == {"moves", "reached", "converted", "strict", "skipped", "after", "changed"}
    for url, number in links:
        if "number=moves" in url:
            continue  # One contact may move twice.
        shown = client.get(url).content.decode()
        names = len(re.findall(r'class="row-link', shown))
        if "number=changed" in url:
            names = len(re.findall(r">came<", shown)) - len(re.findall(r">went<", shown))
        assert names == int(number), url


@pytest.mark.parametrize("segment", [{}, {"source": "web"}, {"direction": "outbound"}])
def test_who_stood_at_a_stage_before_and_after_a_period(
    spring: None, client: Client, api: Client, segment: dict[str, str]
) -> None:
    """The figure comes from sums (or, of a direction, from the moves), the list from each contact's own moves."""
    for first, last in (("2026-03-04", "2026-03-09"), ("2026-03-08", "2026-04-20"), ("2026-02-01", "2026-02-02")):
        asked_for = {"from": first, "to": last, **segment}
        found = api.get("/api/v1/funnel/", {"part": "counts", **asked_for}).json()["tables"]["stages"]
        for row in found:
            stage = row["stage"]["key"]
            listed = {
                number: read(client, "/funnel/people/", number=number, from_stage=stage, **asked_for)
                for number in ("before", "after", "changed")
            }
            assert listed["before"].count('class="row-link') == row["before"], row
            assert listed["after"].count('class="row-link') == row["after"], row
            assert listed["changed"].count(">came<") - listed["changed"].count(">went<") == row["change"], row


def test_every_figure_of_reps_and_clocks_leads_to_as_many(client: Client, world: World) -> None:
    rhea, ben = world.person(), world.person(name="Ben Boss")
    # One handoff that Rhea had twice and Ben once counts three times, and is listed as often.
    tell(
        ("offer", 0, None), ("claim", 1, 4), ("release", 9, 9, {"reason": "no_attempt"}), ("claim", 14, 13),
        ("reassign", 15, None, {"rep": ben}), ("reassign", 16, None, {"rep": rhea}), ("accept", 17, None), rep=rhea,
    )  # fmt: skip
    tell(("offer", 0, None), ("claim", 1, 4), ("win", 30, None), rep=ben, attempted_at=hour(2))
    tell(("offer", 0, None), ("claim", 1, 4), ("return", 30, None, {"reason": "no_want"}), rep=ben)
    tell(("offer", 0, None), ("expire", 4, 4))
    tell(("offer", 0, None), ("withdraw", 2, 4))
    tell(("offer", 0, None))
    page = read(client, "/funnel/part/handoffs/")
    links = set(re.findall(r'<a href="(/funnel/handoffs/[^"]*turns=[^"]*)"[^>]*>([\d,]+)</a>', page))
    figures = {figure for url, _ in links for figure in re.findall(r"figure=(\w+)", url)}
    assert figures >= {"taken", "accepted", "decided", "returned", "won", "released", "in_hand", "met", "missed"}
    assert ("3", True) in {(number, f"rep={rhea.pk}" in url) for url, number in links if "figure=taken" in url}
    for url, number in links:
        shown = client.get(url.replace("&amp;", "&")).content.decode()
        assert shown.count('class="row-link') == int(number), url
    assert "Taken by a rep: Rhea Rep" in read(
        client, "/funnel/handoffs/", turns="hold", figure="taken", rep=str(rhea.pk)
    )


@pytest.mark.parametrize("turns", ["hold", "claim"])
def test_a_list_of_turns_follows_a_key_at_a_fixed_number_of_queries(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, turns: str
) -> None:
    monkeypatch.setattr("funnel.views.analytics.behind._PAGE", 2)
    rep = world.person()
    asked_for = {"turns": turns, "figure": "met" if turns == "claim" else "taken"}
    counts, seen = [], []
    for number in range(5):
        tell(("offer", 0, None), ("claim", 1, 4), rep=rep)
        if number in (0, 1):
            read(client, "/funnel/handoffs/", **asked_for)
            with CaptureQueriesContext(connection) as captured:
                read(client, "/funnel/handoffs/", **asked_for)
            counts.append(len(captured))
    assert counts[0] == counts[1]
    url = f"/funnel/handoffs/?{urlencode({**PERIOD, **asked_for})}"
    while url:
        page = client.get(url).content.decode()
        seen += re.findall(r'class="row-link truncate" href="([^"]*)"', page)
        following = re.search(r'href="(\?[^"]*after=[^"]*)"', page)
        url = "/funnel/handoffs/" + following[1].replace("&amp;", "&") if following else ""
    assert (len(seen), len(set(seen))) == (5, 5)


@pytest.mark.parametrize("query", ["turns=hold&figure=nothing", "turns=hold&rep=x", "turns=claim&after=x", "turns=x"])
def test_turns_that_nobody_knows_are_no_error(client: Client, query: str) -> None:
    assert client.get(f"/funnel/handoffs/?{query}").status_code == 200


def test_every_number_of_handoffs_leads_to_as_many(client: Client, world: World) -> None:
    rep = world.person()
    for reason in ("no_want", "no_want", "bad_data", ""):
        last = ("return", 9, None, {"reason": reason}) if reason else ("accept", 9, None)
        tell(("offer", 0, None), ("claim", 1, 4), last, rep=rep, evidence=evidence("demo", fit=["title"]))
    tell(("offer", 0, None), contact={"source_channel": "web"})
    page = read(client, "/funnel/part/handoffs/") + read(client, "/funnel/part/rules/")
    links = set(re.findall(r'<a href="(/funnel/handoffs/[^"]*)"[^>]*>([\d,]+)</a>', page))
    assert len(links) > 12
    for url, number in links:
        names = re.findall(r'class="row-link', client.get(url.replace("&amp;", "&")).content.decode())
        assert len(names) == int(number), url


def test_the_lists_behind_follow_a_key(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("funnel.views.analytics.behind._PAGE", 2)
    for _ in range(5):
        lived(("lead", 0))
        tell(("offer", 0, None))
    count_all()
    for path, query in (
        ("/funnel/people/", {"number": "reached", "from_stage": "lead"}),
        ("/funnel/handoffs/", {"figure": "offered"}),
    ):
        seen: list[str] = []
        url = f"{path}?{urlencode({**PERIOD, **query})}"
        for _ in range(3):
            page = client.get(url).content.decode()
            seen += re.findall(r'class="row-link truncate" href="([^"]*)"', page)
            following = re.search(r'href="(\?[^"]*after=[^"]*)"', page)
            url = path + following[1].replace("&amp;", "&") if following else ""
        assert (len(seen), len(set(seen)), url) == (5, 5, "")
