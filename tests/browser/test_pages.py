"""Every page in both themes at both widths: axe finds nothing, nothing scrolls sideways, the console is silent."""

from collections.abc import Callable
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.test import RequestFactory
from playwright.sync_api import Browser, Page, Route, ViewportSize

from config.web.gallery import gallery
from tests.browser.conftest import Shop

Open = Callable[..., Page]
Theme = Literal["light", "dark"]

SIZES: dict[str, ViewportSize] = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
LOOKS: list[tuple[str, Theme]] = [(size, theme) for size in SIZES for theme in ("light", "dark")]
looks = pytest.mark.parametrize(("size", "theme"), LOOKS, ids=[f"{size}-{theme}" for size, theme in LOOKS])


def look(page: Page, path: str, *, status: int = 200) -> list[str]:
    """Open a page and return what is wrong with it."""
    answer = page.goto(path)
    assert answer is not None
    wrong = [] if answer.status == status else [f"{path}: {answer.status}"]
    if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
        wrong.append(f"{path}: scrolls sideways")
    found = Axe().run(page).response["violations"]
    return wrong + [f"{path}: {item['id']}: {item['nodes'][0]['html'][:200]}" for item in found]


@looks
def test_every_page(shop: Shop, open_as: Open, size: str, theme: Theme) -> None:
    contact, handoff = shop.offer()
    definition = shop.ask("SELECT min(id) FROM scoring_definition")
    draft = shop.ask("SELECT min(id) FROM scoring_definition WHERE state = 'draft'")
    source = shop.ask("SELECT id FROM contacts_source WHERE name = 'browser tests'")
    page = open_as("ada", viewport=SIZES[size], color_scheme=theme)
    paths = [
        "/",
        "/contacts/",
        "/contacts/?stage=sales_prospect&owner=none&q=acme",
        "/contacts/?q=nobody-is-called-that",
        f"/contacts/{contact}/",
        f"/contacts/{contact}/?kind=purchased",
        f"/contacts/{contact}/why/",
        f"/contacts/{contact}/why/?at=2026-01-01",
        f"/contacts/{contact}/journey/",
        f"/contacts/{contact}/log/",
        "/queue/",
        "/mine/",
        "/notifications/",
        "/account/notifications/",
        f"/handoffs/{handoff}/",
        "/definitions/",
        f"/definitions/{definition}/",
        f"/definitions/{draft}/",
        f"/definitions/{draft}/edit/",
        f"/definitions/{draft}/edit/?view=yaml",
        f"/definitions/{draft}/discard/",
        "/definitions/import/?new=1",
        "/sources/",
        f"/sources/{source}/email/",
        "/suspects/",
        "/suspects/?view=counted",
        "/team/",
        "/account/",
        "/account/password/change/",
        "/account/logout/",
    ]
    assert [wrong for path in paths for wrong in look(page, path)] == []


@looks
def test_pages_for_those_outside(shop: Shop, browser: Browser, size: str, theme: Theme) -> None:
    context = browser.new_context(base_url=shop.app.base_url, viewport=SIZES[size], color_scheme=theme)
    page = context.new_page()
    wrong = [
        *look(page, "/account/login/"),
        *look(page, "/account/password/reset/"),
        *look(page, "/account/signup/"),
        *look(page, "/no-such-page/", status=404),
    ]
    context.close()
    assert wrong == []


@looks
def test_the_gallery(shop: Shop, open_as: Open, rf: RequestFactory, size: str, theme: Theme) -> None:
    """The gallery is served only where DEBUG is on, so its page is put under the application's address here."""
    request = rf.get("/ui/?toasts=1")
    request.user = AnonymousUser()
    request.session = {}  # type: ignore[assignment]  # only messages look at it
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]  # as its middleware does
    markup = gallery(request).content.decode()

    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html; charset=utf-8", body=markup)

    page = open_as("max", viewport=SIZES[size], color_scheme=theme)
    page.route("**/ui/", answer)
    assert look(page, "/ui/") == []
    page.get_by_role("link", name="Open dialog").click()
    assert page.get_by_role("dialog", name="Return to Marketing?").is_visible()


def test_the_policy_lets_nothing_inline_run(shop: Shop, open_as: Open) -> None:
    page = open_as("max")
    answer = page.goto("/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "nonce" not in policy
