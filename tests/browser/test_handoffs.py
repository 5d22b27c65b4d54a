"""A rep's way with a handoff by mouse, keyboard and without scripts: claim, talk, outcome, return; a manager's help."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Shop

Open = Callable[..., Page]


def owner_of(shop: Shop, contact: int) -> str:
    sql = "SELECT u.email FROM contacts_standing s JOIN auth_user u ON u.id = s.owner_id WHERE s.contact_id = %s"
    return str(shop.ask(sql, contact))


def state_of(shop: Shop, handoff: int) -> str:
    return str(shop.ask("SELECT state FROM funnel_handoff WHERE id = %s", handoff))


def card_of(page: Page, handoff: int) -> Locator:
    return page.locator(f"#handoff-{handoff}")


def unfold(page: Page, title: str) -> Locator:
    """Open one of the forms of a handoff's page."""
    part = page.locator("details").filter(has=page.locator("summary", has_text=title))
    part.locator("summary").click()
    return part


def claimed(shop: Shop, page: Page) -> tuple[int, int]:
    """Somebody's own handoff, its page open: the contact's id and the handoff's."""
    contact, handoff = shop.offer()
    page.goto(f"/handoffs/{handoff}/")
    page.get_by_role("button", name="Claim").click()
    expect(page.get_by_role("button", name="Accept")).to_be_visible()
    return contact, handoff


def test_claims_with_the_mouse_and_stays_on_the_queue(shop: Shop, open_as: Open) -> None:
    contact, handoff = shop.offer()
    page = open_as("rita")
    page.goto("/queue/")
    card = card_of(page, handoff)
    card.get_by_role("button", name="Claim").click()
    expect(card).to_contain_text("claimed")
    expect(page.get_by_role("status").filter(has_text="It is under My prospects now")).to_be_visible()
    expect(page).to_have_url(f"{shop.app.base_url}/queue/")
    assert owner_of(shop, contact) == shop.people["rita"]


def test_claims_with_the_keyboard_alone(shop: Shop, open_as: Open) -> None:
    contact, handoff = shop.offer()
    page = open_as("rita")
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url("**/queue/")
    link = page.locator(f"#handoff-{handoff} [data-row-link]")
    for _ in range(page.locator("[data-row]").count()):
        page.keyboard.press("j")
        if link.evaluate("element => element === document.activeElement"):
            break
    expect(link).to_be_focused()
    page.keyboard.press("c")
    expect(page.locator(f"#handoff-{handoff}")).to_contain_text("claimed")
    assert owner_of(shop, contact) == shop.people["rita"]
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/handoffs/{handoff}/")


def test_who_was_slower_reads_who_was_faster_in_the_card(shop: Shop, open_as: Open) -> None:
    _, handoff = shop.offer()
    slow, fast = open_as("rita"), open_as("ben")
    slow.goto("/queue/")
    fast.goto("/queue/")
    fast.locator(f"#handoff-{handoff}").get_by_role("button", name="Claim").click()
    expect(fast.locator(f"#handoff-{handoff}")).to_contain_text("claimed")
    slow.locator(f"#handoff-{handoff}").get_by_role("button", name="Claim").click()
    expect(slow.locator(f"#handoff-{handoff}")).to_contain_text(f"Claimed by {shop.people['ben']}")


def test_the_whole_work_without_scripts(shop: Shop, open_as: Open) -> None:
    contact, handoff = shop.offer()
    page = open_as("rita", java_script_enabled=False)
    page.goto("/queue/")
    page.locator(f"#handoff-{handoff}").get_by_role("button", name="Claim").click()
    expect(page).to_have_url(f"{shop.app.base_url}/handoffs/{handoff}/")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Accepted: it qualifies.")).to_be_visible()
    form = unfold(page, "Log a call, mail, meeting or note")
    form.get_by_text("Meeting", exact=True).click()
    form.get_by_label("What was said").fill("Wants forty seats.")
    form.get_by_role("button", name="Record").click()
    expect(page).to_have_url(f"{shop.app.base_url}/handoffs/{handoff}/")
    expect(page.get_by_text("Wants forty seats.")).to_be_visible()
    unfold(page, "Return to Marketing")
    page.get_by_label("Reason").select_option("cannot_buy_now")
    page.get_by_role("button", name="Return it").click()
    expect(page.get_by_text("Returned to Marketing, with the reason on record.")).to_be_visible()
    assert owner_of(shop, contact) == "None"


def test_a_call_is_logged_without_leaving_the_page_and_ends_the_clock(shop: Shop, open_as: Open) -> None:
    page = open_as("rita")
    contact, handoff = claimed(shop, page)
    expect(page.get_by_text("First contact due")).to_be_visible()
    form = unfold(page, "Log a call, mail, meeting or note")
    form.get_by_text("Call, not reached").click()
    form.get_by_label("What was said").fill("The line was busy all morning.")
    form.get_by_label("Result").select_option("interested")
    form.get_by_role("button", name="Record").click()
    expect(form.get_by_text("This cannot come of")).to_be_visible()
    expect(form.get_by_label("What was said")).to_have_value("The line was busy all morning.")
    form.get_by_label("Result").select_option("left_message")
    form.get_by_role("button", name="Record").click()
    expect(page.get_by_role("status").filter(has_text="Call, not reached recorded")).to_be_visible()
    expect(page.get_by_text("The line was busy all morning.")).to_be_visible()
    expect(page.get_by_text("· left a message")).to_be_visible()
    expect(page.get_by_text("First contact due")).to_be_hidden()
    expect(page).to_have_url(f"{shop.app.base_url}/handoffs/{handoff}/")
    assert shop.ask("SELECT attempted_at IS NOT NULL FROM funnel_handoff WHERE id = %s", handoff)
    kinds = "SELECT k.name FROM contacts_event e JOIN contacts_kind k ON k.id = e.kind_id WHERE e.contact_id = %s"
    assert shop.ask(f"{kinds} ORDER BY e.id DESC LIMIT 1", contact) == "call_attempted"


