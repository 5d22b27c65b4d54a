"""An administrator sets things up: a source by the program that the page shows, a webhook, a colleague."""

import json
import subprocess
import sys
import uuid

from playwright.sync_api import Page, expect
from standardwebhooks.webhooks import Webhook

from tests.browser.conftest import Shop
from tests.browser.test_pages import SIZES, Open, Theme, look, looks
from tests.funnel.hooks.receiver import receive

# A worker that is busy with something else may take its time.
PATIENCE = 30_000


def copied(page: Page) -> str:
    """Press the copy button in sight; what the clipboard holds then."""
    page.get_by_role("button", name="Copy", exact=True).locator("visible=true").click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    text: str = page.evaluate("() => navigator.clipboard.readText()")
    return text


def make_source(page: Page, name: str) -> None:
    """Ask the first steps for a source; where there is one already, for another."""
    page.goto("/welcome/?step=source")
    another = page.get_by_text("Make another source")
    if another.is_visible():
        another.click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create the source").click()
    expect(page.get_by_text("The source's write key").first).to_be_visible()


def test_the_program_on_the_page_sends_the_first_event(shop: Shop, open_as: Open) -> None:
    name = f"Shop {uuid.uuid4().hex[:6]}"
    page = open_as("ada", permissions=["clipboard-read", "clipboard-write"])
    make_source(page, name)
    key = page.get_by_role("textbox", name="The source's write key").input_value()
    expect(page.get_by_text(f"Waiting for the first event of {name}")).to_be_visible()
    page.get_by_text("Python", exact=True).click()
    program = copied(page)
    assert f"Bearer {key}" in program
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(ran.stdout)["accepted"] == 1
    # Nobody touches the page: it says so by itself.
    expect(page.get_by_text(f"{name} sends: its first event is here")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="See everything that it sends").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_role("cell", name="demo_requested")).to_be_visible()
    assert key not in page.content()
    page.goto("/welcome/?step=contacts")
    expect(page.get_by_role("link", name="Ann Example")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("Marketing prospect since").first).to_be_visible(timeout=PATIENCE)


def test_a_receiver_takes_the_signed_test_message(shop: Shop, open_as: Open) -> None:
    name = f"CRM {uuid.uuid4().hex[:6]}"
    page = open_as("ada")
    with receive(204) as receiver:
        page.goto("/hooks/")
        page.get_by_role("link", name="New endpoint").first.click()
        page.get_by_label("Address").fill(receiver.url)
        page.get_by_label("What it is", exact=False).first.fill(name)
        page.get_by_role("button", name="Make it").click()
        page.get_by_role("button", name="Show", exact=True).click()
        secret = page.get_by_role("textbox", name="The secret").input_value()
        assert secret.startswith("whsec_")
        page.get_by_role("button", name="Send a test").click()
        expect(page.get_by_role("heading", name="hook.test")).to_be_visible()
        expect(page.get_by_text("delivered", exact=True)).to_be_visible(timeout=PATIENCE)
        received = next(one for one in receiver.received if b"hook.test" in one.body)
        message = Webhook(secret).verify(received.body, dict(received.headers))
        assert message["type"] == "hook.test"
        page.get_by_role("link", name=name).first.click()
        page.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog", name="Delete the endpoint?")
        expect(dialog).to_contain_text("This cannot be undone")
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("The endpoint is gone")).to_be_visible()


def test_a_colleague_is_invited(shop: Shop, open_as: Open) -> None:
    address = f"colleague.{uuid.uuid4().hex[:8]}@ripen.test"
    page = open_as("ada")
    page.goto("/team/")
    page.get_by_label("E-mail").fill(address)
    page.get_by_label("Role").select_option(label="Marketer")
    page.get_by_role("button", name="Invite", exact=True).click()
    link = page.get_by_role("textbox", name="The link of the invitation").input_value()
    assert "/invitation/" in link
    expect(page.get_by_role("table", name="Invitations").get_by_text(address)).to_be_visible()


def test_the_first_steps_work_without_scripts(shop: Shop, open_as: Open) -> None:
    name = f"Plain {uuid.uuid4().hex[:6]}"
    page = open_as("ada", java_script_enabled=False)
    page.goto("/welcome/?step=source")
    page.get_by_text("Make another source").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create the source").click()
    expect(page.locator("#snippet-curl")).to_be_visible()
    expect(page.locator("#snippet-javascript")).to_be_hidden()
    page.get_by_text("JavaScript", exact=True).click()
    expect(page.locator("#snippet-javascript")).to_be_visible()
    expect(page.locator("#snippet-curl")).to_be_hidden()
    expect(page.get_by_role("link", name="Look whether it is here")).to_be_visible()


@looks
def test_each_step_looks_right(shop: Shop, open_as: Open, size: str, theme: Theme) -> None:
    page = open_as("ada", viewport=SIZES[size], color_scheme=theme)
    steps = ("definition", "source", "import", "contacts")
    assert [wrong for step in steps for wrong in look(page, f"/welcome/?step={step}")] == []
    rep = open_as("rita", viewport=SIZES[size], color_scheme=theme)
    assert look(rep, "/welcome/") == []
