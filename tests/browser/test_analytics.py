"""The funnel's figures with the mouse, and without scripts; empty and full, in both themes at both widths."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_pages import SIZES, Theme, look, looks

Open = Callable[..., Page]
PATIENCE = 30_000


def opened(page: Page, path: str) -> Page:
    """The page with all that is loaded after it."""
    page.goto(path)
    expect(page.locator("[aria-busy]")).to_have_count(0, timeout=PATIENCE)
    return page


def test_from_a_number_to_its_contacts_and_back_by_a_filter(shop: Shop, open_as: Open) -> None:
    shop.offer("Vera")
    page = opened(open_as("mara"), "/funnel/?period=30d")
    expect(page.get_by_role("heading", name="Handoffs", exact=True)).to_be_visible()
    expect(page.get_by_role("table", name="What became of the offers")).to_be_visible()

    flows = page.get_by_role("table", name="Moves between stages")
    flows.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("New contacts at|Moved from"))
    assert page.locator(".row-link").count() > 0

    page.goto("/funnel/?period=30d")
    page.get_by_label("Source", exact=True).select_option(label="not known")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("link", name="Remove filter: Source not known").click()
    expect(page.get_by_role("list", name="Filters in force")).to_have_count(0)


def test_hovering_a_flow_tells_it(shop: Shop, open_as: Open) -> None:
    shop.offer("Wanda")
    page = opened(open_as("mara"), "/funnel/?period=30d")
    page.locator(".sankey-band").first.hover(force=True)
    expect(page.locator(".sankey [data-readout]")).to_contain_text("move")


def test_every_part_without_scripts(shop: Shop, open_as: Open) -> None:
    shop.offer("Xenia")
    page = open_as("mara", java_script_enabled=False)
    page.goto("/funnel/?period=30d")
    page.get_by_role("link", name="Show handoffs").click()
    expect(page.get_by_role("table", name="What became of the offers")).to_be_visible()
    page.get_by_role("link", name="Funnel", exact=True).last.click()
    page.get_by_role("link", name="Show returned by rule").click()
    expect(page.get_by_role("heading", name="Returned by rule", level=2)).to_be_visible()


def test_a_table_can_be_taken_away(shop: Shop, open_as: Open) -> None:
    page = opened(open_as("mara"), "/funnel/?period=30d")
    with page.expect_download() as taken:
        page.get_by_role("link", name="CSV of Contacts by stage").click()
    assert taken.value.suggested_filename.startswith("funnel-stages-")


@looks
def test_the_figures_look_right(shop: Shop, open_as: Open, size: str, theme: Theme) -> None:
    shop.offer()
    page = open_as("mara", viewport=SIZES[size], color_scheme=theme)
    paths = [
        "/funnel/part/handoffs/?period=30d",
        "/funnel/part/rules/?period=30d",
        "/funnel/part/moves/?period=30d&direction=inbound",
        "/funnel/people/?period=30d",
        "/funnel/handoffs/?period=30d",
        "/funnel/handoffs/?from=2001-01-01&to=2001-01-02",
        "/funnel/?from=2001-01-01&to=2001-01-02&motion=slow&country=DE",
    ]
    wrong = [one for path in paths for one in look(page, path)]
    # With everything that is loaded later.
    opened(page, "/funnel/?period=30d")
    assert page.evaluate("() => document.documentElement.scrollWidth") == SIZES[size]["width"]
    assert wrong + look(page, "/funnel/?period=30d") == []
