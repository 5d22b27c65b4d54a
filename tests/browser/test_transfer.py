"""What a first visit costs, that it stays on this server, and that nothing jumps while parts of a page are swapped."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop

Open = Callable[..., Page]
BUDGET = 150 * 1024
WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const moved = entry.sources.map((one) => one.node?.outerHTML?.slice(0, 80) ?? "gone");
    window.shifts.push([entry.value, moved.join(" | ")]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize(
    "path", ["/", "/contacts/", "/queue/", "/funnel/", "/contacts/{contact}/", "/definitions/{draft}/edit/"]
)
def test_a_first_visit_is_small_and_asks_nobody_else(shop: Shop, open_as: Open, path: str) -> None:
    contact, _ = shop.offer()
    draft = shop.ask("SELECT min(id) FROM scoring_definition WHERE state = 'draft'")
    page = open_as("ada")
    page.goto("about:blank")
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: dict[str, int] = {}
    addresses: dict[str, str] = {}

    def began(event: dict[str, Any]) -> None:
        addresses[event["requestId"]] = event["request"]["url"]

    def ended(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = int(event["encodedDataLength"])

    session.on("Network.requestWillBeSent", began)
    session.on("Network.loadingFinished", ended)
    page.goto(shop.app.base_url + path.format(contact=contact, draft=draft), wait_until="networkidle")
    home = urlsplit(shop.app.base_url).netloc
    assert {urlsplit(address).netloc for address in addresses.values() if address.startswith("http")} == {home}
    heaviest = sorted(((size, addresses[key]) for key, size in sizes.items()), reverse=True)[:8]
    assert 0 < sum(sizes.values()) < BUDGET, heaviest


def test_nothing_jumps_while_parts_are_swapped(shop: Shop, open_as: Open) -> None:
    """Searching, tabs and claiming replace parts of the page; what was not touched stays where it is."""
    name = f"Steady{uuid.uuid4().hex[:8]}"
    for _ in range(3):
        shop.offer(name)
    page = open_as("rita")
    page.add_init_script(WATCH)
    page.goto("/contacts/")
    page.wait_for_load_state("networkidle")
    page.get_by_label("Search contacts").fill(name)
    expect(page.locator("[data-row]")).to_have_count(3)
    page.goto("/queue/")
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Claim").first.click()
    expect(page.get_by_text("claimed").first).to_be_visible()
    page.wait_for_timeout(300)
    assert [shift for shift in page.evaluate("() => window.shifts") if shift[0] > 0] == []


def test_nothing_jumps_while_a_page_loads(shop: Shop, open_as: Open) -> None:
    contact, _ = shop.offer()
    page = open_as("ada")
    page.add_init_script(WATCH)
    found = []
    for path in ("/", "/contacts/", f"/contacts/{contact}/", f"/contacts/{contact}/why/", "/queue/", "/definitions/"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        found += [(path, *shift) for shift in page.evaluate("() => window.shifts") if shift[0] > 0.001]
    assert found == []


@pytest.mark.parametrize("path", ["/", "/queue/", "/account/login/", "/docs/", "/no-such-page/"])
def test_the_policy_lets_nothing_inline_run(open_as: Open, path: str) -> None:
    answer = open_as("max").request.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "nonce" not in policy
