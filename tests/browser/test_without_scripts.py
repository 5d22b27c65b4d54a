"""Ripen without JavaScript: the main pages and what is done on them, by links and forms alone.

Claiming, logging and returning: test_handoffs.py. Importing: test_records.py. Editing a draft: test_editor.py.
"""

import re
import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PASSWORD, Shop

Open = Callable[..., Page]
PATIENCE = 60_000
MAIN = (
    "/", "/contacts/", "/companies/", "/queue/", "/mine/", "/funnel/", "/definitions/", "/sequences/", "/imports/",
    "/duplicates/", "/suspects/", "/suppressions/", "/sources/", "/hooks/", "/jobs/", "/team/", "/team/sales/",
    "/routing/", "/notifications/", "/account/", "/search/?q=acme", "/docs/",
)  # fmt: skip


def test_every_main_page_stands_by_itself(shop: Shop, open_as: Open) -> None:
    shop.offer()
    page = open_as("ada", java_script_enabled=False)
    wrong = []
    for path in MAIN:
        answer = page.goto(path)
        assert answer is not None
        if answer.status != 200 or not page.locator("h1").is_visible():
            wrong.append(f"{path}: {answer.status}")
        # What only a script could act on is not offered.
        wrong += [f"{path}: {item.inner_text()}" for item in page.locator(".needs-js").all() if item.is_visible()]
    assert wrong == []


def test_searches_and_walks_on(shop: Shop, open_as: Open) -> None:
    name = f"Plain{uuid.uuid4().hex[:8]}"
    shop.offer(name)
    page = open_as("mara", java_script_enabled=False)
    page.goto("/contacts/")
    page.get_by_label("Search contacts").fill(name)
    page.get_by_label("Search contacts").press("Enter")
    expect(page.locator("[data-row]")).to_have_count(1)
    page.goto(f"/search/?q={name}")
    page.get_by_role("main").get_by_role("link", name=name).first.click()
    expect(page.get_by_role("heading", name=name).first).to_be_visible()


def test_pins_a_stage_and_takes_it_back(shop: Shop, open_as: Open) -> None:
    contact, _ = shop.offer("Pinned")
    page = open_as("mara", java_script_enabled=False)
    page.goto(f"/contacts/{contact}/pin/")
    page.get_by_label("Stage to show").select_option(index=1)
    page.get_by_label("Why", exact=True).fill("Agreed with Sales by phone.")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_text("Agreed with Sales by phone.").first).to_be_visible()
    page.goto(f"/contacts/{contact}/pin/")
    page.get_by_role("button", name="Take the pin back").click()
    page.goto(f"/contacts/{contact}/pin/")
    expect(page.get_by_role("button", name="Take the pin back")).to_have_count(0)


def test_publishes_a_draft_and_rolls_back(shop: Shop, open_as: Open) -> None:
    shop.offer()
    current = shop.ask("SELECT min(id) FROM scoring_definition WHERE state = 'published'")
    page = open_as("max", java_script_enabled=False)
    page.goto(f"/definitions/{current}/")
    page.locator('form[action$="/copy/"] button').first.click()
    draft = shop.ask("SELECT max(id) FROM scoring_definition WHERE state = 'draft'")
    page.goto(f"/definitions/{draft}/publish/")
    page.get_by_text("Quietly").first.click()
    page.get_by_role("main").get_by_role("button", name=re.compile("^Publish")).last.click()
    # The page asks for itself again as long as the run goes on.
    expect(page.get_by_role("button", name="Roll back").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#run")).to_have_count(0, timeout=PATIENCE)
    page.get_by_role("button", name="Roll back").first.click()
    expect(page.get_by_text("rolled back").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#run")).to_have_count(0, timeout=PATIENCE)


@pytest.mark.parametrize("scripts", [True, False], ids=["with", "without"])
def test_a_rejected_form_keeps_what_was_typed(shop: Shop, browser: Browser, scripts: bool) -> None:
    # Not by `open_as`: chromium itself says in the console that the answer was a refusal.
    page = browser.new_context(base_url=shop.app.base_url, java_script_enabled=scripts).new_page()
    page.goto("/account/login/?next=/hooks/new/")
    page.get_by_label("Email").fill(shop.people["ada"])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Address").fill("http://[oops")
    page.get_by_role("main").locator("form .button-primary").click()
    expect(page.get_by_label("Address")).to_have_value("http://[oops")
    expect(page.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    page.context.close()
