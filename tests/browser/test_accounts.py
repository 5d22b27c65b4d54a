"""Accounts in a real browser: a passkey signs in, the pages of settings pass axe, somebody joins by an invitation."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import PASSWORD, Shop
from tests.browser.test_pages import SIZES, Theme, look, look_around, looks

Open = Callable[..., Page]

# Any page but those of signing in and joining: the glob of "/" alone would fit them all.
INSIDE = re.compile(r"^https?://[^/]+/(?!account/|invitation/)")

SETTINGS = (
    "/account/",
    "/account/tokens/",
    "/account/sessions/",
    "/account/security/",
    "/account/security/totp/activate/",
    "/account/security/webauthn/",
    "/account/security/webauthn/add/",
    "/account/password/change/",
    "/team/",
    "/docs/",
    "/docs/?q=merge",
    "/docs/handoffs/",
    "/docs/explaining/",
    "/docs/adr/0015-runs-are-rows/",
)


@looks
def test_the_pages_of_settings_team_and_documentation(shop: Shop, open_as: Open, size: str, theme: Theme) -> None:
    page = open_as("ada", viewport=SIZES[size], color_scheme=theme)
    page.goto("/account/security/totp/activate/")
    wrong = look(page, page.url.removeprefix(shop.app.base_url))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    rita = shop.ask("SELECT id FROM auth_user WHERE email = %s", shop.people["rita"])
    member = (f"/team/members/{rita}/", f"/team/members/{rita}/deactivate/")
    assert wrong + [found for path in (*SETTINGS, *member) for found in look(page, path)] == []


@pytest.fixture
def local(browser: Browser, shop: Shop) -> Iterator[BrowserContext]:
    """A browser that calls the application by the only name for which passkeys work without https."""
    context = browser.new_context(base_url=shop.app.base_url.replace("127.0.0.1", "localhost"))
    yield context
    context.close()


def sign_in(page: Page, address: str) -> None:
    page.goto("/account/login/")
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_passkey_is_added_and_signs_in(shop: Shop, local: BrowserContext) -> None:
    address = f"passkey{time.time_ns()}@ripen.test"
    shop.app.run("create_user", address, "--role", "rep", "--password", PASSWORD)
    said: list[str] = []
    page = local.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    session = local.new_cdp_session(page)
    session.send("WebAuthn.enable")
    device = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": device})

    sign_in(page, address)
    page.wait_for_url(INSIDE)
    page.goto("/account/security/webauthn/add/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add the passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    page.goto("/account/security/webauthn/")
    assert "signs in by itself" in page.inner_text("main")

    page.goto("/account/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.goto("/account/login/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(INSIDE)
    page.goto("/account/")
    assert address in page.inner_text("main")
    assert said == []


def test_where_passkeys_cannot_be_the_page_says_so(shop: Shop, browser: Browser) -> None:
    context = browser.new_context(base_url=shop.app.base_url)
    page = context.new_page()
    page.goto("/account/login/")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("cannot use passkeys at this address").wait_for()
    context.close()


def test_an_administrator_invites_somebody_who_joins(shop: Shop, open_as: Open, browser: Browser) -> None:
    address = f"joins{time.time_ns()}@ripen.test"
    page = open_as("ada")
    page.goto("/team/")
    page.get_by_label("E-mail").fill(address)
    page.get_by_label("Role", exact=True).select_option("rep")
    page.get_by_role("button", name="Invite").click()
    link = page.get_by_label("The link of the invitation").input_value()

    context = browser.new_context(base_url=shop.app.base_url)
    guest = context.new_page()
    assert look(guest, link) == []
    guest.get_by_label("First name").fill("Rosa")
    guest.get_by_label("Password", exact=True).fill("quite-a-long-passphrase")
    guest.get_by_label("Password again").fill("quite-a-long-passphrase")
    guest.get_by_role("button", name="Join").click()
    guest.wait_for_url(INSIDE)
    assert look(guest, link, status=404) == []
    context.close()


def test_the_browsers_time_zone_is_suggested(shop: Shop, open_as: Open) -> None:
    page = open_as("max", timezone_id="Asia/Tokyo")
    page.goto("/account/")
    page.get_by_text("Asia/Tokyo").last.wait_for()
    page.get_by_role("button", name="Use it").click()
    assert page.get_by_label("Time zone").input_value() == "Asia/Tokyo"


def test_a_password_is_shown_while_it_is_typed_and_measured(shop: Shop, open_as: Open) -> None:
    page = open_as("rita", viewport=SIZES["phone"])
    page.goto("/account/password/change/")
    field, said = page.get_by_label("New Password", exact=True), page.locator(".strength [role=status]")
    meter = page.get_by_role("meter", name="How hard it is to guess")
    for typed, words in (
        ("short", "Too short: at least 12 characters"),
        ("aaaaaaaaaaaa", "Easily guessed: longer is better"),
        ("password1234", "Easily guessed: longer is better"),
        ("rita@ripen.test rita", "Easily guessed: longer is better"),
        ("green pears ripen", "Fair: longer is better"),
        ("green pears ripen slowly", "Hard to guess"),
        ("", ""),
    ):
        field.fill(typed)
        assert said.inner_text() == words, typed
    assert meter.get_attribute("value") == "0"
    field.fill("green pears ripen slowly")
    assert field.get_attribute("type") == "password"
    show = page.get_by_role("button", name="Show what is typed").nth(1)
    show.click()
    assert (field.get_attribute("type"), show.get_attribute("aria-pressed")) == ("text", "true")
    assert page.get_by_label("New Password (again)").get_attribute("type") == "password"
    assert look_around(page, "/account/password/change/") == []
    show.click()
    assert field.get_attribute("type") == "password"


def test_without_scripts_a_password_field_is_a_password_field(shop: Shop, open_as: Open) -> None:
    page = open_as("rita", java_script_enabled=False)
    page.goto("/account/password/change/")
    assert page.get_by_role("button", name="Show what is typed").count() == 0
    assert page.get_by_role("meter").count() == 0
    page.get_by_label("Current Password").fill(PASSWORD)
    page.get_by_label("New Password", exact=True).fill("password1234")
    page.get_by_label("New Password (again)").fill("password1234")
    page.get_by_role("button", name="Save the password").click()
    assert "too common" in page.locator("main").inner_text()
