"""A rep's own prospects: what is theirs, the beginning of each column, and how it goes on."""

import re

import pytest

from tests.funnel.conftest import World
from tests.funnel.test_pages import queries, read, signed_in

pytestmark = pytest.mark.django_db


class TestMine:
    def test_shows_only_what_is_theirs_by_state(self, world: World) -> None:
        rita = world.person()
        world.claimed(by=rita, email="hers@acme.example")
        world.claimed(by=world.person(name="Ben Faster"), email="his@acme.example")
        page = read(signed_in(rita), "/mine/")
        assert "hers@acme.example" in page
        assert "his@acme.example" not in page

    def test_number_of_queries_does_not_grow(self, world: World) -> None:
        rita = world.person()
        client = signed_in(rita)
        world.claimed(by=rita, email="one@acme.example")
        read(client, "/mine/")
        one = queries(client, "/mine/")
        world.claimed(by=rita, email="two@acme.example")
        world.claimed(by=rita, email="three@acme.example")
        assert queries(client, "/mine/") == one

    def test_shows_the_beginning_of_a_column_and_goes_on_when_asked(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("funnel.selectors.mine.COLUMN_SIZE", 2)
        monkeypatch.setattr("funnel.selectors.mine.MORE_SIZE", 2)
        rita = world.person()
        client = signed_in(rita)
        held = []
        for number in range(5):
            held.append(str(world.claimed(by=rita, email=f"p{number}@acme.example").pk))
            world.later(minutes=1)
        page = read(client, "/mine/")
        assert re.findall(r'data-live-part="claimed-(\d+)"', page) == held[:2]
        assert re.search(r'data-live-part="count-claimed">5<', page)
        assert "Show more (3 left)" in page

        seen, path = held[:2], _more(page)
        while path:
            # With scripts the cards come as a part, without them as a page: the same ones.
            part = client.get(path, headers={"HX-Request": "true"}).content.decode()
            cards = re.findall(r'data-live-part="claimed-(\d+)"', part)
            assert "<html" not in part
            assert re.findall(r'data-live-part="claimed-(\d+)"', read(client, path)) == cards
            assert len(re.findall(r"data-row-link autofocus", part)) == 1, "the keyboard goes on at the first of them"
            seen += cards
            path = _more(part)
        assert seen == held

    def test_an_open_page_keeps_what_it_was_shown_and_its_way_on(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("funnel.selectors.mine.COLUMN_SIZE", 1)
        rita = world.person()
        client = signed_in(rita)
        held = []
        for number in range(4):
            held.append(world.claimed(by=rita, email=f"p{number}@acme.example").pk)
            world.later(minutes=1)
        client.post(f"/handoffs/{held[0]}/return/", {"return-reason": "no_want", "return-note": "No"})
        shown = ",".join(f"claimed-{pk}" for pk in held[:3])
        answer = client.get("/mine/", headers={"X-Ripen-Live": "1", "X-Ripen-Shown": shown}).content.decode()
        assert re.findall(r'data-live-part="claimed-(\d+)"', answer) == [str(pk) for pk in (*held[1:3], held[0])]
        assert "No longer in this column" in answer
        assert "Show more (1 left)" in answer
        following = client.get(_more(answer), headers={"HX-Request": "true"}).content.decode()
        assert re.findall(r'data-live-part="claimed-(\d+)"', following) == [str(held[3])]

    def test_those_that_ended_are_paged_too(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("funnel.selectors.mine.COLUMN_SIZE", 2)
        monkeypatch.setattr("funnel.selectors.mine.MORE_SIZE", 2)
        rita = world.person()
        client = signed_in(rita)
        ended: list[str] = []
        for number in range(3):
            handoff = world.claimed(by=rita, email=f"p{number}@acme.example")
            client.post(f"/handoffs/{handoff.pk}/return/", {"return-reason": "no_want", "return-note": "No"})
            ended.insert(0, str(handoff.pk))
        page = read(client, "/mine/")
        assert re.findall(r'data-live-part="closed-(\d+)"', page) == ended[:2]
        assert re.findall(r'data-live-part="closed-(\d+)"', read(client, _more(page))) == ended[2:]

    @pytest.mark.parametrize(
        "query", ["column=nowhere", "column=talking&after=x", "column=closed&after=9_9", "after=1_1"]
    )
    def test_a_place_that_nobody_knows_is_no_error(self, world: World, query: str) -> None:
        rita = world.person()
        world.claimed(by=rita)
        read(signed_in(rita), f"/mine/?{query}")


def _more(page: str) -> str:
    """Where a column goes on."""
    found = re.search(r'hx-get="(/mine/\?[^"]*)"', page)
    return found[1].replace("&amp;", "&") if found else ""
