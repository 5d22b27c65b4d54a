"""Every page in a language that marks each word it translates: what comes out unmarked would stay English for all."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from config.web import components, formats
from config.web.templatetags import navigation
from config.words import words_in_code
from contacts.enums import Role
from tests.architecture.test_words import Reader
from tests.funnel.conftest import World
from tests.roles.page_calls import PAGES
from tests.roles.test_urls import Cast, cast_of

OPEN, CLOSE = "\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}", "\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}"
# The fields of a form keep the labels that its maker gave them, English ones at first.
FIELDS = ("Form", "First name", "Last name", "Company", "Job title", "Phone", "Role", "Country")
SEQUENCE_PAGES = ("", *(f"{{sequence}}/{page}" for page in ("", "edit/", "preview/", "activate/", "delete/")))
# What is said again and again is remembered in the words in which it was first said.
REMEMBERED = (
    components._component,
    components._part,
    formats._ago,
    formats._ahead,
    formats._written,
    navigation._labelled,
)
MARKED = re.compile(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is translated stands between brackets."""
    spoken: Any = translation._trans  # type: ignore[attr-defined]  # Django's own switch between real and no words

    def marking(say: Callable[..., str]) -> Callable[..., str]:
        return lambda *words, **more: f"{OPEN}{say(*words, **more)}{CLOSE}"

    for name in ("gettext", "pgettext", "ngettext", "npgettext"):
        monkeypatch.setattr(spoken, name, marking(getattr(spoken, name)))
    for kept in REMEMBERED:
        kept.cache_clear()
    yield
    for kept in REMEMBERED:
        kept.cache_clear()


def left_in_english(markup: str, known: set[str]) -> list[str]:
    """Return the texts of a page that are words of ours and came out as they stand in the code."""
    # From the inside out: a sentence may hold words that are translated by themselves.
    while (shorter := MARKED.sub("", markup)) != markup:
        markup = shorter
    reader = Reader()
    reader.feed(markup)
    said = (re.sub(r'^[a-z-]+="(.*)"$', r"\1", found) for found in reader.found)
    return [words for words in said if words in known]


def test_the_marks_show_what_is_left(marked: None) -> None:
    assert translation.gettext("Overview") == f"{OPEN}Overview{CLOSE}"
    known = {"Overview", "Contacts"}
    assert left_in_english(f"<h1>{OPEN}Overview{CLOSE}</h1><p title='Contacts'>x</p>", known) == ["Contacts"]
    assert left_in_english(f"<p>{OPEN}Of {OPEN}Contacts{CLOSE} all{CLOSE}</p>", known) == []


def test_no_page_keeps_a_word_of_ours_in_english(world: World, marked: None) -> None:
    scene: Cast = cast_of(world, world.person(Role.REP, "Owning Rep"))
    client = Client(headers={"Accept-Language": "de"})
    client.force_login(world.person(Role.ADMIN, "Anna Admin"))
    known = {ids[0] for said in words_in_code().values() for _, ids in said if len(ids[0]) > 3 and "%(" not in ids[0]}
    found = []
    shown = 0
    for call in (call for calls in PAGES.values() for call in calls if call.method == "get"):
        answer = client.get(scene.url(call))
        if answer.status_code != 200 or "text/html" not in answer.headers["Content-Type"]:
            continue
        shown += 1
        page = answer.content.decode()
        if "<html" in page:
            assert '<html lang="de"' in page, call.url
        found += [f"{call.url}: {words}" for words in left_in_english(page, known)]
    assert shown > 40
    # Names that somebody gave, which happen to be words of ours too.
    given = {
        "/sources/{source}/kinds/{kind}/: churned",
        "/sources/{source}/forms/: Form",
        *(f"/forms/{{form}}/: {name}" for name in FIELDS),
        "/team/sales/: Team",
        "/team/calendars/{calendar}/: Team",
        *(f"/definitions/{page}: {gate}" for page in ("1/", "2/edit/") for gate in ("Means", "Authority")),
        *(f"/sequences/{page}: Welcome" for page in SEQUENCE_PAGES),
    }
    assert [line for line in found if line not in given] == []
