"""The documentation inside: docs/*.md as pages, with links that stay within, a table of contents and a search.

Rendered once a file and time of change. Raw HTML in a page is shown as text, never passed on.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from posixpath import normpath
from typing import Final
from urllib.parse import urlsplit

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_noop
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin

ROOT: Final = Path(__file__).resolve().parents[2] / "docs"
IMAGES: Final = {".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp", ".jpg": "image/jpeg"}

# Subjects in the order of the list; a page that stands nowhere comes under the last but one, decisions under the last.
GROUPS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    (gettext_noop("First steps"), ("first-steps", "pages", "accounts", "searching", "demo", "notifications")),
    (
        gettext_noop("Contacts and companies"),
        (
            "contacts-list",
            "explaining",
            "pinning",
            "correcting",
            "companies",
            "duplicates",
            "merging",
            "consent",
            "privacy",
        ),
    ),
    (
        gettext_noop("Definitions"),
        ("definitions", "editing-definitions", "what-if", "backtesting", "learning", "publishing"),
    ),
    (
        gettext_noop("Sales"),
        ("handoffs", "conversations", "routing", "working-time", "sequences", "feedback", "handoff-figures"),
    ),
    (gettext_noop("Figures"), ("analytics", "performance")),
    (
        gettext_noop("Data in and out"),
        ("sending-facts", "importing", "exporting", "forms", "email", "webhooks", "api-definitions"),
    ),
    (gettext_noop("Running it"), ("operate", "configuration", "commands")),
)
OTHERS: Final = gettext_noop("More")
DECISIONS: Final = gettext_noop("Decisions and their reasons")

_COMMENT: Final = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_SLUG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below the title; ``level`` is 2 or 3, ``anchor`` its id in the page."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Doc:
    """A page: its ``body`` is HTML that is safe to show, ``text`` what a search looks through, in lower case."""

    slug: str
    title: str
    summary: str
    headings: tuple[Heading, ...]
    anchors: frozenset[str]
    links: tuple[str, ...]
    body: SafeString
    text: str

    @property
    def url(self) -> str:
        """Where the page is served."""
        return f"/docs/{self.slug}/"


@dataclass(frozen=True, slots=True)
class Found:
    """A place in the documentation: the page's ``title``, the ``heading`` there ("" for its top) and its address."""

    title: str
    heading: str
    url: str


