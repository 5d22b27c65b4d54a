"""A rep's day with the queue: by keyboard alone, beaten by a colleague, live, and when nobody answers."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_handoffs import card_of, owner_of, state_of, unfold

Open = Callable[..., Page]
# Counted from before the page is there; whatever moves without a person's doing counts.
SHIFTS = (
    "window.shifted = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) "
    "if (!entry.hadRecentInput) window.shifted += entry.value; }).observe({ type: 'layout-shift', buffered: true });"
)


def ask_now(page: Page) -> None:
    """Back online is when everything live asks at once; else it would be within ten seconds."""
    page.evaluate("dispatchEvent(new Event('online'))")


def test_claims_by_keyboard_logs_a_call_and_returns_it_with_a_reason(shop: Shop, open_as: Open) -> None:
    contact, handoff = shop.offer("Keyla")
    page = open_as("rita")
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url("**/queue/")
    link = card_of(page, handoff).locator("[data-row-link]")
    for _ in range(page.locator("[data-row]").count()):
        page.keyboard.press("j")
        if link.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("c")
    expect(card_of(page, handoff)).to_contain_text("Yours now")
    assert owner_of(shop, contact) == shop.people["rita"]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/handoffs/{handoff}/")

    form = unfold(page, "Log a call, mail, meeting or note")
    form.get_by_label("What was said").fill("His boss decides.")
    form.get_by_role("button", name="Record").click()
    expect(page.get_by_role("status").filter(has_text="Call recorded")).to_be_visible()

    form = unfold(page, "Return to Marketing")
    expect(form.get_by_text("only a new sign of readiness offers it again")).to_be_visible()
    form.get_by_label("Reason").select_option("no_authority")
    form.get_by_role("button", name="Return it").click()
    expect(page.get_by_role("status").filter(has_text="Returned to Marketing")).to_be_visible()
    assert state_of(shop, handoff) == "returned"


def test_takes_the_next_card_by_one_key_and_once_however_often_it_is_clicked(shop: Shop, open_as: Open) -> None:
    def held() -> int:
        mine = "SELECT count(*) FROM funnel_handoff JOIN auth_user ON auth_user.id = claimed_by_id WHERE email LIKE %s"
        return int(shop.ask(mine, "rita@%"))

    shop.offer("Nextor")
    shop.offer("Another")
    page, before = open_as("rita"), held()
    page.goto("/queue/")
    page.keyboard.press("n")
    page.wait_for_url("**/handoffs/*/")
    expect(page.get_by_role("status").filter(has_text="Get in touch")).to_be_visible()
    assert held() == before + 1
    page.goto("/queue/")
    page.get_by_role("button", name="Claim next").dblclick()
    page.wait_for_url("**/handoffs/*/")
    assert held() == before + 2


def test_a_claim_is_undone_in_its_row(shop: Shop, open_as: Open) -> None:
    _, handoff = shop.offer("Undine")
    page = open_as("rita")
    page.goto("/queue/")
    card_of(page, handoff).get_by_role("button", name="Claim").click()
    card_of(page, handoff).get_by_role("button", name="Undo").click()
    expect(card_of(page, handoff).get_by_role("button", name="Claim")).to_be_visible()
    assert state_of(shop, handoff) == "offered"


def test_an_open_queue_keeps_itself_up_to_date_and_nothing_moves(shop: Shop, open_as: Open) -> None:
    _, first = shop.offer("First")
    page, other = open_as("rita"), open_as("ben")
    page.add_init_script(SHIFTS)
    page.goto("/queue/")
    card_of(page, first).locator("[data-row-link]").focus()

    other.goto("/queue/")
    card_of(other, first).get_by_role("button", name="Claim").click()
    expect(card_of(other, first)).to_contain_text("Yours now")
    _, second = shop.offer("Second")
    ask_now(page)
    expect(card_of(page, first)).to_contain_text(f"Claimed by {shop.people['ben']}")
    expect(card_of(page, first).get_by_role("button", name="Claim")).to_have_count(0)
    expect(card_of(page, first).locator("[data-row-link]")).to_be_focused()
    # At the end of the list it comes in by itself; where it would move what is in sight it waits to be asked for.
    more = page.locator("[data-live-new]")
    expect(card_of(page, second).or_(more).first).to_be_visible()
    if more.is_visible():
        more.click()
    expect(card_of(page, second)).to_be_visible()
    assert page.evaluate("() => window.shifted") == 0


def test_a_lost_connection_is_said_on_the_queue_and_recovers(open_as: Open) -> None:
    page = open_as("rita")
    page.goto("/queue/")
    state = page.locator(".live-state")
    expect(state).to_contain_text("Live")
    page.context.set_offline(True)
    expect(state).to_contain_text("Not up to date")
    expect(page.locator("#toasts")).to_contain_text("No connection to Ripen")
    page.context.set_offline(False)
    expect(page.locator("#toasts")).to_contain_text("Connected again")
    expect(state.get_by_text("Not up to date")).to_be_hidden()


def test_an_outcome_is_logged_in_place(shop: Shop, open_as: Open) -> None:
    _, handoff = shop.offer("Olga")
    page = open_as("rita")
    page.goto("/queue/")
    card_of(page, handoff).get_by_role("button", name="Claim").click()
    expect(card_of(page, handoff)).to_contain_text("Yours now")
    page.goto("/mine/")
    card = card_of(page, handoff)
    card.get_by_role("link", name="Outcome").click()
    card.get_by_role("button", name="Record outcome").click()
    expect(card.get_by_text("This field is required")).to_be_visible()
    card.get_by_label("So far").select_option("in_talks")
    card.get_by_role("button", name="Record outcome").click()
    expect(page.get_by_text("It stays open")).to_be_visible()
    assert shop.ask("SELECT outcome FROM funnel_handoff WHERE id = %s", handoff) == "in_talks"
