"""The marketer's journey: finds why a contact fell, pins it with a note, and takes that back."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

from tests.browser.conftest import FITTING, Shop
from tests.browser.test_pages import SIZES, look, looks

Open = Callable[..., Page]


def faded(shop: Shop, name: str) -> int:
    """A contact that was a marketing prospect for a click or two, and has fallen since; its id."""
    email = f"{uuid.uuid4().hex[:8]}@acme.example"
    long_ago = datetime.now(UTC) - timedelta(days=200)
    events = [
        {
            "kind": kind,
            "occurred_at": (long_ago + timedelta(days=day)).isoformat(),
            "contact": {"email": email},
            "traits": {**FITTING, "first_name": name, "last_name": "Fading"},
        }
        for day, kind in enumerate(("newsletter_subscribed", "asset_downloaded", "event_registered", "form_submitted"))
    ]
    shop.send(*events)
    sql = (
        "SELECT s.contact_id FROM contacts_standing s JOIN contacts_contact c ON c.id = s.contact_id "
        "WHERE c.email = %s AND s.furthest_stage <> s.stage"
    )
    deadline = time.monotonic() + 30
    while (found := shop.ask(sql, email)) is None:
        assert time.monotonic() < deadline, shop.app.logs()
        time.sleep(0.1)
    return int(found)


def test_marketer_finds_why_a_contact_fell_pins_it_and_takes_that_back(shop: Shop, open_as: Open) -> None:
    contact = faded(shop, "Fay")
    page = open_as("mara")
    page.goto(f"/contacts/{contact}/")
    # The track says that it was further once; the timeline says when and why it fell.
    expect(page.locator(".stage-step", has_text="Marketing prospect")).to_contain_text("held before")
    expect(page.get_by_text("Because time passed").first).to_be_visible()
    expect(page.get_by_role("link", name="Engagement over the last 90 days").first).to_be_visible()

    page.get_by_role("link", name="Why", exact=True).click()
    expect(page.locator(".why-sentence")).to_contain_text("Lead since")
    expect(page.get_by_role("heading", name="To become a marketing prospect")).to_be_visible()
    expect(page.get_by_text("It would be enough that")).to_be_visible()
    # What it was on a day when it still stood there.
    then = (datetime.now(UTC) - timedelta(days=194)).date().isoformat()
    page.get_by_label("Why on").fill(then)
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".why-sentence")).to_contain_text("Marketing prospect since")

    page.locator("summary[aria-label='More']").click()
    page.get_by_role("link", name="Pin a stage").click()
    page.get_by_label("Stage to show").select_option(label="Marketing prospect")
    page.get_by_label("Why", exact=True).fill("Met her at the fair: budget in January.")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.locator(".toast").first).to_contain_text("Fay Fading is pinned to “Marketing prospect” until")
    note = page.locator(".pin-note")
    expect(note).to_contain_text("Pinned to “Marketing prospect”")
    expect(note).to_contain_text("Met her at the fair: budget in January.")
    expect(note).to_contain_text("Judged: Lead.")
    expect(page.locator(".stage-step[aria-current=step]")).to_contain_text("Marketing prospect")

    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast").first).to_contain_text("Undone: no pin, the judged stage is shown.")
    expect(page.locator(".pin-note")).to_have_count(0)
    expect(page.locator(".stage-step[aria-current=step]")).to_contain_text("Lead")
    assert shop.ask("SELECT stage FROM contacts_standing WHERE contact_id = %s", contact) == "lead"


def test_a_new_event_comes_to_an_open_timeline(shop: Shop, open_as: Open) -> None:
    contact = faded(shop, "Lia")
    email = shop.ask("SELECT email FROM contacts_contact WHERE id = %s", contact)
    page = open_as("mara")
    page.goto(f"/contacts/{contact}/")
    shop.send({"kind": "social_question", "contact": {"email": email}})
    new = page.locator("[data-live-new]")
    expect(new).to_be_visible(timeout=20_000)
    new.click()
    expect(page.get_by_text("Asked about the product").first).to_be_visible()
    # The head follows by itself.
    expect(page.locator(".stage-step[aria-current=step]")).to_contain_text("Marketing prospect", timeout=20_000)


@looks
def test_the_pages_of_a_pinned_contact(shop: Shop, open_as: Open, size: str, theme: str) -> None:
    contact, _ = shop.offer("Pia")
    page = open_as("mara", viewport=SIZES[size], color_scheme=theme)
    page.goto(f"/contacts/{contact}/pin/")
    page.get_by_label("Stage to show").select_option(label="Customer")
    page.get_by_label("Why", exact=True).fill("Signed on paper. " + "Averyveryverylongword" * 8)
    page.get_by_role("button", name="Pin", exact=True).click()
    page.wait_for_url(f"**/contacts/{contact}/")
    parts = ("", "why/", "journey/", "consent/", "trend/", "pin/", "merge/")
    assert [wrong for part in parts for wrong in look(page, f"/contacts/{contact}/{part}")] == []
