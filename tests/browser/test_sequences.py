"""A sequence in a real browser: the editor's buttons, and the dialog that names what activating does."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_pages import SIZES, Theme, look


def test_steps_are_written_with_the_buttons_and_activating_says_what_it_does(
    shop: Shop, open_as: Callable[..., Page]
) -> None:
    sequence = shop.sequence()
    page = open_as("mara")
    page.goto(f"/sequences/{sequence}/edit/")
    first = page.locator("#step-1")
    expect(first.get_by_label("Subject")).to_be_visible()
    expect(page.locator("#step-2").get_by_label("Subject")).to_be_hidden()
    page.get_by_role("button", name="Add a step").click()
    expect(page.locator("#step-3").get_by_label("Subject")).to_be_visible()
    page.locator("#step-3").get_by_label("By").select_option("webhook")
    expect(page.locator("#step-3").get_by_label("Subject")).to_be_hidden()
    page.get_by_role("button", name="Move step 2 up").click()
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    expect(first.get_by_label("Call to action")).to_have_value("Download the guide")
    page.get_by_role("button", name="Remove step 3").click()
    expect(page.locator("#step-3")).to_have_count(0)
    # Enter saves, whichever button comes first.
    first.get_by_label("Wait days").fill("4")
    first.get_by_label("Wait days").press("Enter")
    expect(page.get_by_role("status").get_by_text("Saved.")).to_be_visible()
    expect(first.get_by_label("Wait days")).to_have_value("4")

    page.goto(f"/sequences/{sequence}/")
    page.get_by_role("link", name="Activate …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Whoever enters Lead from now on is enrolled")
    dialog.get_by_role("button", name="Not yet").click()
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize(("size", "theme"), [("wide", "light"), ("phone", "dark")])
def test_axe_finds_nothing_on_the_pages_of_sequences(
    shop: Shop, open_as: Callable[..., Page], size: str, theme: Theme
) -> None:
    sequence = shop.sequence()
    page = open_as("mara", viewport=SIZES[size], color_scheme=theme)
    own = ("", "edit/", "preview/", "activate/", "delete/")
    paths = ["/sequences/", "/sequences/new/", *(f"/sequences/{sequence}/{path}" for path in own)]

    assert [fault for path in paths for fault in look(page, path)] == []
