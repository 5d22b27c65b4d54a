"""A marketer at the definition editor: mouse, keyboard, and what axe says while there are problems."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_pages import SIZES, Theme, looks

Open = Callable[..., Page]


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """The editor's page is large: on a busy machine it may take a while to answer, and that is not what is tested."""
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


def field(page: Page, name: str) -> Locator:
    return page.locator(f'[id="f-{name}"]')


def said(page: Page, name: str) -> Locator:
    return page.locator(f'[id="f-{name}-e"]')


def fold(page: Page, name: str) -> Locator:
    return page.locator(f'[id="d-{name}"]')


def copy_of_default(page: Page) -> str:
    """Make a draft of what is in force by its button; the path of its editor."""
    page.goto("/definitions/")
    page.get_by_role("link", name="Ripen default", exact=True).first.click()
    page.get_by_role("button", name="Edit as a new draft").click()
    page.wait_for_url("**/edit/")
    return page.url


def top_of(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box is not None
    return box["y"]


def test_changes_points_and_a_criterion_mends_an_error_and_saves(shop: Shop, open_as: Open) -> None:
    page = open_as("mara")
    address = copy_of_default(page)
    fold(page, "signals.3").locator("summary").first.click()
    field(page, "signals.3.points").fill("25")
    half_life = field(page, "signals.3.half_life_days")
    half_life.fill("-3")
    # While typing: at the field, in the list, nothing stored, nothing moved.
    expect(said(page, "signals.3.half_life_days")).to_contain_text("must be > 0")
    expect(half_life).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="1 problem")).to_be_visible()
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Nothing was saved").first).to_be_attached()
    expect(fold(page, "signals.3")).to_have_attribute("open", "")
    half_life.fill("10")
    expect(said(page, "signals.3.half_life_days")).to_be_hidden()

    fold(page, "stages.3").locator("summary").first.click()
    fit = field(page, "stages.3.enter.below.1.fit.at_least")
    fit.fill("15")
    expect(page.locator("#editor-aside")).to_contain_text("Fit of at least 15")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved as revision 2.").first).to_be_visible()
    page.goto(address)
    expect(field(page, "signals.3.points")).to_have_value("25")
    expect(field(page, "stages.3.enter.below.1.fit.at_least")).to_have_value("15")


def test_adds_and_moves_criteria_by_keyboard_and_nothing_jumps(shop: Shop, open_as: Open) -> None:
    page = open_as("mara")
    copy_of_default(page)
    fold(page, "stages.1").locator("summary").first.focus()
    page.keyboard.press("Enter")
    add = page.locator('[id="b-add:stages.1.enter.below"]')
    add.focus()
    page.keyboard.press("Enter")
    way = field(page, "stages.1.enter.below.3.way")
    expect(way).to_be_focused()
    expect(fold(page, "stages.1")).to_have_attribute("open", "")
    before = top_of(way)
    way.select_option("engagement")
    points = field(page, "stages.1.enter.below.3.engagement.at_least")
    expect(points).to_be_visible()
    expect(way).to_be_focused()
    assert abs(top_of(way) - before) < 2
    points.fill("5")
    up = page.locator('[id="b-up:stages.1.enter.below.3"]')
    up.focus()
    before = top_of(up)
    page.keyboard.press("Enter")
    expect(page.locator("#editor-aside")).to_contain_text("Engagement of at least 5")
    expect(page.locator('[id="b-down:stages.1.enter.below.3"]')).to_be_visible()
    expect(up).to_be_focused()
    assert abs(top_of(up) - before) < 2
    expect(points).to_have_value("5")
    # Leaving with something unsaved asks first.
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", agree)
    page.goto("/definitions/")
    assert asked == ["beforeunload"]


def test_chooses_kinds_by_searching_and_turns_to_yaml_and_back(shop: Shop, open_as: Open) -> None:
    page = open_as("mara")
    copy_of_default(page)
    fold(page, "signals.4").locator("summary").first.click()
    kinds = field(page, "signals.4.match.kinds")
    kinds.locator("summary").click()
    kinds.get_by_role("searchbox").fill("webinar")
    expect(kinds.get_by_role("checkbox")).to_have_count(1)
    kinds.get_by_role("checkbox", name="subscribed to a webinar").check()
    expect(kinds.locator("summary")).to_contain_text("subscribed to a webinar")
    page.get_by_role("button", name="As YAML").click()
    text = page.get_by_role("textbox", name="YAML")
    expect(text).to_be_visible()
    assert "- newsletter_subscribed\n    - webinar_subscribed" in text.input_value()
    text.fill(text.input_value().replace("label: Like", "label: Liked us"))
    page.get_by_role("button", name="As a form").click()
    expect(field(page, "signals.6.label")).to_have_value("Liked us")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved as revision 2.").first).to_be_visible()
    page.get_by_role("link", name="Discard draft").click()
    dialog = page.get_by_role("dialog", name="Discard this draft?")
    expect(dialog).to_contain_text("cannot be undone")
    dialog.get_by_role("button", name="Discard draft").click()
    expect(page.get_by_text("is gone").first).to_be_visible()


@looks
def test_axe_finds_nothing_while_parts_are_open_and_wrong(shop: Shop, open_as: Open, size: str, theme: Theme) -> None:
    draft = shop.ask("SELECT min(id) FROM scoring_definition WHERE state = 'draft'")
    page = open_as("mara", viewport=SIZES[size], color_scheme=theme)
    page.goto(f"/definitions/{draft}/edit/")
    # One of each sort: axe needs a minute for all of them.
    for part in ("d-stages.1", "d-signals.0", "f-signals.0.match.kinds-d", "d-fit.rules.0", "d-evidence.0"):
        page.evaluate("(id) => { document.getElementById(id).open = true }", part)
    field(page, "name").fill("")
    field(page, "signals.0.points").fill("many")
    page.get_by_role("button", name="Save draft").click()
    expect(said(page, "signals.0.points")).to_contain_text("must be a number")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert [item["id"] for item in Axe().run(page).response["violations"]] == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_works_with_and_without_scripts_alike(shop: Shop, open_as: Open, scripts: bool) -> None:
    page = open_as("mara", java_script_enabled=scripts)
    copy_of_default(page)
    fold(page, "gates.0").locator("summary").first.click()
    field(page, "gates.0.question").fill("Who signs?")
    page.get_by_role("button", name="Add a gate").click()
    expect(field(page, "gates.2.label")).to_be_visible()
    expect(field(page, "gates.2.label")).to_be_focused()
    page.locator('[id="b-remove:gates.2"]').click()
    expect(field(page, "gates.2.label")).to_have_count(0)
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved as revision 2.").first).to_be_visible()
    expect(field(page, "gates.0.question")).to_have_value("Who signs?")
