"""The keyboard: the order of stops, a focus that can be seen, and the keys that the help lists."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop

Open = Callable[..., Page]
STOPS = 60
# Where the focus stands in the document, and how it can be told.
_FOCUSED = """() => {
  const here = document.activeElement;
  if (!here || here === document.body) return null;
  const box = here.getBoundingClientRect();
  const all = [...document.querySelectorAll("*")];
  const label = here.closest("label, .field-box, .segmented label");
  const near = [here, label, here.parentElement, here.nextElementSibling].filter(Boolean);
  const lit = (one) => (one.outlineStyle !== "none" && parseFloat(one.outlineWidth) >= 1.5) || one.boxShadow !== "none";
  return {
    place: all.indexOf(here),
    name: (here.getAttribute("aria-label") ?? here.textContent).trim().slice(0, 40) || here.outerHTML.slice(0, 80),
    shown: near.some((item) => lit(getComputedStyle(item))) || lit(getComputedStyle(here, "::after")),
    sized: box.width > 0 && box.height > 0,
    ordered: here.tabIndex === 0,
  };
}"""


def stops(page: Page) -> list[dict[str, Any]]:
    """Press Tab until the focus leaves the page; where it was each time."""
    found: list[dict[str, Any]] = []
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUSED)
        if stop is None or (found and stop["place"] == found[0]["place"]):
            break
        found.append(stop)
    return found


@pytest.mark.parametrize("path", ["/", "/contacts/", "/queue/", "/definitions/", "/hooks/new/"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_focus_follows_the_page_and_can_be_seen(shop: Shop, open_as: Open, path: str, width: int) -> None:
    shop.offer()
    page = open_as("ada", viewport={"width": width, "height": 900})
    page.goto(path)
    found = stops(page)
    assert found[0]["name"] == "Skip to content"
    assert len(found) > 5
    assert [stop["name"] for stop in found if not stop["shown"]] == []
    assert [stop["name"] for stop in found if not (stop["sized"] and stop["ordered"])] == []
    places = [stop["place"] for stop in found]
    assert places == sorted(places)


def test_skips_to_the_content(open_as: Open) -> None:
    page = open_as("rita")
    page.goto("/contacts/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.closest('#main') !== null")


def test_goes_places(shop: Shop, open_as: Open) -> None:
    page = open_as("max")
    for key, path in (("c", "contacts"), ("q", "queue"), ("f", "funnel"), ("d", "definitions"), ("n", "notifications")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"**/{path}/")
        page.wait_for_load_state("networkidle")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url(f"{shop.app.base_url}/")


def test_walks_rows_and_opens_one(shop: Shop, open_as: Open) -> None:
    shop.offer("Rowena")
    shop.offer("Rowena")
    page = open_as("max")
    page.goto("/contacts/?q=rowena")
    links = page.locator("[data-row] [data-row-link]")
    expect(links).to_have_count(2)
    page.keyboard.press("j")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("j")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/contacts/*/")


def test_keys_are_letters_where_one_types(shop: Shop, open_as: Open) -> None:
    page = open_as("max")
    page.goto("/contacts/")
    page.get_by_label("Search contacts").focus()
    page.keyboard.type("gcj?")
    expect(page.get_by_label("Search contacts")).to_have_value("gcj?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()


def test_the_help_lists_the_keys(open_as: Open) -> None:
    page = open_as("max")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    for words in ("Go to contacts", "Go to the queue", "Go to the funnel", "Go to definitions", "Open the row"):
        expect(dialog).to_contain_text(words)
