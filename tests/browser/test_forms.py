"""A visitor fills in a form in a browser, confirms by the mail, and leaves again by one click; and how it all looks."""

import json
import re
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser.conftest import Shop
from tests.browser.test_pages import LOOKS, SIZES, look

Open = Callable[..., Page]
Theme = Literal["light", "dark"]


def mail_to(shop: Shop, address: str) -> Message:
    """The mail that the application wrote to a file, once it is there."""
    folder = shop.app.state_dir / "mail"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for file in sorted(folder.glob("*.log")) if folder.is_dir() else []:
            for part in file.read_bytes().split(b"\n-------------------------------------------------"):
                message = message_from_bytes(part.strip(b"-\n"))
                if message["To"] == address:
                    return message
        time.sleep(0.1)
    raise AssertionError(f"no mail to {address}:\n{shop.app.logs()}")


def link_in(message: Message) -> str:
    """The path of the link to confirm."""
    text = message.get_payload(decode=True)
    assert isinstance(text, bytes)
    found = re.search(r"https?://[^/\s]+(/confirm/\S+)", text.decode())
    assert found is not None
    return found[1]


def get(shop: Shop, key: str, path: str) -> Any:
    request = urllib.request.Request(f"{shop.app.base_url}/api/v1/{path}", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def eventually(check: Callable[[], bool], patience: float = 20) -> None:
    deadline = time.monotonic() + patience
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def form(shop: Shop, open_as: Open) -> str:
    """The address of a form that an administrator makes on the pages."""
    admin = open_as("ada", viewport=SIZES["wide"])
    source = shop.ask("SELECT id FROM contacts_source WHERE name = 'browser tests'")
    admin.goto(f"/sources/{source}/forms/")
    admin.get_by_label("Name").fill(f"Letter {uuid.uuid4().hex[:6]}")
    admin.get_by_role("button", name="Make a form").click()
    admin.get_by_label("Title", exact=True).fill("Our letter")
    admin.get_by_label("What filling it in means").select_option("newsletter_subscribed")
    admin.get_by_label("Ask for consent to").select_option("newsletter")
    admin.get_by_label("What they agree to").fill("Yes, write to me.")
    admin.get_by_role("button", name="Save").click()
    admin.get_by_text("Saved. What visitors see is this from now on.").wait_for()
    href = admin.get_by_role("link", name="Open the form").get_attribute("href")
    assert href is not None
    return href


def test_from_the_form_to_the_lead_and_out_again(shop: Shop, browser: Browser, form: str) -> None:
    address = f"visitor.{uuid.uuid4().hex[:8]}@acme.example"
    key = shop.app.run("create_source", f"mail tool {uuid.uuid4().hex[:6]}", "--scopes", "contacts:read,contacts:write")
    key = key.strip().splitlines()[-1]
    context = browser.new_context(base_url=shop.app.base_url, java_script_enabled=False)
    page = context.new_page()
    page.goto(form)
    page.get_by_label("E-mail").fill(address)
    page.get_by_label("First name").fill("Vera")
    page.get_by_label("Yes, write to me.").check()
    # Who is faster than this is taken for a machine.
    page.wait_for_timeout(2_200)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("heading", name="One more step").wait_for()
    contact = shop.ask("SELECT id FROM contacts_contact WHERE email = %s", address)
    asked = f"contacts/{contact}/may-contact/?purpose=newsletter"
    assert [reason["code"] for reason in get(shop, key, asked)["reasons"]] == ["consent_missing"]

    page.goto(link_in(mail_to(shop, address)))
    assert not get(shop, key, asked)["allowed"], "opening the link confirms nothing"
    page.get_by_role("button", name="Yes, I agree").click()
    page.get_by_role("heading", name="Confirmed").wait_for()
    assert get(shop, key, asked)["allowed"]
    found = get(shop, key, f"contacts/{contact}/")
    assert (found["first_name"], found["details_confirmed"]) == ("Vera", True)
    assert [(row["purpose"], row["state"]) for row in found["consent"]] == [("newsletter", "granted")]
    eventually(lambda: (get(shop, key, f"contacts/{contact}/")["stage"] or {}).get("key") == "lead")

    link = get(shop, key, f"contacts/{contact}/consent/")["unsubscribe_url"]
    path = urllib.parse.urlsplit(link).path
    body = urllib.parse.urlencode({"List-Unsubscribe": "One-Click"}).encode()
    with urllib.request.urlopen(f"{shop.app.base_url}{path}", data=body, timeout=10) as answer:
        assert answer.status == 200
    refused = get(shop, key, asked)
    assert (refused["allowed"], refused["reasons"][0]["code"]) == (False, "suppressed")
    page.goto(path.replace("/unsubscribe/", "/preferences/"))
    assert not page.get_by_label("Newsletter").is_checked()
    context.close()


@pytest.mark.parametrize(("size", "theme"), LOOKS, ids=[f"{size}-{theme}" for size, theme in LOOKS])
def test_pages_for_visitors_and_their_editor(
    shop: Shop, browser: Browser, open_as: Open, form: str, size: str, theme: Theme
) -> None:
    viewport: ViewportSize = SIZES[size]
    contact, _ = shop.offer()
    address = shop.ask("SELECT email FROM contacts_contact WHERE id = %s", contact)
    sign = f"from contacts.services.preferences import sign_link; print(sign_link({contact}, '{address}'))"
    signed = shop.app.run("shell", "-v", "0", "-c", sign).strip()
    token = form.strip("/").removeprefix("f/")
    number = shop.ask("SELECT id FROM contacts_form WHERE token = %s", token)
    source = shop.ask("SELECT source_id FROM contacts_form WHERE token = %s", token)
    visitor = browser.new_context(base_url=shop.app.base_url, viewport=viewport, color_scheme=theme).new_page()
    wrong = [
        problem
        for path in (form, f"{form}thanks/?confirm", f"/preferences/{signed}/", f"/unsubscribe/{signed}/")
        for problem in look(visitor, path)
    ]
    wrong += look(visitor, "/f/no-such-form/", status=404)
    visitor.goto(form)
    visitor.wait_for_timeout(2_200)
    with visitor.expect_navigation():
        visitor.get_by_role("button", name="Send").click()
    assert visitor.get_by_text("Please tell us your e-mail address.").is_visible()
    visitor.context.close()
    admin = open_as("ada", viewport=viewport, color_scheme=theme)
    for path in (f"/contacts/{contact}/consent/", f"/sources/{source}/forms/", f"/forms/{number}/", "/suppressions/"):
        wrong += look(admin, path)
    assert wrong == []