def slugs() -> list[str]:
    """Return the pages there are: paths below docs/ without their ending, decisions and examples last."""
    if not ROOT.is_dir():
        return []
    found = [path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.md")]
    return sorted(found, key=lambda slug: ("/" in slug, slug))


def read_doc(slug: str) -> Doc | None:
    """Return a page; None where there is none of that name (or a name that leads out of docs/)."""
    if not _SLUG.fullmatch(slug) or ".." in slug:
        return None
    path = ROOT / f"{slug}.md"
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    return _render(slug, changed)


def grouped_docs() -> list[tuple[str, list[Doc]]]:
    """Return every page under its subject, in the order of reading."""
    docs = {slug: doc for slug in slugs() if (doc := read_doc(slug)) is not None}
    groups = [(title, [docs.pop(slug) for slug in names if slug in docs]) for title, names in GROUPS]
    decisions = [docs.pop(slug) for slug in list(docs) if slug.startswith("adr/")]
    groups += [(OTHERS, list(docs.values())), (DECISIONS, decisions)]
    return [(title, pages) for title, pages in groups if pages]


def find_docs(text: str, *, limit: int = 20) -> list[Found]:
    """Return up to ``limit`` places for ``text``: titles first, then headings, then pages that hold all its words."""
    words = text.lower().split()
    if not words:
        return []
    docs = [doc for _, group in grouped_docs() for doc in group]
    ranked: list[tuple[int, Found]] = []
    for doc in docs:
        in_title = _holds(doc.title, words)
        if in_title:
            ranked.append((0, Found(doc.title, "", doc.url)))
        headings = [one for one in doc.headings if _holds(one.text, words)]
        ranked += [(1, Found(doc.title, one.text, f"{doc.url}#{one.anchor}")) for one in headings]
        if not in_title and not headings and all(word in doc.text for word in words):
            ranked.append((2, Found(doc.title, "", doc.url)))
    return [found for _, found in sorted(ranked, key=lambda pair: pair[0])[:limit]]


def image_path(name: str) -> Path | None:
    """Return the file of an image of docs/images/; None for any other name."""
    folder = ROOT / "images"
    if Path(name).suffix not in IMAGES or not folder.is_dir():
        return None
    # Compared with what is there, so no name can lead elsewhere.
    return next((path for path in folder.iterdir() if path.name == name and path.is_file()), None)


def _holds(text: str, words: Sequence[str]) -> bool:
    lower = text.lower()
    return all(word in lower for word in words)


@lru_cache(maxsize=256)
def _render(slug: str, _changed: int) -> Doc:
    source = _COMMENT.sub("", (ROOT / f"{slug}.md").read_text())
    markdown = _markdown()
    tokens = markdown.parse(source)
    links = tuple(_point_within(tokens, slug))
    title, summary = slug, ""
    headings: list[Heading] = []
    anchors: set[str] = set()
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            words, anchor = _plain(tokens[number + 1]), str(token.attrGet("id") or "")
            anchors.add(anchor)
            level = int(token.tag[1])
            if level == 1 and title == slug:
                title = words
            elif level in {2, 3}:
                headings.append(Heading(level, words, anchor))
        elif token.type == "paragraph_open" and not summary and token.level == 0:
            summary = _SENTENCE.split(_without_lead(tokens[number + 1]), maxsplit=1)[0]
    body = markdown.renderer.render(_without_title(tokens), markdown.options, {})
    # A table without heads is written with empty ones; a reader aloud would name each column by nothing.
    body = body.replace('<th scope="col"></th>', "<td></td>")
    return Doc(
        slug=slug,
        title=title,
        summary=summary,
        headings=tuple(headings),
        anchors=frozenset(anchors),
        links=links,
        body=mark_safe(body),  # noqa: S308  the renderer escapes all text, and html is off
        text=source.lower(),
    )


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").enable("strikethrough")
    markdown.use(anchors_plugin, min_level=1, max_level=4)
    markdown.add_render_rule("table_open", _open_table)
    markdown.add_render_rule("table_close", _close_table)
    markdown.add_render_rule("fence", _fence)
    # Alignment comes as a style attribute, which the content security policy forbids.
    markdown.add_render_rule("th_open", _cell)
    markdown.add_render_rule("td_open", _cell)
    return markdown


def _open_table(self: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    return '<div class="table-wrap" tabindex="0"><table class="table">\n'


def _close_table(self: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    return "</table></div>\n"


def _cell(self: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    token = tokens[index]
    number = ' class="num"' if "right" in str(token.attrGet("style") or "") else ""
    scope = ' scope="col"' if token.tag == "th" else ""
    return f"<{token.tag}{scope}{number}>"


def _fence(self: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    token = tokens[index]
    code = f'<pre class="code" tabindex="0"><code>{escape(token.content)}</code></pre>\n'
    if token.info.strip() == "mermaid":
        # A drawing for whoever reads the file where such drawings are drawn; here its text waits to be asked for.
        return f"<details><summary>The diagram as text</summary>{code}</details>\n"
    return code


def _without_title(tokens: Sequence[Token]) -> list[Token]:
    """Leave out the first heading, which the page shows as its own."""
    if len(tokens) > 2 and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        return list(tokens[3:])
    return list(tokens)


def _plain(inline: Token) -> str:
    return "".join(
        " " if child.type in {"softbreak", "hardbreak"} else child.content for child in inline.children or ()
    ).strip()


def _without_lead(inline: Token) -> str:
    """The words of a paragraph without the bold one, such as "Decision.", that it begins with and that says nothing."""
    words = _plain(inline)
    children = [child for child in inline.children or () if child.type != "text" or child.content]
    if len(children) > 2 and children[0].type == "strong_open" and children[1].content.endswith("."):
        return words.removeprefix(children[1].content).strip()
    return words


def _point_within(tokens: Sequence[Token], slug: str) -> Iterator[str]:
    """Point links and images at what is served, make text of those that lead to other files; tell the inner ones."""
    for token in tokens:
        if token.type != "inline":
            continue
        open_to: list[bool] = []
        kept: list[Token] = []
        for child in token.children or ():
            if child.type == "link_open":
                url = _served(str(child.attrGet("href") or ""), slug)
                open_to.append(bool(url))
                if not url:
                    continue
                child.attrSet("href", url)
                if url.startswith(("/", "#")):
                    yield url
                else:
                    child.attrSet("rel", "noreferrer")
            elif child.type == "link_close" and not open_to.pop():
                continue
            elif child.type == "image":
                name = Path(str(child.attrGet("src") or "")).name
                if image_path(name) is None:
                    continue
                child.attrSet("src", f"/docs/images/{name}")
                child.attrSet("loading", "lazy")
                yield f"/docs/images/{name}"
            kept.append(child)
        token.children = kept


def _served(href: str, slug: str) -> str:
    """Return where a link leads when served; "" where it leads to a file that is not."""
    parts = urlsplit(href)
    if parts.scheme or parts.netloc or not parts.path:
        return href
    folder = slug.rpartition("/")[0]
    target = normpath(f"{folder}/{parts.path}" if folder else parts.path)
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    if target.endswith(".md") and not target.startswith("..") and (ROOT / target).is_file():
        return f"/docs/{target.removesuffix('.md')}/{anchor}"
    return ""
