"""A stranger gets nowhere: no page, no answer of the API, no part of one. And a rep meets a friendly no."""

import re

import pytest
from playwright.sync_api import APIResponse, Browser, Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_pages import Open
from tests.roles.api_calls import API
from tests.roles.calls import Call
from tests.roles.page_calls import PAGES

NAME = "Unmistakable"


@pytest.fixture
def secret(shop: Shop) -> dict[str, str]:
    """Somebody whose name must not be seen, and what the addresses of the matrix name."""
    contact, handoff = shop.offer(NAME)
    ids = {"contact": contact, "own": contact, "handoff": handoff, "claimed": handoff}
    ids["company"] = shop.ask("SELECT company_id FROM contacts_contact WHERE id = %s", contact)
    ids["event"] = shop.ask("SELECT min(id) FROM contacts_event WHERE contact_id = %s", contact)
    ids["source"] = shop.ask("SELECT id FROM contacts_source WHERE name = 'browser tests'")
    return {name: str(number) for name, number in ids.items()}


def urls(table: dict[str, list[Call]], method: str, ids: dict[str, str]) -> list[str]:
    """The addresses of a table that are asked by the method; what has no row in this installation is number 1."""
    found = {call.url for calls in table.values() for call in calls if call.method == method}
    return sorted(re.sub(r"\{(\w+)\}", lambda name: ids.get(name[1], "1"), url) for url in found)


def ask(page: Page, method: str, url: str) -> APIResponse:
    return page.request.fetch(url, method=method, max_redirects=0, fail_on_status_code=False)


def test_a_stranger_is_kept_out_of_everything(shop: Shop, browser: Browser, secret: dict[str, str]) -> None:
    context = browser.new_context(base_url=shop.app.base_url)
    page = context.new_page()
    leaks = []
    for url in urls(PAGES, "get", secret):
        answer = ask(page, "get", url)
        led = answer.headers.get("location", "")
        if answer.status != 302 or not led.startswith("/account/login/?next=") or NAME in answer.text():
            leaks.append(("get", url, answer.status))
    for method in ("get", "post", "patch", "delete"):
        for url in urls(API, method, secret):
            answer = ask(page, method, url)
            if answer.status != 401 or NAME in answer.text():
                leaks.append((method, url, answer.status))
    # A form sent from elsewhere is refused before anybody asks who sent it.
    for url in urls(PAGES, "post", secret):
        answer = ask(page, "post", url)
        if answer.status not in {302, 403} or NAME in answer.text():
            leaks.append(("post", url, answer.status))
    assert leaks == []
    # What a person sees: the sign-in, and nothing of the page behind it.
    page.goto(f"/contacts/{secret['contact']}/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert NAME not in page.content()
    context.close()


def test_a_rep_is_told_kindly_that_a_page_is_not_theirs(shop: Shop, open_as: Open) -> None:
    page = open_as("rita")
    for path in ("/sources/", "/hooks/", "/team/", "/imports/", "/jobs/"):
        # The console names every page that was refused; what it says of it is checked here and nowhere else.
        answer = page.request.get(path)
        assert answer.status == 403, path
        assert "Your role does not include this page" in answer.text()
        assert 'href="/"' in answer.text()
    page.goto("/")
    navigation = page.get_by_role("navigation", name="Main")
    expect(navigation.get_by_role("link", name="Queue")).to_be_visible()
    expect(navigation.get_by_role("link", name="Sources")).to_have_count(0)
