"""Each page, opened once, in both themes at both widths: axe finds nothing, nothing scrolls sideways, all is silent."""

import re
from collections.abc import Callable
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.test import RequestFactory
from playwright.sync_api import Browser, Page, Route, ViewportSize

from config.web.gallery import gallery
from contacts.enums import Role
from tests.browser.conftest import Shop
from tests.roles.page_calls import PAGES

Open = Callable[..., Page]
Theme = Literal["light", "dark"]

SIZES: dict[str, ViewportSize] = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
# `look` goes through all of them; a test begins with the first.
LOOKS: list[tuple[str, Theme]] = [("wide", "light"), ("phone", "light"), ("phone", "dark"), ("wide", "dark")]
looks = pytest.mark.parametrize(("size", "theme"), LOOKS[:1], ids=["all-looks"])
# In the dark only colours differ from what has been looked at already.
_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}


def look(page: Page, path: str, *, status: int = 200) -> list[str]:
    """Open a page once and return what is wrong with it in any of the looks."""
    answer = page.goto(path)
    assert answer is not None
    return ([] if answer.status == status else [f"{path}: {answer.status}"]) + look_around(page, path)


def look_around(page: Page, path: str) -> list[str]:
    """Return what is wrong with the page that is open, at both widths and in both themes."""
    wrong = []
    for size, theme in LOOKS:
        page.set_viewport_size(SIZES[size])
        # A colour on its way from one theme to the other would be measured halfway.
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        here = f"{path} ({size}, {theme})"
        if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{here}: scrolls sideways")
        found = Axe().run(page, options=_COLOURS if theme == "dark" else None).response["violations"]
        wrong += [f"{here}: {item['id']}: {item['nodes'][0]['html'][:200]}" for item in found]
    return wrong


# What the role matrix lists and another test of this folder opens with more to see on it.
ELSEWHERE = re.compile(r"^(import(-|$)|duplicate|source(-|$)|definition-(what|compare|backtest|learn)|run|form-edit)")


def addresses(shop: Shop) -> list[str]:
    """Every page of the role matrix that an administrator may open, on things that exist here."""
    contact, handoff = shop.offer()
    _, claimed = shop.offer()
    names = {
        "contact": contact,
        "own": contact,
        "handoff": handoff,
        "claimed": claimed,
        "company": shop.ask("SELECT company_id FROM contacts_contact WHERE id = %s", contact),
        "source": shop.ask("SELECT id FROM contacts_source WHERE name = 'browser tests'"),
        "calendar": shop.ask("SELECT min(id) FROM funnel_workingcalendar"),
        "rep": shop.ask("SELECT id FROM auth_user WHERE email = %s", shop.people["rita"]),
        "sequence": shop.sequence(),
    }
    found = []
    for name, calls in PAGES.items():
        if ELSEWHERE.match(name):
            continue
        for call in calls:
            path = call.url
            file = re.search(r"\.\w+$", path.partition("?")[0])
            if call.method != "get" or Role.ADMIN not in call.roles or file:
                continue
            try:
                found.append(path.format(**names))
            except KeyError:
                # Of what this installation has none, its empty list is looked at.
                continue
    return sorted(set(found))


def test_every_page(shop: Shop, open_as: Open) -> None:
    page = open_as("ada")
    wrong = []
    for path in addresses(shop):
        first = page.request.get(path)
        # Number 7 of the matrix is often nobody's; a part of a page is looked at where it stands.
        if first.status == 404 or "<html" not in first.text():
            continue
        answer = page.goto(path)
        assert answer is not None
        wrong += [] if answer.status == 200 else [f"{path}: {answer.status}"]
        wrong += look_around(page, path)
    assert wrong == []


def test_pages_in_other_states(shop: Shop, open_as: Open) -> None:
    contact, _ = shop.offer()
    source = shop.ask("SELECT id FROM contacts_source WHERE name = 'browser tests'")
    draft = shop.ask("SELECT min(id) FROM scoring_definition WHERE state = 'draft'")
    page = open_as("ada")
    paths = [
        "/contacts/?stage=sales_prospect&owner=none&q=acme",
        "/contacts/?q=nobody-is-called-that",
        f"/contacts/{contact}/?kind=purchased",
        f"/contacts/{contact}/why/?at=2026-01-01",
        f"/definitions/{draft}/",
        f"/definitions/{draft}/edit/?view=yaml",
        "/definitions/import/?new=1",
        f"/sources/{source}/email/",
        "/suspects/?view=counted",
        "/account/",
        "/account/security/",
        "/account/sessions/",
        "/account/tokens/",
        "/account/password/change/",
        "/account/logout/",
        "/docs/",
        "/docs/definitions/",
    ]
    assert [wrong for path in paths for wrong in look(page, path)] == []


def test_a_name_without_a_space_pushes_nothing_aside(shop: Shop, open_as: Open) -> None:
    contact, handoff = shop.offer("Wolfeschlegelstein" * 6)
    company = {"name": "Hausenbergerdorff" * 7, "domain": "hausenbergerdorff.example"}
    who = {"email": "long.name@hausenbergerdorff.example"}
    shop.send(
        {
            "kind": "newsletter_subscribed",
            "contact": who,
            "traits": {"last_name": "Bergerdorff" * 10, "company": company},
        }
    )
    named = shop.ask("SELECT company_id FROM contacts_contact WHERE email = %s", who["email"])
    page = open_as("ada")
    paths = [f"/contacts/{contact}/", f"/contacts/{contact}/why/", f"/handoffs/{handoff}/", f"/companies/{named}/"]
    assert [wrong for path in paths for wrong in look(page, path)] == []


def test_pages_for_those_outside(shop: Shop, browser: Browser) -> None:
    context = browser.new_context(base_url=shop.app.base_url)
    page = context.new_page()
    wrong = [
        *look(page, "/account/login/"),
        *look(page, "/account/password/reset/"),
        *look(page, "/account/signup/"),
        *look(page, "/no-such-page/", status=404),
    ]
    context.close()
    assert wrong == []


def test_the_gallery(shop: Shop, open_as: Open, rf: RequestFactory) -> None:
    """The gallery is served only where DEBUG is on, so its page is put under the application's address here."""
    request = rf.get("/ui/?toasts=1")
    request.user = AnonymousUser()
    request.session = {}  # type: ignore[assignment]  # only messages look at it
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]  # as its middleware does
    markup = gallery(request).content.decode()

    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html; charset=utf-8", body=markup)

    page = open_as("max")
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
