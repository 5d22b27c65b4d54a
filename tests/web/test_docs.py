"""The documentation inside: every page, link, anchor and picture is there, and nothing else can be had."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from config.web import docs
from config.web.concepts import CONCEPTS, concept_url
from contacts.enums import Role
from tests.factories import make_user

pytestmark = pytest.mark.django_db

ALL = docs.slugs()


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(make_user(Role.REP))
    return client


def test_every_page_is_served_with_its_title(reader: Client) -> None:
    for slug in ALL:
        page = reader.get(f"/docs/{slug}/")
        assert page.status_code == 200, slug
        text = page.content.decode()
        assert text.count("<h1") == 1, slug
        assert not re.search(r"<[a-z][^<>]* style=", text), slug
        assert "<!--" not in text.partition('class="docs-text"')[2], slug


def test_every_page_is_listed_with_a_summary(reader: Client) -> None:
    text = reader.get("/docs/").content.decode()
    for slug in ALL:
        assert f'href="/docs/{slug}/"' in text
    assert all(doc.summary and doc.title != doc.slug for _, pages in docs.grouped_docs() for doc in pages)
    # A decision begins with a bold word of its form, which says nothing in a list.
    assert not [
        doc.slug for _, pages in docs.grouped_docs() for doc in pages if doc.summary in {"Context.", "Decision."}
    ]


@pytest.mark.parametrize("key", CONCEPTS)
def test_a_concept_leads_to_a_place_that_exists(key: str) -> None:
    slug, anchor = CONCEPTS[key]
    doc = docs.read_doc(slug)
    assert doc is not None
    assert not anchor or anchor in doc.anchors
    assert concept_url(key).startswith(doc.url)


def test_every_link_within_leads_somewhere(reader: Client) -> None:
    broken = []
    for slug in ALL:
        doc = docs.read_doc(slug)
        assert doc is not None
        for link in doc.links:
            path, _, anchor = link.partition("#")
            if path.startswith("/docs/images/"):
                answer = reader.get(path)
                if answer.status_code != 200 or not answer.getvalue():
                    broken.append((slug, link))
                continue
            target = doc if not path else docs.read_doc(path.removeprefix("/docs/").rstrip("/"))
            if target is None or (anchor and anchor not in target.anchors):
                broken.append((slug, link))
    assert broken == []


def test_a_picture_is_served_as_one(reader: Client) -> None:
    name = next(path.name for path in (docs.ROOT / "images").iterdir() if path.suffix == ".png")
    answer = reader.get(f"/docs/images/{name}")
    assert answer["Content-Type"] == "image/png"
    assert answer.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path",
    [
        "/docs/no-such-page/",
        "/docs/../README/",
        "/docs/adr/../../README/",
        "/docs/%2e%2e/README/",
        "/docs/images/..%2f..%2fmanage.py",
        "/docs/images/no.png",
        "/docs/images/..%2fpages.md",
        "/docs/" + "x" * 5_000 + "/",
    ],
)
def test_nothing_else_can_be_had(reader: Client, path: str) -> None:
    assert reader.get(path, follow=True).status_code == 404


def test_only_people_who_are_signed_in_read(client: Client) -> None:
    for path in ("/docs/", "/docs/handoffs/", "/docs/images/why.png"):
        assert client.get(path)["Location"].startswith("/account/login/?next=")
    client.force_login(User.objects.create_user(username="newcomer"))
    assert client.get("/docs/handoffs/").status_code == 200, "whatever their role"


def test_the_search_finds_titles_first_and_headings_with_their_place(reader: Client) -> None:
    found = docs.find_docs("merge")
    assert found[0].title == "Merging" or "Merg" in found[0].title or found[0].heading == ""
    assert ("Merging", "What a merge does", "/docs/merging/#what-a-merge-does") in [
        (one.title, one.heading, one.url) for one in found
    ]
    text = reader.get("/docs/?q=two+clocks").content.decode()
    assert 'href="/docs/handoffs/#the-two-clocks"' in text
    assert "Nothing speaks of that" in reader.get("/docs/?q=zyxwvut").content.decode()
    assert docs.find_docs("  ") == []


def test_markup_in_a_page_is_text_and_not_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.md").write_text(
        "# Bad\n\nA <script>alert(1)</script> and [a link](javascript:alert(1)) and ![x](../../etc/passwd).\n\n"
        "| a | b |\n|---|---:|\n| 1 | 2 |\n\n```html\n<b>\n```\n"
    )
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    doc = docs.read_doc("bad")
    assert doc is not None
    assert "<script" not in doc.body
    assert 'href="javascript' not in doc.body
    assert "<img" not in doc.body
    assert '<td class="num">2</td>' in doc.body
    assert "&lt;b&gt;" in doc.body


def test_a_changed_page_is_rendered_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setattr(docs, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# One\n\nFirst.\n")
    first = docs.read_doc("page")
    assert first is not None
    assert docs.read_doc("page") is first
    page.write_text("# Two\n\nFirst.\n")
    os.utime(page, ns=(1, 1))
    again = docs.read_doc("page")
    assert again is not None
    assert again.title == "Two"
