"""Trying, publishing and rolling back a definition with the mouse, and without scripts; every page of it looked at."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_pages import SIZES, Theme, look, looks

Open = Callable[..., Page]

# A worker that is busy with something else may take its time.
PATIENCE = 60_000


def draft_of(shop: Shop, key: str) -> int:
    return int(shop.ask("SELECT id FROM scoring_definition WHERE key = %s ORDER BY version LIMIT 1", key))


def stage_of(shop: Shop, contact: int) -> str:
    return str(shop.ask("SELECT stage FROM contacts_standing WHERE contact_id = %s", contact))


def test_tries_a_draft_publishes_it_quietly_and_rolls_back(shop: Shop, open_as: Open) -> None:
    contact, _ = shop.offer("Uma")
    draft = draft_of(shop, "demand-gen")
    page = open_as("max")
    page.goto(f"/definitions/{draft}/what-if/")
    page.get_by_role("button", name="Run what-if").click()
    cell = page.get_by_role("link", name="from Sales prospect to Prospect (Marketing)")
    expect(cell).to_be_visible(timeout=PATIENCE)
    cell.click()
    expect(page.get_by_role("table", name="Contacts with both verdicts")).to_contain_text("asked for a demo")

    page.get_by_role("link", name="Publish", exact=True).click()
    page.get_by_role("button", name="Publish …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Quietly").click()
    dialog.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("button", name="Roll back").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#run")).to_have_count(0, timeout=PATIENCE)
    assert stage_of(shop, contact) == "marketing_prospect"

    page.get_by_role("button", name="Roll back").click()
    dialog = page.get_by_role("dialog", name="Roll back this version?")
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("rolled back").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#run")).to_have_count(0, timeout=PATIENCE)
    assert stage_of(shop, contact) == "sales_prospect"


def test_compares_without_scripts(shop: Shop, open_as: Open) -> None:
    shop.offer()
    page = open_as("max", java_script_enabled=False)
    page.goto(f"/definitions/{draft_of(shop, 'reaction')}/compare/")
    page.get_by_label("Compare with").select_option(label="default v1")
    page.get_by_role("button", name="Compare").click()
    # The page asks for itself again as long as the run goes on.
    expect(page.get_by_role("table", name="Stages under both definitions")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("main")).to_contain_text("stand at the same stage under both")


@looks
def test_every_page_of_a_definition(shop: Shop, open_as: Open, size: str, theme: Theme) -> None:
    shop.offer()
    draft, vetted, current = (draft_of(shop, key) for key in ("demand-gen", "scored-vetted", "default"))
    page = open_as("ada", viewport=SIZES[size], color_scheme=theme)
    for path in ("what-if", "compare", "backtest"):
        kind = path.replace("-", "_")
        if shop.ask("SELECT count(*) FROM scoring_run WHERE kind = %s AND definition_id = %s", kind, draft):
            continue
        page.goto(f"/definitions/{draft}/{path}/")
        page.locator("main form .button-primary").click()
        page.wait_for_url("**?run=*")
        expect(page.locator("#run")).to_have_count(0, timeout=PATIENCE)
    run = shop.ask("SELECT max(id) FROM scoring_run WHERE kind = 'what_if'")
    paths = [
        *(f"/definitions/{draft}/{path}/" for path in ("what-if", "compare", "backtest", "learn", "publish")),
        f"/definitions/{current}/publish/",
        f"/definitions/{vetted}/publish/",
        f"/runs/{run}/contacts/?from=sales_prospect&to=marketing_prospect",
    ]
    assert [wrong for path in paths for wrong in look(page, path)] == []
