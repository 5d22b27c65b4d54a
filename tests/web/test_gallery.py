"""The gallery shows every component, and no component needs what the content security policy forbids."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.cache import SessionStore
from django.template import engines
from django.test import RequestFactory

from config.env import BASE_DIR
from config.web.gallery import gallery

TEMPLATES = BASE_DIR / "templates"
COMPONENTS = sorted(path.stem for path in (TEMPLATES / "components").glob("*.html"))
# Parts of the page frame and of other components; they are on the gallery page as on every other.
FRAME = {
    "brand",
    "sidebar",
    "topbar",
    "nav_link",
    "nav_title",
    "account_links",
    "assets",
    "account_items",
    "place_count",
    "theme_toggle",
    "shortcuts",
    "form_errors",
    "toasts",
    "connection_words",
    "palette",
    "languages",
    # Asks for itself every second; what it consists of is shown.
    "work",
}


@pytest.fixture
def shown(rf: RequestFactory) -> str:
    request = rf.get("/ui/?toasts=1")
    request.user = AnonymousUser()
    request.session = SessionStore()
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]  # as its middleware does
    return gallery(request).content.decode()


def test_every_component_is_shown() -> None:
    source = (TEMPLATES / "gallery.html").read_text()
    everything = source + "".join((TEMPLATES / "components" / f"{name}.html").read_text() for name in COMPONENTS)
    tag_of = {"score": "score_bar", "criteria": "criteria_tree", "alert": "alert"}
    missing = [
        name
        for name in COMPONENTS
        if name not in FRAME
        and not re.search(rf"{{% {tag_of.get(name, name)}\b", everything)
        and f'include "components/{name}.html"' not in source
    ]
    assert missing == []


def test_every_component_declares_its_inputs() -> None:
    silent = [
        name
        for name in COMPONENTS
        if not re.search(r"{# .*([Ii]nputs)", (TEMPLATES / "components" / f"{name}.html").read_text())
    ]
    assert silent == []


def test_no_markup_that_the_content_security_policy_forbids(shown: str) -> None:
    assert " style=" not in shown
    assert not re.search(r"<script(?![^>]* src=)", shown)
    assert "<style" not in shown
    assert not re.search(r"\son[a-z]+=\"", shown)


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_template_compiles_and_keeps_to_the_policy(path: Path) -> None:
    text = path.read_text()
    engines["django"].from_string(text)
    if path.name == "form_snippet.html":
        # Shown as text, to be pasted into somebody else's page, where none of our style sheets is.
        return
    assert " style=" not in text
    assert "<style" not in text
    assert not re.search(r"<script(?![^>]* src=)", text)
    assert not re.search(r"\son(click|change|submit|load|input)=", text)
    assert not re.search(r"(src|href)=\"(https?:)?//", text)


def test_every_page_of_styles_and_scripts_is_small_and_ours() -> None:
    static = TEMPLATES.parent / "static"
    for path in [*static.rglob("*.css"), *static.rglob("*.js")]:
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), path
        assert "https://" not in text, path
        assert "eval(" not in text, path
        assert "innerHTML" not in text, path
