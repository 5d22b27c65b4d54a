"""Every word that a person reads can be said in another language: none is left bare in templates, pages, services."""

import ast
import inspect
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings
from django.template import Engine
from django.template.base import DebugLexer, TokenType
from django.utils.text import smart_split
from django.utils.translation.template import block_re, endblock_re

from config.env import BASE_DIR
from config.words import (
    APPS,
    LANGUAGES,
    SHARED,
    as_mo,
    catalogue_path,
    missing_words,
    read_catalogue,
    words_in_code,
)

TEMPLATES = BASE_DIR / "templates"
# A page of developers; and markup that is shown as it is, to be pasted into somebody else's page.
NOT_OURS: Final = {"gallery.html", "contacts/form_snippet.html"}
READ: Final = {"aria-label", "title", "placeholder", "alt", "aria-description", "label"}
# Read by machines, or the same in every language.
QUIET: Final = {"script", "style", "code", "kbd", "samp", "pre"}
NAMES: Final = re.compile(
    r"\b(Ripen|UTC|JSON|JSONL|YAML|CSV|API|URL|HTML|GDPR|SLA|HTTP|POST|TOTP|QR|ID|curl|Python|JavaScript|Segment"
    r"|PostHog|HubSpot|UTF-8|AUC|v\d*|p90|PDF|SQL|Celery|Amazon|SES|Mailgun|Mailjet|Postmark|SendGrid|Brevo|SparkPost"
    r"|Resend|MailerSend|Mandrill|Unisender|Go|Salesforce|Olist)\b"
)
LETTERS: Final = re.compile(r"[^\W\d_]")
WORDS_OF_TAGS: Final = {
    "label", "title", "text", "caption", "note", "aside", "action_label", "total_label", "slot_name", "term", "detail",
    "summary", "empty", "size_label", "last_label",
}  # fmt: skip
TALKING_FILTERS: Final = re.compile(r"\|(default|default_if_none|yesno|add|pluralize|join):\"([^\"]*)\"")


def bare(text: str) -> str:
    """Return what of a text would have to be translated: nothing where only names, figures and signs are left."""
    left = NAMES.sub("", text)
    return left.strip() if LETTERS.search(left) else ""


class Reader(HTMLParser):
    """Collects what a person reads of markup: text, and attributes that are read out or shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.quiet: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in QUIET:
            self.quiet.append(tag)
        kind = dict(attrs).get("type")
        for name, value in attrs:
            read = name in READ or (tag == "input" and kind in {"submit", "button"} and name == "value")
            if read and value and (left := bare(value)):
                self.found.append(f'{name}="{left}"')

    def handle_endtag(self, tag: str) -> None:
        if self.quiet and self.quiet[-1] == tag:
            self.quiet.pop()

    def handle_data(self, data: str) -> None:
        if not self.quiet and (left := bare(data)):
            self.found.append(" ".join(left.split()))


def parameters_of(tag: str) -> list[str] | None:
    """Return the names of a component tag's positional inputs; None for a tag that is not ours."""
    for library in Engine.get_default().template_libraries.values():
        function: Any = library.tags.get(tag)
        if function is not None:
            ours = getattr(function, "__wrapped__", None)
            if ours is None or not ours.__module__.startswith((*APPS, "config")):
                return None
            return [name for name in inspect.signature(ours).parameters if name not in {"context", "content"}]
    return None


def literals_of(contents: str) -> Iterator[str]:
    """Yield the words in a tag of ours that stand there as they are."""
    tag, *arguments = smart_split(contents)
    if tag == "include":
        place = arguments.index("with") if "with" in arguments else len(arguments)
        for argument in arguments[place:]:
            name, sign, value = argument.partition("=")
            if sign and value.startswith('"') and name in WORDS_OF_TAGS and bare(value.strip('"')):
                yield argument
        return
    names = parameters_of(tag)
    if names is None:
        return
    for place, argument in enumerate(arguments):
        name, sign, value = argument.partition("=")
        if not sign or argument.startswith('"'):
            name, value = (names[place] if place < len(names) else ""), argument
        if name in WORDS_OF_TAGS and value.startswith('"') and bare(value.strip('"')):
            yield f"{tag} {argument}"


