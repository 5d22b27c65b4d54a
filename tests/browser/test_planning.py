"""Planning Sales in a browser: hours, an absence and a rule, without scripts too; and what axe says of the pages."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_pages import LOOKS, SIZES, Theme, look

Open = Callable[..., Page]


def test_a_manager_plans_without_scripts(shop: Shop, open_as: Open) -> None:
    """What is made here concerns nobody: the application is shared, and its queue stays as it is."""
    page = open_as("max", java_script_enabled=False)
    page.goto("/team/sales/")
    page.get_by_text("Another calendar").click()
    page.get_by_label("Name").fill("Night shift")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_label("Saturday").fill("22-24")
    page.get_by_label("Sunday").fill("0-6")
    page.get_by_role("button", name="Make a calendar").click()
    expect(page.get_by_role("heading", name="Night shift")).to_be_visible()
    page.get_by_label("Days", exact=True).fill("2030-12-25 Christmas Day")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Wed, 25 Dec 2030")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted. Who worked by it")).to_be_visible()

    page.goto("/routing/")
    page.get_by_role("link", name="New rule").click()
    page.get_by_label("Name").fill("Nowhere first")
    page.get_by_label("Countries").fill("Nowhere")
    page.get_by_role("button", name="Save").click()
    contact, _ = shop.offer("Tess")
    page.get_by_label("Contact", exact=True).fill(str(contact))
    page.get_by_role("button", name="Ask the rules").click()
    expect(page.get_by_text("no rule matches")).to_be_visible()
    expect(page.get_by_text("Does not match: its country is unknown.")).to_be_visible()
    page.get_by_role("link", name="Nowhere first").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Everything goes to the queue")).to_be_visible()


def test_a_rep_enters_an_absence_and_takes_it_back(open_as: Open) -> None:
    page = open_as("ben")
    page.goto("/mine/")
    page.get_by_role("link", name="My hours").click()
    page.get_by_label("First day").fill("2031-07-01")
    page.get_by_label("Last day").fill("2031-07-14")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_text("Mon, 14 Jul 2031")).to_be_visible()
    page.get_by_role("button", name="Take back the absence from 1 July").click()
    expect(page.get_by_text("No absence is entered.")).to_be_visible()
    expect(page.get_by_role("link", name="Routing")).to_have_count(0)


@pytest.mark.parametrize(("size", "theme"), LOOKS, ids=[f"{size}-{theme}" for size, theme in LOOKS])
def test_the_pages_please_axe(shop: Shop, open_as: Open, size: str, theme: Theme) -> None:
    page = open_as("ada", viewport=SIZES[size], color_scheme=theme)
    calendar = shop.ask("SELECT id FROM funnel_workingcalendar WHERE is_team")
    rep = shop.ask("SELECT id FROM auth_user WHERE email = %s", shop.people["rita"])
    paths = [
        "/team/sales/",
        f"/team/calendars/{calendar}/",
        f"/team/people/{rep}/",
        "/team/people/me/",
        "/routing/",
        "/routing/new/",
    ]
    assert [wrong for path in paths for wrong in look(page, path)] == []
