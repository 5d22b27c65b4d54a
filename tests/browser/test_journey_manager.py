"""A manager reads the funnel: a period, a number, the contacts behind it, a file; and works the palette by keys."""

import re
from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_pages import look

Open = Callable[..., Page]


def test_a_manager_follows_a_number_to_its_contacts_and_takes_the_figures_home(shop: Shop, open_as: Open) -> None:
    contact, _ = shop.offer("Figuria")
    page = open_as("max")
    page.get_by_role("link", name="Funnel", exact=True).first.click()
    page.get_by_label("Period", exact=True).select_option("30d")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("period=30d"))

    page.goto("/")
    card = page.locator('[data-live-part="stage-sales_prospect"]')
    came = card.get_by_role("link", name=re.compile("came"))
    expect(came).to_be_visible()
    number = int(re.sub(r"\D", "", came.inner_text()))
    came.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Entered")
    rows = page.locator("tr[data-row]")
    came_there = shop.ask(
        "SELECT count(DISTINCT contact_id) FROM funnel_passage AS moved JOIN contacts_contact AS c ON c.id = contact_id"
        " WHERE target = 3 AND c.present AND at >= (now() AT TIME ZONE 'UTC')::date - 6"
    )
    assert rows.count() == min(came_there, 50)
    # Moves are counted: who came twice counts twice, and who was erased since still counts.
    assert number >= came_there
    assert shop.ask("SELECT stage FROM contacts_standing WHERE contact_id = %s", contact) == "sales_prospect"

    page.goto("/funnel/?period=30d")
    with page.expect_download() as loading:
        page.locator('a[download][href*="/funnel/"][href*=".csv"]').first.click()
    assert loading.value.suggested_filename.startswith("funnel-")
    assert loading.value.path().stat().st_size > 0


def test_the_palette_is_worked_by_keyboard(shop: Shop, open_as: Open) -> None:
    contact, _ = shop.offer("Palettina")
    page = open_as("max")
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Search everything")
    expect(field).to_be_focused()
    expect(page.get_by_role("option", name="Queue")).to_be_visible()
    page.keyboard.type("palettnia")
    option = page.get_by_role("option", name=re.compile("Palettina"))
    expect(option).to_be_visible()
    expect(option).to_contain_text("similar")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", option.get_attribute("id") or "")
    assert Axe().run(page).response["violations"] == []
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "false")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/contacts/{contact}/"))
    page.keyboard.press("Control+k")
    expect(field).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    assert page.evaluate("() => JSON.stringify(localStorage)").count("alettina") == 0


def test_the_search_is_a_page_without_scripts(shop: Shop, open_as: Open) -> None:
    shop.offer("Scriptless")
    page = open_as("rita", java_script_enabled=False)
    page.get_by_role("link", name="Search", exact=True).first.click()
    page.locator("main").get_by_label("Search everything").fill("scriptless")
    page.locator("main").get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("link", name=re.compile("Scriptless"))).to_be_visible()


def test_nothing_is_wrong_with_the_page_of_the_search(shop: Shop, open_as: Open) -> None:
    shop.offer("Looker")
    page = open_as("max")
    assert look(page, "/search/?q=looker") == []
    assert look(page, "/search/?q=xyzzyq") == []
