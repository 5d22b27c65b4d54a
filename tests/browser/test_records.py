"""Importing a file, mending what was rejected, merging two contacts: with mouse and keyboard, and without scripts."""

import uuid
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Download, Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_pages import SIZES, Theme, look, looks

Open = Callable[..., Page]
# A worker that is busy with something else may take its time.
PATIENCE = 60_000


def table(path: Path, word: str, *, staff: str = "lots") -> Path:
    """A file in which one row is wrong."""
    path.write_text(
        "E-mail;First name;Last name;Company;Company size;Phone\n"
        f"nora.{word}@desk.example;Nora;{word.capitalize()};Desk;40;+44 20 7946 0001\n"
        f"olaf.{word}@desk.example;Olaf;{word.capitalize()};Desk;{staff};\n"
        f"nora.{word}@gmail.com;Nora;{word.capitalize()};;;+44 20 7946 0001\n"
    )
    return path


def bring_in(page: Page, path: Path) -> None:
    """Upload a file, take the guesses, look at the preview and start."""
    page.goto("/imports/new/")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Upload and go on").click()
    expect(page.get_by_role("table", name="What the columns mean")).to_be_visible()
    page.get_by_role("button", name="See what it would do").click()
    expect(page.get_by_text("Nothing has been changed yet")).to_be_visible()
    page.get_by_role("button", name="Start the import").click()


def test_a_file_is_imported_its_errors_mended_and_a_duplicate_in_it_merged(
    shop: Shop, open_as: Open, tmp_path: Path
) -> None:
    word = f"w{uuid.uuid4().hex[:7]}"
    page = open_as("mara")
    bring_in(page, table(tmp_path / "people.csv", word))
    expect(page.get_by_text("Rejected rows")).to_be_visible(timeout=PATIENCE)
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the errors file").click()
    mended = tmp_path / "mended.csv"
    mended.write_text(saved(started.value).replace("lots", "50"))
    assert "is no whole number" in mended.read_text()
    bring_in(page, mended)
    expect(page.get_by_text("Every row was taken")).to_be_visible(timeout=PATIENCE)
    assert shop.ask("SELECT count(*) FROM contacts_contact WHERE last_name = %s", word.capitalize()) == 3

    page.goto("/duplicates/")
    page.get_by_role("button", name="Search now").click()
    # Both are called so; the row is that of the pair.
    row = page.get_by_role("row").filter(has_text=f"nora.{word}@desk.example").filter(has_text=f"nora.{word}@gmail.com")
    expect(row).to_be_visible(timeout=PATIENCE)
    row.get_by_role("link").click()
    expect(page.get_by_role("table", name="What is known of both")).to_contain_text("later word, stays")
    page.keyboard.press("2")
    page.keyboard.press("m")
    toast = page.locator("#toasts .toast")
    expect(toast).to_contain_text(f"Merged into Nora {word.capitalize()}")
    gone = "SELECT count(*) FROM contacts_contact WHERE last_name = %s AND merged_into_id IS NOT NULL"
    assert shop.ask(gone, word.capitalize()) == 1
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator("#toasts .toast")).to_contain_text("two contacts again")
    assert shop.ask(gone, word.capitalize()) == 0


def saved(download: Download) -> str:
    return Path(download.path()).read_text()


def test_without_scripts(shop: Shop, open_as: Open, tmp_path: Path) -> None:
    word = f"w{uuid.uuid4().hex[:7]}"
    page = open_as("mara", java_script_enabled=False)
    bring_in(page, table(tmp_path / "people.csv", word, staff="50"))
    # The page asks for itself again as long as the import goes on.
    expect(page.get_by_text("Every row was taken")).to_be_visible(timeout=PATIENCE)
    nora = shop.ask("SELECT min(id) FROM contacts_contact WHERE email = %s", f"nora.{word}@desk.example")
    page.goto(f"/contacts/{nora}/merge/")
    page.get_by_role("searchbox", name="The other contact").fill(f"nora {word}")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=f"Nora {word.capitalize()}").last.click()
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_role("heading", name=f"Nora {word.capitalize()}")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("two contacts again")).to_be_visible()


def test_a_list_is_exported_as_it_is_filtered(shop: Shop, open_as: Open) -> None:
    contact, _ = shop.offer("Exa")
    email = shop.ask("SELECT email FROM contacts_contact WHERE id = %s", contact)
    page = open_as("mara")
    page.goto("/contacts/")
    page.get_by_role("searchbox", name="Search contacts").fill(email)
    expect(page.get_by_role("table", name="Contacts").locator("tbody tr")).to_have_count(1)
    page.locator("summary", has_text="Export CSV").click()
    with page.expect_download() as started:
        page.get_by_role("link", name="Everything, fit to be imported").click()
    header, *rows = saved(started.value).splitlines()
    assert header.startswith("\ufeffripen_id,email,")
    assert [row.split(",")[:2] for row in rows] == [[str(contact), email]]


@looks
def test_every_page_of_imports_and_duplicates(
    shop: Shop, open_as: Open, tmp_path: Path, size: str, theme: Theme
) -> None:
    word = f"w{uuid.uuid4().hex[:7]}"
    page = open_as("ada", viewport=SIZES[size], color_scheme=theme)
    bring_in(page, table(tmp_path / "people.csv", word))
    expect(page.get_by_text("Rejected rows")).to_be_visible(timeout=PATIENCE)
    done = page.url
    page.goto("/imports/new/")
    page.locator("input[type=file]").set_input_files(table(tmp_path / "people.csv", word))
    page.get_by_role("button", name="Upload and go on").click()
    page.wait_for_url("**/mapping/")
    waiting = page.url.removesuffix("mapping/")
    page.goto("/duplicates/")
    if page.get_by_role("button", name="Search now").is_visible():
        page.get_by_role("button", name="Search now").click()
    expect(page.get_by_text("compared")).to_be_visible(timeout=PATIENCE)
    ids = "SELECT min(id) FROM contacts_contact WHERE email = %s"
    one, other = (shop.ask(ids, f"nora.{word}@{domain}") for domain in ("desk.example", "gmail.com"))
    suggestion = shop.ask("SELECT max(id) FROM contacts_mergesuggestion WHERE decision = ''")
    paths = [
        "/imports/",
        "/imports/new/",
        f"{waiting}mapping/",
        f"{waiting}preview/",
        done,
        "/duplicates/",
        f"/duplicates/{suggestion}/",
        f"/contacts/{one}/merge/?q=nora",
        f"/contacts/{one}/merge/?with={other}",
        "/merges/",
    ]
    assert [wrong for path in paths for wrong in look(page, path)] == []