def bare_words(source: str, *, is_markup: bool = True) -> list[str]:
    """Return what of a template a translator could not reach."""
    found: list[str] = []
    text: list[str] = []
    translating = verbatim = False
    for token in DebugLexer(source).tokenize():
        if token.token_type == TokenType.BLOCK:
            if endblock_re.match(token.contents):
                translating = False
            elif block_re.match(token.contents):
                translating = True
            elif token.contents.split()[0] in {"comment", "endcomment"}:
                verbatim = token.contents.split()[0] == "comment"
            elif not translating:
                found += literals_of(token.contents)
            # A tag may stand where markup needs a separator, and never within a word.
            text.append(" ")
        elif token.token_type == TokenType.VAR:
            said = [match[2] for match in TALKING_FILTERS.finditer(token.contents) if bare(match[2])]
            found += [f"{{{{ {token.contents} }}}}" for _ in said[:1]]
            if "|pluralize" in token.contents:
                found.append(f"{{{{ {token.contents} }}}}: other languages have other plurals")
            text.append("0")
        elif token.token_type == TokenType.TEXT and not translating and not verbatim:
            text.append(token.contents)
    if not is_markup:
        left = bare("".join(text))
        return found + ([" ".join(left.split())] if left else [])
    reader = Reader()
    reader.feed("".join(text))
    reader.close()
    return found + reader.found


def templates() -> list[Path]:
    return [
        path
        for path in sorted([*TEMPLATES.rglob("*.html"), *TEMPLATES.rglob("*.txt")])
        if path.relative_to(TEMPLATES).as_posix() not in NOT_OURS
    ]


@pytest.mark.parametrize("path", templates(), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_no_word_of_a_template_is_left_bare(path: Path) -> None:
    assert bare_words(path.read_text(), is_markup=path.suffix == ".html") == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Save</p>", ["Save"]),
        ('<p>{% translate "Save" %} &middot; Ripen</p>', []),
        ("<p>{% blocktranslate trimmed %}Save {{ n }}{% endblocktranslate %}</p>", []),
        ('<a{% if x %} href="/"{% endif %} title="Look">{{ y }}</a>', ['title="Look"']),
        ('<input type="submit" value="Send"><input value="x">', ['value="Send"']),
        ('{% load ui %}{% button "Save" icon="check" %}', ['button "Save"']),
        ('{% load ui %}{% button _("Save") icon="check" %}', []),
        ('{{ n }} event{{ n|pluralize }}{{ x|default:"none" }}', ["pluralize", "none", "event"]),
        ("<kbd>Enter</kbd><code>curl -X POST</code>", []),
    ],
)
def test_the_check_of_templates_sees_what_it_should(source: str, found: list[str]) -> None:
    told = bare_words(source)
    assert len(told) == len(found)
    assert all(any(part in line for line in told) for part in found)


# Code

# What machines and developers read, and what speaks English whatever page it stands on.
SILENT_PARTS: Final = {"api", "management", "migrations", "ingest", "demo", "tests", "models", "local", "locale"}
SILENT_FILES: Final = {
    "config/words.py", *(f"config/web/{name}.py" for name in ("gallery", "filtering", "errors", "parsing", "schema")),
    # Told to programs only: what is wrong with a key and its scopes; what a website's public key may not do.
    "contacts/authentication.py", "contacts/scopes.py",
    "contacts/services/company_records.py", "contacts/services/person_jobs.py",
    # Arrays without Django: a run that fails keeps these words as the worker made them, in English.
    "scoring/learning.py",
}  # fmt: skip
SHOWN_ROWS: Final = {
    "Tab",
    "Chip",
    "MenuItem",
    "Criterion",
    "TimelineItem",
    "LedgerLine",
    "TimelineDay",
    "Step",
    "Series",
}
SHOWN_ARGUMENTS: Final = {"label", "help_text", "empty_label", "title", "detail", "note", "text", "error_messages"}
GETTEXTS: Final = {
    "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy", "npgettext",
}  # fmt: skip
BUILTIN_ERRORS: Final = {name for name in dir(__builtins__) if name.endswith(("Error", "Exit", "Exception"))} | {
    "ValueError", "TypeError", "KeyError", "RuntimeError", "LookupError", "OSError", "AssertionError", "AttributeError",
    "Http404", "SystemExit", "StopIteration", "ImproperlyConfigured", "CommandError", "ApiError", "Refused",
    # Pages answer these with "not found" or words of their own; the sentences are for the API and the shell.
    "DoesNotExist", "NoSuchPurpose",
}  # fmt: skip


def said(node: ast.expr | None) -> Iterator[str]:
    """Yield the words that an expression says by itself, whatever language it is asked in."""
    match node:
        case ast.Constant(value=str(text)):
            if len(text) > 1 and bare(text) and not re.fullmatch(r"[a-z0-9_.:/#-]+", text):
                yield text
        case ast.JoinedStr(values=parts):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
            if bare(text) and not re.fullmatch(r"[a-z0-9_.:/#…?&=-]+", text):
                yield text
        case ast.BinOp(left=left, right=right):
            if not (isinstance(node.op, ast.Mod) and isinstance(left, ast.Call)):
                yield from said(left)
                yield from said(right)
        case ast.IfExp(body=body, orelse=other):
            yield from said(body)
            yield from said(other)
        case ast.Dict(values=values):
            for value in values:
                yield from said(value)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for item in items:
                yield from said(item)
        case _:
            return


