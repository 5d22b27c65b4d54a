"""A marketer imports a file with mistakes in it, mends what was refused, and imports that again."""

import csv
import io
import uuid
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.test_pages import Open

# A worker that is busy with something else may take its time.
PATIENCE = 60_000


def upload(page: Page, path: Path) -> None:
    page.goto("/imports/new/")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Upload and go on").click()


def figure(page: Page, label: str) -> str:
    """The number above a label, as the page writes it."""
    return page.locator(".figure-card", has=page.get_by_text(label, exact=True)).locator(".figure-value").inner_text()


def test_errors_are_mended_and_imported_again(shop: Shop, open_as: Open, tmp_path: Path) -> None:
    word = f"w{uuid.uuid4().hex[:7]}"
    # From a spreadsheet of the old days: semicolons, Windows-1252.
    people = tmp_path / f"people-{word}.csv"
    people.write_bytes(
        (
            "E-mail;Vorname;Last name;Company;Company size\n"
            f"jürgen.{word}@desk.example;Jürgen;{word};Desk;40\n"
            f"ok.{word}@desk.example;Zoë;{word};Desk;\n"
            f"staff.{word}@desk.example;Olaf;{word};Desk;lots\n"
            f"no-address-{word};Nora;{word};Desk;40\n"
        ).encode("cp1252")
    )
    page = open_as("mara")
    upload(page, people)
    expect(page.get_by_text("Windows-1252")).to_be_visible()
    expect(page.get_by_text("semicolon")).to_be_visible()
    page.get_by_label("What “Vorname” means").select_option(label="First name")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.get_by_text("Nothing has been changed yet")).to_be_visible()
    assert shop.ask("SELECT count(*) FROM contacts_contact WHERE last_name = %s", word) == 0
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_text("Rejected rows")).to_be_visible(timeout=PATIENCE)
    rejected = int(figure(page, "rejected"))
    assert rejected >= 2
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the errors file").click()
    path = started.value.path()
    text = path.read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert len(rows) == rejected
    assert all(row["ripen_error"] for row in rows)

    mended = tmp_path / f"mended-{word}.csv"
    text = text.replace("lots", "50").replace(f"no-address-{word}", f"nora.{word}@desk.example")
    mended.write_text(text.replace("jürgen.", "juergen."))
    upload(page, mended)
    page.get_by_label("What “Vorname” means").select_option(label="First name")
    page.get_by_role("button", name="See what it would do").click()
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_text("Every row was taken")).to_be_visible(timeout=PATIENCE)
    assert int(figure(page, "created")) == rejected
    assert shop.ask("SELECT count(*) FROM contacts_contact WHERE last_name = %s", word) == 4
    page.goto("/imports/")
    expect(page.get_by_role("row").filter(has_text=mended.name)).to_contain_text("finished")


def test_a_file_that_is_none_is_refused_with_what_to_do(shop: Shop, open_as: Open, tmp_path: Path) -> None:
    page = open_as("mara")
    for name, content, words in (
        ("book.xlsx.csv", b"PK\x03\x04rest", "save it as CSV first"),
        ("empty.csv", b"", "empty"),
        ("twice.csv", b"email,email\na@b.example,c@d.example\n", "appears more than once"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        # The console names the refusal itself; what a person sees of it is what counts here.
        page.goto("/imports/new/")
        token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
        answer = page.request.post(
            "/imports/new/",
            headers={"Referer": f"{shop.app.base_url}/imports/new/"},
            multipart={
                "csrfmiddlewaretoken": token,
                "what": "contacts",
                "file": {"name": name, "mimeType": "text/csv", "buffer": content},
            },
        )
        assert answer.status == 422
        assert words in answer.text()


def test_a_file_of_200_columns_and_long_names(shop: Shop, open_as: Open, tmp_path: Path) -> None:
    word = uuid.uuid4().hex[:8]
    path = tmp_path / f"{'a very long name of a file '.replace(' ', '_') * 4}{word}.csv"
    names = ["email", *(f"column_{number}_{'with_a_long_name' * 4}" for number in range(199))]
    values = [f"wide.{word}@desk.example", *("x" * 300 for _ in range(199))]
    path.write_text(f"{','.join(names)}\n{','.join(values)}\n")
    page = open_as("mara", viewport={"width": 390, "height": 844})
    upload(page, path)
    expect(page.locator("tbody tr")).to_have_count(200, timeout=30_000)
    mapping = page.url
    # axe has looked at these pages elsewhere; with 200 menus of 40 words it would take minutes.
    for address in (mapping, mapping.replace("/mapping/", "/preview/"), "/imports/"):
        page.goto(address)
        assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth"), address
