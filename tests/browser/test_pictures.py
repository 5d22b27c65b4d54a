"""Pictures of the main screens on demo data, as README and docs show them: ``make pictures`` keeps them current."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.running_app import RunningApp, start_app

WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "device_scale_factor": 2}
LEAST_BYTES = 15_000


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningApp]:
    """The application with its demo data: the only one of the suite, for it takes a while to fill."""
    with start_app(empty=False, ready=False) as app:
        app.wait_until_ready(600)
        yield app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    asked = os.environ.get("RIPEN_PICTURES")
    found = Path(asked) if asked else tmp_path_factory.mktemp("pictures")
    found.mkdir(parents=True, exist_ok=True)
    return found


def signed_in(browser: Browser, app: RunningApp, **options: Any) -> Page:
    """A page of the demo's administrator."""
    logins: dict[str, str] = json.loads(app.layout.demo_logins.read_text())
    email = next(name for name in logins if name.startswith("admin"))
    page = browser.new_context(base_url=app.base_url, locale="en-GB", timezone_id="UTC", **options).new_page()
    page.goto("/account/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(logins[email])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{app.base_url}/")
    return page


def first(app: RunningApp, sql: str) -> Any:
    connection = app.connect()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone()
    finally:
        connection.close()
    assert row is not None, sql
    return row[0]


def screens(app: RunningApp) -> dict[str, str]:
    """Name of a picture -> the page it shows."""
    handoff = first(app, "SELECT id FROM funnel_handoff WHERE state = 'accepted' ORDER BY offered_at DESC, id LIMIT 1")
    contact = first(app, f"SELECT contact_id FROM funnel_handoff WHERE id = {int(handoff)}")
    draft = first(app, "SELECT min(id) FROM scoring_definition WHERE state = 'draft'")
    return {
        "overview": "/",
        "contacts": "/contacts/",
        "contact": f"/contacts/{contact}/",
        "why": f"/contacts/{contact}/why/",
        "queue": "/queue/",
        "handoff": f"/handoffs/{handoff}/",
        "editor": f"/definitions/{draft}/edit/",
        "what-if": f"/definitions/{draft}/what-if/",
        "funnel": "/funnel/",
    }


def take(page: Page, path: str, file: Path) -> None:
    """Take a picture of a page that is whole, and check that it shows one."""
    answer = page.goto(path, wait_until="networkidle")
    assert answer is not None
    assert answer.status == 200, path
    expect(page.locator("h1").first).to_be_visible()
    page.wait_for_timeout(200)
    page.screenshot(path=file, animations="disabled")
    assert file.stat().st_size > LEAST_BYTES, path


def test_the_main_screens(browser: Browser, demo: RunningApp, folder: Path) -> None:
    page = signed_in(browser, demo, **WIDE)
    found = screens(demo)
    page.goto(found["what-if"])
    page.locator("main form .button-primary").first.click()
    page.wait_for_url("**?run=*")
    expect(page.locator("#run")).to_have_count(0, timeout=120_000)
    found["what-if"] = page.url
    for name, path in found.items():
        take(page, path, folder / f"{name}.png")
    page.context.close()
    phone = signed_in(browser, demo, **PHONE)
    take(phone, found["queue"], folder / "phone.png")
    phone.context.close()
    shown = {path.stem for path in folder.glob("*.png")}
    assert shown >= {*found, "phone"}
