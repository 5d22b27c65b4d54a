"""Choosing contacts of the list, and their tags, by hand: what can be done comes into sight and nothing moves."""

import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_transfer import WATCH

Open = Callable[..., Page]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_acts_come_once_somebody_is_chosen_and_nothing_moves(shop: Shop, open_as: Open, width: int) -> None:
    name = f"Chosen{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        shop.offer(name)
    page = open_as("ada", viewport={"width": width, "height": 900})
    page.add_init_script(WATCH)
    page.goto(f"/contacts/?q={name}")
    page.wait_for_load_state("networkidle")
    order, act = page.get_by_text("Highest engagement first").first, page.get_by_role("button", name="Pin")
    expect(order).to_be_visible()
    expect(act).to_be_hidden()
    line = page.locator(".list-line").bounding_box()
    assert line
    assert line["height"] < 48
    box = page.locator("[data-bulk-one]").first
    box.check()
    expect(act).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="1 contact chosen")).to_be_visible()
    assert page.locator(".list-line").bounding_box() == line
    page.get_by_text("More", exact=True).last.click()
    expect(page.get_by_role("button", name="Take a tag off")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    box.uncheck()
    expect(act).to_be_hidden()
    expect(order).to_be_visible()
    assert [shift for shift in page.evaluate("() => window.shifts") if shift[0] > 0] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_contact_gets_a_tag_and_loses_it_on_its_page(shop: Shop, open_as: Open, width: int) -> None:
    contact, _ = shop.offer("Tagged")
    tag = f"Fair {uuid.uuid4().hex[:6]}"
    page = open_as("ada", viewport={"width": width, "height": 900})
    page.goto(f"/contacts/{contact}/why/")
    page.locator("summary").filter(has_text="Tag").click()
    expect(page.get_by_role("button", name="Add the tag")).to_be_in_viewport(ratio=1)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.get_by_label("Tag", exact=True).fill(tag)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=tag)).to_be_visible()
    page.get_by_role("button", name=f"Take the tag “{tag}” off").click()
    expect(page.get_by_role("link", name=tag)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name=tag).click()
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator(f'[data-row-link][href="/contacts/{contact}/"]')).to_be_visible()