def test_an_outcome_with_its_date_moves_the_card_to_waiting(shop: Shop, open_as: Open) -> None:
    page = open_as("rita")
    _, handoff = claimed(shop, page)
    form = unfold(page, "Outcome so far")
    form.get_by_label("So far").select_option("meeting_agreed")
    form.get_by_role("button", name="Record outcome").click()
    expect(page.get_by_text("needs the date when to go on")).to_be_visible()
    then = datetime.now(UTC) + timedelta(days=2)
    form.get_by_label("Next date").fill(f"{then:%Y-%m-%dT%H:%M}")
    form.get_by_role("button", name="Record outcome").click()
    expect(page.get_by_role("status").filter(has_text="It stays open")).to_be_visible()
    expect(page.get_by_label("Handoff", exact=True).get_by_text("Meeting agreed").first).to_be_visible()
    assert state_of(shop, handoff) == "claimed"
    page.goto("/mine/")
    waiting = page.get_by_role("region", name="Waiting")
    expect(waiting.locator(f"#handoff-{handoff}")).to_contain_text("Meeting agreed")


def test_it_goes_back_to_marketing_with_a_reason(shop: Shop, open_as: Open) -> None:
    page = open_as("ben")
    contact, handoff = claimed(shop, page)
    form = unfold(page, "Return to Marketing")
    form.get_by_role("button", name="Return it").click()
    expect(form.get_by_text("This field is required")).to_be_visible()
    form.get_by_label("Reason").select_option("no_authority")
    form.get_by_label("Note").fill("His boss decides.")
    form.get_by_role("button", name="Return it").click()
    expect(page.get_by_role("status").filter(has_text="Returned to Marketing")).to_be_visible()
    expect(page.get_by_text(f"Returned by {shop.people['ben']}")).to_be_visible()
    assert state_of(shop, handoff) == "returned"

    # What closed lately is a link as wide as its row, and no wider.
    page.goto("/mine/")
    page.get_by_role("link", name="Contacts", exact=True).click(timeout=5_000)
    expect(page).to_have_url(re.compile(r"/contacts/$"))
    assert owner_of(shop, contact) == "None"


def test_a_manager_gives_it_to_another_rep_and_takes_it_over(shop: Shop, open_as: Open) -> None:
    contact, handoff = claimed(shop, open_as("rita"))
    page = open_as("max")
    page.goto(f"/handoffs/{handoff}/")
    form = unfold(page, "Give it to somebody")
    ben = form.get_by_label("To", exact=True).locator("option", has_text=shop.people["ben"])
    expect(ben).to_contain_text("room for")
    form.get_by_label("To", exact=True).select_option(str(ben.get_attribute("value")))
    form.get_by_label("Note").fill("Knows the company.")
    form.get_by_role("button", name="Reassign").click()
    expect(page.get_by_role("status").filter(has_text=f"It is {shop.people['ben']}'s now")).to_be_visible()
    assert owner_of(shop, contact) == shop.people["ben"]
    page.get_by_role("button", name="Take it over").click()
    expect(page.get_by_role("status").filter(has_text="It is yours now")).to_be_visible()
    assert owner_of(shop, contact) == shop.people["max"]
    page.goto(f"/contacts/{contact}/journey/")
    expect(page.get_by_text(f"Reassigned from {shop.people['rita']} to {shop.people['ben']}")).to_be_visible()
    page.goto(f"/handoffs/{handoff}/")
    unfold(page, "Release to the queue").get_by_role("button", name="Release it").click()
    expect(page.get_by_role("status").filter(has_text="it is in the queue again")).to_be_visible()
    assert state_of(shop, handoff) == "offered"


def test_a_note_is_logged_in_place_on_a_contacts_page(shop: Shop, open_as: Open) -> None:
    contact, _ = shop.offer()
    page = open_as("mara")
    page.goto(f"/contacts/{contact}/")
    page.get_by_role("link", name="Log activity").click()
    form = page.locator("#log-here")
    form.get_by_text("Note", exact=True).click()
    form.get_by_role("button", name="Record").click()
    expect(form.get_by_text("Write what is worth knowing")).to_be_visible()
    form.get_by_label("What was said").fill("Prefers mail to calls.")
    form.get_by_role("button", name="Record").click()
    expect(page.get_by_text("Prefers mail to calls.")).to_be_visible()
    expect(page).to_have_url(f"{shop.app.base_url}/contacts/{contact}/")
    expect(form).to_be_hidden()


def test_with_every_form_unfolded_axe_finds_nothing(shop: Shop, open_as: Open) -> None:
    page = open_as("max", viewport={"width": 390, "height": 844}, color_scheme="dark")
    claimed(shop, page)
    page.evaluate("() => document.querySelectorAll('#handoff details').forEach((part) => { part.open = true })")
    assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    assert [item["id"] for item in Axe().run(page).response["violations"]] == []