def name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def words_shown_by(call: ast.Call) -> Iterator[str]:
    """Yield the words of a call that reach a person untranslated."""
    name = name_of(call.func)
    owner = name_of(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if name in GETTEXTS:
        if call.args and isinstance(call.args[0], ast.JoinedStr):
            yield "an f-string is no pattern for a translator"
    elif owner == "messages" and name in {"success", "info", "warning", "error", "debug"}:
        yield from said(call.args[1] if len(call.args) > 1 else keywords.get("message"))
    elif owner == "messages" and name == "add_message":
        yield from said(call.args[2] if len(call.args) > 2 else None)
    elif name in {"ValidationError", "PermissionDenied"}:
        yield from said(call.args[0] if call.args else keywords.get("message"))
    elif name == "add_error":
        yield from said(call.args[1] if len(call.args) > 1 else keywords.get("error"))
    elif name in SHOWN_ROWS or name.endswith("Field"):
        for argument, value in keywords.items():
            if argument in SHOWN_ARGUMENTS:
                yield from said(value)
        if name in SHOWN_ROWS and owner in {"", "charts", "ui"}:
            yield from said(call.args[1 if name == "Series" and len(call.args) > 1 else 0] if call.args else None)


def modules() -> list[Path]:
    found = []
    for area in (SHARED, *APPS):
        for path in sorted((BASE_DIR / area).rglob("*.py")):
            place = path.relative_to(BASE_DIR)
            if (
                not SILENT_PARTS & set(place.parts)
                and place.as_posix() not in SILENT_FILES
                and path.name != "models.py"
            ):
                found.append(path)
    return found


def bare_words_of_code(source: str) -> list[str]:
    """Return what code would say in English to somebody who reads another language."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found += [f"line {node.lineno}: {words}" for words in words_shown_by(node)]
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = name_of(node.exc.func)
            if name not in BUILTIN_ERRORS and name not in {"ValidationError", "PermissionDenied"} and node.exc.args:
                # A sentence is for a person; a code or a name is for the program that catches it.
                sentences = [words for words in said(node.exc.args[0]) if re.search(r"\w \w", words)]
                found += [f"line {node.lineno}: {name}: {words}" for words in sentences]
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(BASE_DIR)))
def test_no_word_of_code_is_left_bare(path: Path) -> None:
    assert bare_words_of_code(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ('messages.success(request, "Saved.")', 1),
        ('messages.success(request, gettext("Saved."))', 0),
        ('messages.success(request, gettext("%(n)s saved.") % {"n": 1})', 0),
        ('messages.success(request, f"{n} saved.")', 1),
        ('gettext(f"{n} saved.")', 1),
        ('forms.CharField(label="Name", help_text=gettext_lazy("As on the card."))', 1),
        ('raise ValidationError({"name": "Too long."})', 1),
        ('raise NotAllowed("You may not do this.")', 1),
        ('raise NotAllowed("not_allowed")', 0),
        ('Tab("All", "/")', 1),
        ('Tab(gettext("All"), "/")', 0),
    ],
)
def test_the_check_of_code_sees_what_it_should(source: str, number: int) -> None:
    assert len(bare_words_of_code(source)) == number


def test_scripts_carry_no_words() -> None:
    """A sentence in a script would be said in English on every page: they are on the page, in its language."""
    sentence = re.compile(r"""(["'`])[A-Z][a-z]+ [a-z]+ [^"'`]*\1""")
    found = []
    for path in sorted((BASE_DIR / "static").rglob("*.js")):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("//")]
        found += [f"{path.name}: {match[0]}" for line in lines for match in sentence.finditer(line)]
    assert found == []


# Catalogues


def test_every_word_is_translated() -> None:
    """A word without a translation, or one whose placeholders differ; `make words` brings them in step."""
    assert missing_words() == []


@pytest.mark.parametrize("area", [SHARED, *APPS])
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(area: str, language: str) -> None:
    compiled = catalogue_path(area, language).with_suffix(".mo").read_bytes()
    assert compiled == as_mo(read_catalogue(area, language))


@pytest.mark.parametrize("area", [SHARED, *APPS])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_catalogue_keeps_a_word_that_nobody_says(area: str, language: str) -> None:
    said = {(context, ids[0]) for context, ids in words_in_code()[area]}
    kept = {
        (message.context or "", message.id if isinstance(message.id, str) else message.id[0])
        for message in read_catalogue(area, language)
        if message.id
    }
    assert kept - said == set()


def test_every_language_that_is_offered_has_its_catalogues() -> None:
    offered = {code for code, _ in settings.LANGUAGES} - {settings.LANGUAGE_CODE}
    assert offered == set(LANGUAGES)
