"""The badge that lives: what is new comes to an open page, a lost connection is said, and all works without scripts."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Shop

Open = Callable[..., Page]
NAME = "nora"


@pytest.fixture(scope="module")
def nora(shop: Shop) -> Iterator[str]:
    """A rep of this module's own, whom other tests give nothing; she is gone afterwards."""
    shop.people[NAME] = f"{NAME}@ripen.test"
    shop.app.run("create_user", shop.people[NAME], "--role", "rep", "--password", PASSWORD)
    yield NAME
    del shop.people[NAME]


def told(shop: Shop) -> int:
    sql = "SELECT count(*) FROM funnel_notificationitem i JOIN auth_user u ON u.id = i.user_id WHERE u.email = %s"
    return int(shop.ask(sql, shop.people[NAME]))


def offer(shop: Shop, first_name: str = "Ann") -> tuple[int, int]:
    """An offer of which Nora was told."""
    before, deadline = told(shop), time.monotonic() + 30
    made = shop.offer(first_name)
    while told(shop) == before:
        assert time.monotonic() < deadline, shop.app.logs()
        time.sleep(0.1)
    return made


def read_all(page: Page) -> None:
    page.goto("/notifications/")
    button = page.get_by_role("button", name="Mark all as read")
    if button.is_visible():
        button.click()
        expect(page.get_by_text("All read.")).to_be_visible()


def badge(page: Page) -> Any:
    return page.locator(".sidebar [data-count-box=notifications]")


def test_what_is_new_comes_to_an_open_page(shop: Shop, open_as: Open, nora: str) -> None:
    page = open_as(nora)
    read_all(page)
    page.goto("/contacts/")
    expect(badge(page)).to_be_hidden()
    offer(shop, "Live")
    # Back online is when a page asks at once; else it would be within twenty seconds.
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(badge(page)).to_have_text("1 unread")
    toast = page.locator("#toasts").get_by_role("link", name="Live")
    expect(toast).to_be_visible()
    toast.click()
    page.wait_for_url("**/handoffs/*/")
    page.goto("/notifications/")
    line = page.locator(".told.is-unread").filter(has_text="Live")
    expect(line).to_have_count(1)
    line.get_by_role("link").click()
    page.wait_for_url("**/handoffs/*/")
    page.goto("/notifications/")
    expect(line).to_have_count(0)
    expect(badge(page)).to_be_hidden()


def test_a_lost_connection_is_said_and_so_is_its_return(open_as: Open, nora: str) -> None:
    page = open_as(nora)
    page.context.set_offline(True)
    expect(page.locator("#toasts")).to_contain_text("No connection to Ripen")
    page.context.set_offline(False)
    expect(page.locator("#toasts")).to_contain_text("Connected again")
    expect(page.locator("#toasts")).not_to_contain_text("No connection to Ripen")


def test_who_signed_out_elsewhere_is_told(open_as: Open, nora: str) -> None:
    page = open_as(nora)
    page.context.clear_cookies()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#toasts").get_by_role("link", name="You are signed out")).to_be_visible()


def test_without_scripts_the_count_is_on_the_page_and_reading_is_a_form(shop: Shop, open_as: Open, nora: str) -> None:
    page = open_as(nora, java_script_enabled=False)
    page.goto("/notifications/")
    if page.get_by_role("button", name="Mark all as read").is_visible():
        page.get_by_role("button", name="Mark all as read").click()
    offer(shop, "Plain")
    page.goto("/contacts/")
    expect(badge(page)).to_have_text("1 unread")
    page.goto("/notifications/")
    expect(page.get_by_role("link", name="Plain")).to_be_visible()
    page.get_by_role("button", name="Mark as read").click()
    expect(page.locator(".told.is-unread")).to_have_count(0)
    expect(badge(page)).to_be_hidden()
    page.goto("/account/notifications/")
    page.get_by_label("In the queue: by e-mail").select_option("digest")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("In the queue: by e-mail")).to_have_value("digest")
