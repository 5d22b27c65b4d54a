"""Hostile texts in every field, a real browser on every page: nothing runs, is asked for, or had to be blocked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, sync_playwright
from pytest_django.live_server_helper import LiveServer

from contacts.enums import Role
from scoring.models import Definition
from tests.funnel.conftest import World
from tests.roles.page_calls import PAGES
from tests.security.test_stored_xss import hostile_world

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

# What a browser would act on at once: a dialog, a request to elsewhere (here, where nobody listens), and one to an
# address of the attacker's choice.
ENEMY: Final = (
    "'\"><img src=//127.0.0.9:9 onerror=alert(1)>",
    "</script></title></textarea><script>alert(2)</script><i hx-get=/planted hx-trigger=load>",
    '" autofocus onfocus=alert(3) data-live=/planted x="',
    "{{ alert(4) }}{% alert %}<svg onload=alert(4)>",
)
LINK: Final = "javascript:alert(5)"
_GROWN: Final = (
    "[onerror], [onload], [onfocus], [hx-get='/planted'], [data-live='/planted'], [src*='127.0.0.9'], "
    "a[href^='javascript:' i], form[action^='javascript:' i]"
)
# One page of each kind is enough: these are documentation of ours, files, and steps of work that is not under way.
_LEFT_OUT: Final = re.compile(r"^/(docs|api|exports|account/(password|security))/|\.\w+$")


@dataclass
class Watch:
    """A browser with the session of somebody, and everything that ought not to happen in it."""

    context: BrowserContext
    base: str
    seen: list[str] = field(default_factory=list)

    def page(self) -> Page:
        """A page that is watched."""
        page = self.context.new_page()
        page.on("dialog", self._dialog)
        page.on("console", lambda message: self._console(page, message))
        page.on("pageerror", lambda error: self.seen.append(f"{page.url}: {error}"))
        page.on("request", self._request)
        return page

    def _console(self, page: Page, message: ConsoleMessage) -> None:
        # A browser asks for it of its own accord where an answer is no page, at a moment of its own choice.
        if not message.location["url"].endswith("/favicon.ico"):
            self.seen.append(f"{page.url}: {message.type} {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.seen.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith(f"{self.base}/") or "/planted" in request.url:
            self.seen.append(f"request {request.url}")


@pytest.fixture
def browser(browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """A browser that goes with its test: while one is there, Django takes this thread for an asynchronous one.

    It then has database connections of its own, of which whoever tidies up after the test knows nothing.
    """
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(**browser_type_launch_args)


@pytest.fixture
def watch(browser: Browser, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    # The browser's loop runs in this thread.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    base = live_server.url
    context = browser.new_context(base_url=base, reduced_motion="reduce")
    yield Watch(context, base)
    context.close()
    connections.close_all()


def test_nothing_planted_runs_in_a_browser(watch: Watch) -> None:
    world = World()
    scene, rep = hostile_world(world, ENEMY, LINK)
    admin = world.person(Role.ADMIN, "Looking On")
    addresses = {
        scene.url(call)
        for calls in PAGES.values()
        for call in calls
        if call.method == "get" and Role.ADMIN in call.roles
    }
    hostile = Definition.objects.get(key="hostile").pk
    addresses |= {address.replace("/definitions/2/", f"/definitions/{hostile}/") for address in addresses}
    addresses |= {"/search/?q=alert", "/contacts/?q=%22%3E%3Cimg+src%3D//127.0.0.9:9+onerror%3Dalert(6)%3E"}
    client = Client()
    client.force_login(admin)
    # Files, pages that lead elsewhere and those that there are none of here are the in-process crawl's.
    kept = [address for address in sorted(addresses) if not _LEFT_OUT.search(address.partition("?")[0])]
    watch.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": str(client.session.session_key), "url": watch.base}]
    )
    page, grown, opened = watch.page(), [], 0
    for address in kept:
        answer = page.goto(address, wait_until="load")
        assert answer is not None
        if answer.status == 404 or "html" not in answer.headers["content-type"]:
            # The browser itself says so.
            watch.seen = [said for said in watch.seen if "404 (Not Found)" not in said]
            continue
        assert answer.status == 200, address
        opened += 1
        page.evaluate("() => document.querySelectorAll('details').forEach((one) => one.open = true)")
        grown += [(address, found) for found in page.locator(_GROWN).evaluate_all("all => all.map((e) => e.outerHTML)")]
    page.goto("/contacts/")
    page.keyboard.press("/")
    page.keyboard.type("alert")
    page.wait_for_timeout(500)

    assert grown == []
    assert watch.seen == []
    assert opened >= 60, "most pages are opened"
    assert rep.pk


def test_what_is_planted_would_be_seen(watch: Watch) -> None:
    watch.context.route(
        f"{watch.base}/control", lambda route: route.fulfill(content_type="text/html", body=f"<p>{''.join(ENEMY)}</p>")
    )
    page = watch.page()
    page.goto("/control", wait_until="load")
    page.wait_for_timeout(200)

    assert {"dialog 1", "dialog 2", "request http://127.0.0.9:9/"} <= set(watch.seen)
    assert page.locator(_GROWN).count() >= 2
