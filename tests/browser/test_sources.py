"""A source's pages in both themes at both widths, and its live feed."""

import json
import urllib.request
import uuid
from typing import Any

from tests.browser.conftest import Shop
from tests.browser.test_pages import SIZES, Open, Theme, look, looks


def push(shop: Shop, *events: dict[str, Any]) -> None:
    """Post events of which some cannot be taken."""
    request = urllib.request.Request(
        f"{shop.app.base_url}/api/v1/events/",
        data=json.dumps({"events": events}).encode(),
        headers={"Authorization": f"Bearer {shop.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def event(kind: str, **more: Any) -> dict[str, Any]:
    number = uuid.uuid4().hex
    return {"message_id": number, "kind": kind, "contact": {"email": f"{number}@acme.example"}, **more}


@looks
def test_each_page_of_a_source(shop: Shop, open_as: Open, size: str, theme: Theme) -> None:
    push(shop, event("tour_of_the_browser"), event("No kind at all"), event("page_viewed", occurred_at="soon"))
    source = shop.ask("SELECT id FROM contacts_source WHERE name = 'browser tests'")
    rejected = shop.ask("SELECT max(id) FROM contacts_rejectedmessage WHERE source_id = %s", source)
    kind = shop.ask("SELECT min(id) FROM contacts_kind WHERE introduced_by_id = %s", source)
    page = open_as("ada", viewport=SIZES[size], color_scheme=theme)
    parts = ["", "rejected/", f"rejected/{rejected}/", "warnings/", "kinds/", f"kinds/{kind}/", "key/"]
    assert [wrong for part in parts for wrong in look(page, f"/sources/{source}/{part}")] == []


def test_the_feed_is_live_and_a_key_ends_only_after_a_second_look(shop: Shop, open_as: Open) -> None:
    source = shop.ask("SELECT id FROM contacts_source WHERE name = 'browser tests'")
    page = open_as("ada")
    page.goto(f"/sources/{source}/")
    name = f"live_{uuid.uuid4().hex[:8]}"
    push(shop, event(name))
    page.get_by_text(name).wait_for(timeout=15_000)
    page.goto(f"/sources/{source}/key/")
    page.get_by_role("button", name="Revoke").click()
    dialog = page.get_by_role("dialog", name="Revoke the key?")
    assert dialog.is_visible()
    dialog.get_by_role("button", name="Keep it").click()
    assert shop.ask("SELECT revoked_at FROM contacts_source WHERE id = %s", source) is None
