"""Finding contacts, the theme, help and menus, with mouse, with keyboard, and without scripts."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop

Open = Callable[..., Page]


def test_searches_as_one_types_and_keeps_the_address(shop: Shop, open_as: Open) -> None:
    shop.offer("Zebulon")
    shop.offer("Quentin")
    page = open_as("max")
    page.goto("/contacts/")
    page.keyboard.press("/")
    expect(page.get_by_label("Search contacts")).to_be_focused()
    page.keyboard.type("zebulon")
    expect(page.get_by_role("link", name="Zebulon Contact")).to_be_visible()
    expect(page.get_by_role("link", name="Quentin")).to_have_count(0)
    expect(page.locator("#stage-tabs").get_by_role("link", name="All 1")).to_be_visible()
    assert "q=zebulon" in page.url
    page.reload()
    expect(page.get_by_label("Search contacts")).to_have_value("zebulon")


def test_filters_at_once_with_scripts_and_by_button_without(shop: Shop, open_as: Open) -> None:
    contact, handoff = shop.offer("Filterfred")
    page = open_as("rita")
    page.goto(f"/handoffs/{handoff}/")
    page.get_by_role("button", name="Claim").click()
    expect(page.get_by_role("button", name="Accept")).to_be_visible()
    page.goto("/contacts/?q=filterfred")
    page.get_by_role("combobox", name="Owner", exact=True).select_option(label="Marketing")
    expect(page.get_by_text("No contact matches")).to_be_visible()
    page.get_by_role("combobox", name="Owner", exact=True).select_option(label=shop.people["rita"])
    expect(page.get_by_role("link", name="Filterfred")).to_be_visible()
    page.get_by_role("link", name=f"Remove filter: Owner {shop.people['rita']}").click()
    expect(page.get_by_role("combobox", name="Owner", exact=True)).to_have_value("")

    plain = open_as("rita", java_script_enabled=False)
    plain.goto("/contacts/?q=filterfred")
    plain.get_by_role("combobox", name="Owner", exact=True).select_option(label="Marketing")
    plain.get_by_role("button", name="Apply").click()
    expect(plain.get_by_text("No contact matches")).to_be_visible()
    assert contact


def test_the_theme_is_remembered_and_does_not_flash(shop: Shop, open_as: Open) -> None:
    page = open_as("rita", color_scheme="light")
    toggle = page.locator(".sidebar [data-theme-toggle]")
    toggle.click()
    toggle.click()
    expect(toggle).to_have_attribute("aria-label", "Theme: dark")
    page.goto("/queue/", wait_until="commit")
    page.wait_for_selector("body")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
    dark = page.evaluate("() => getComputedStyle(document.body).colorScheme")
    assert dark == "dark"


def test_help_and_menus_answer_to_the_keyboard(open_as: Open) -> None:
    page = open_as("rita")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    page.locator(".sidebar summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".sidebar").get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".sidebar").get_by_role("button", name="Sign out")).to_be_hidden()
    expect(page.locator(".sidebar summary")).to_be_focused()


def test_the_first_tab_stop_skips_to_the_content(open_as: Open) -> None:
    page = open_as("rita")
    page.goto("/contacts/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_menu_of_a_phone_opens_without_scripts(open_as: Open) -> None:
    page = open_as("rita", java_script_enabled=False, viewport={"width": 390, "height": 844})
    expect(page.get_by_role("link", name="Queue").first).to_be_hidden()
    page.locator(".topbar-menu > summary").click()
    page.locator(".topbar-menu").get_by_role("link", name="Queue").click()
    expect(page.get_by_role("heading", name="Queue", exact=True)).to_be_visible()
