"""A marketer tunes the definition: edits a draft, tries it, looks behind a number, publishes quietly, rolls back."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop

Open = Callable[..., Page]

# A worker that is busy with something else may take its time.
PATIENCE = 60_000


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


def stage_of(shop: Shop, contact: int) -> str:
    return str(shop.ask("SELECT stage FROM contacts_standing WHERE contact_id = %s", contact))


def raise_the_fit(page: Page) -> None:
    """Ask for more fit in the form of the draft, and save it."""
    # A change, taken back and made again: nothing was stored by any of it.
    page.locator('[id="d-stages.3"] summary').first.click()
    fit = page.locator('[id="f-stages.3.enter.below.1.fit.at_least"]')
    fit.fill("60")
    fit.blur()
    expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    page.get_by_role("button", name="Undo").click()
    expect(fit).to_have_value("20")
    page.get_by_role("button", name="Redo").click()
    expect(fit).to_have_value("60")
    # Who stands there already would stay for lack of it: staying asks for the fit, too.
    page.locator('[id="b-add:stages.3.keep.below"]').click()
    added = page.locator('[id="f-stages.3.keep.below.3.way"]')
    expect(added).to_be_focused()
    added.select_option("fit")
    page.locator('[id="f-stages.3.keep.below.3.fit.at_least"]').fill("60")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved as revision 2.").first).to_be_visible()


def test_a_marketer_raises_a_threshold_sees_who_would_fall_publishes_quietly_and_rolls_back(
    shop: Shop, open_as: Open
) -> None:
    contact, _ = shop.offer("Nora")
    page = open_as("mara")
    page.goto("/definitions/")
    expect(page.get_by_role("region", name="Versions of Ripen default")).to_contain_text("in force")
    page.get_by_role("link", name="Ripen default", exact=True).first.click()
    page.get_by_role("button", name="Edit as a new draft").click()
    page.wait_for_url("**/edit/")

    raise_the_fit(page)
    page.get_by_role("link", name="Definition", exact=True).click()
    changes = page.locator("#changes")
    expect(changes).to_contain_text("Sales prospect")
    expect(changes.locator("del").first).to_have_text("fit of at least 20")
    expect(changes.locator("ins").first).to_have_text("fit of at least 60")

    page.get_by_role("link", name="What-if", exact=True).click()
    page.get_by_role("button", name="Run what-if").click()
    cell = page.get_by_role("link", name="from Sales prospect to Marketing prospect")
    expect(cell).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#handoffs")).to_contain_text("lose the offer")
    cell.click()
    behind = page.get_by_role("table", name="Contacts with both verdicts")
    expect(behind).to_contain_text("Nora")
    expect(behind).to_contain_text("asked for a demo")

    page.get_by_role("link", name="Publish", exact=True).click()
    page.get_by_role("button", name="Publish …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("would change their stage")
    dialog.get_by_text("Quietly").click()
    dialog.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("button", name="Roll back").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#run")).to_have_count(0, timeout=PATIENCE)
    assert stage_of(shop, contact) == "marketing_prospect"
    assert shop.ask("SELECT quiet FROM scoring_publication ORDER BY effective_at DESC LIMIT 1") is True

    page.get_by_role("button", name="Roll back").click()
    dialog = page.get_by_role("dialog", name="Roll back this version?")
    expect(dialog).to_contain_text("Ripen default v1 in force again")
    expect(dialog).to_contain_text("Publishing it moved")
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("rolled back").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#run")).to_have_count(0, timeout=PATIENCE)
    assert stage_of(shop, contact) == "sales_prospect"


# A cut line would write to the console, which has to be silent: the events are made that htmx makes then.
LOST = """() => {
  const run = document.createElement("div");
  run.className = "run";
  run.setAttribute("hx-get", "/runs/1/progress/");
  document.getElementById("main").append(run);
  for (let time = 0; time < 4; time += 1) run.dispatchEvent(new CustomEvent("htmx:sendError", { bubbles: true }));
}"""
FOUND = """() => document.querySelector(".run").dispatchEvent(new CustomEvent("htmx:beforeSwap", { bubbles: true }))"""


def test_progress_says_once_that_nobody_answers_and_that_somebody_does_again(shop: Shop, open_as: Open) -> None:
    page = open_as("mara")
    page.evaluate(LOST)
    expect(page.locator("#toasts .toast")).to_have_count(1)
    expect(page.locator("#toasts")).to_contain_text("No connection to Ripen")
    page.evaluate(FOUND)
    expect(page.locator("#toasts")).to_contain_text("Connected again")
    expect(page.locator("#toasts")).not_to_contain_text("No connection to Ripen")
