"""The catalogues of translated words: taken out of code and templates, kept in step, compiled. Development only.

Each app has a catalogue for its code and its folder of templates; what several say, and everything else, is the
wiring's. gettext's formats, by Babel, so that no tool beyond the environment is needed.
"""

import io
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from config.env import BASE_DIR

LANGUAGES: Final = ("de",)
APPS: Final = ("contacts", "scoring", "funnel")
SHARED: Final = "config"
_KEYWORDS: Final = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
# Written into files that are kept: a moment of today's would change them all each time.
_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)
_HEADER: Final = """msgid ""
msgstr ""
"Project-Id-Version: Ripen\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""
Words = tuple[str, tuple[str, ...]]


def catalogue_path(area: str, language: str) -> Path:
    """Return where the catalogue of an area (an app, or ``config``) is kept."""
    return BASE_DIR / area / "locale" / language / "LC_MESSAGES" / "django.po"


def words_in_code() -> dict[str, dict[Words, str]]:
    """Return area -> {(context, message ids): the first file that says it}, in the order of files and lines."""
    found: dict[Words, dict[str, str]] = defaultdict(dict)
    for area, path in _sources():
        place = path.relative_to(BASE_DIR).as_posix()
        text = path.read_text()
        if path.suffix == ".html":
            # What is left of a template is calls between rows of Xs, which no indentation may keep from being read.
            text = "\n".join(line.strip() for line in templatize(text, origin=place).splitlines())
        read = extract("python", io.BytesIO(text.encode()), _KEYWORDS, options={"encoding": "utf-8"})
        for _line, messages, _comments, context in read:
            ids = (messages,) if isinstance(messages, str) else tuple(one for one in messages if one)
            if ids and ids[0]:
                found[(context or "", ids)].setdefault(area, place)
    words: dict[str, dict[Words, str]] = {area: {} for area in (SHARED, *APPS)}
    for said, areas in found.items():
        area = next(iter(areas)) if len(areas) == 1 else SHARED
        words[area][said] = min(areas.values())
    return words


def read_catalogue(area: str, language: str) -> Catalog:
    """Return a catalogue as it is kept; an empty one where there is none."""
    path = catalogue_path(area, language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    catalogue.creation_date = catalogue.revision_date = _LONG_AGO
    return catalogue


def update_catalogues() -> None:
    """Bring every catalogue in step with the code: new words without a translation, none that nobody says."""
    words = words_in_code()
    for language in LANGUAGES:
        known = {}
        for area in words:
            for message in read_catalogue(area, language):
                if message.id and any(_strings(message.string)):
                    known[(message.context or "", _ids(message.id))] = message.string
        for area, said in words.items():
            catalogue = Catalog(
                locale=language, project="Ripen", fuzzy=False, creation_date=_LONG_AGO, revision_date=_LONG_AGO
            )
            for (context, ids), place in said.items():
                catalogue.add(
                    ids[0] if len(ids) == 1 else ids,
                    known.get((context, ids), "" if len(ids) == 1 else ("", "")),
                    locations=[(place, 0)],
                    flags=["python-format"] if "%(" in ids[0] else (),
                    context=context or None,
                )
            path = catalogue_path(area, language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_po(catalogue))
            path.with_suffix(".mo").write_bytes(as_mo(read_catalogue(area, language)))


def as_po(catalogue: Catalog) -> bytes:
    """Return the catalogue's text, the same for the same words."""
    file = io.BytesIO()
    write_po(file, catalogue, width=120, omit_header=True, include_lineno=False)
    return _HEADER.format(language=catalogue.locale).encode() + file.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    """Return the catalogue as gettext reads it."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def missing_words() -> list[str]:
    """Return one line for each word without a translation, or with one that its placeholders do not fit."""
    lines = []
    for language in LANGUAGES:
        for area, said in words_in_code().items():
            catalogue = read_catalogue(area, language)
            for (context, ids), place in said.items():
                message = catalogue.get(ids[0], context or None)
                if message is None or not all(_strings(message.string)):
                    lines.append(f"{language} {place}: {ids[0]!r} is not translated")
                else:
                    lines += [f"{language} {place}: {ids[0]!r}: {error}" for error in message.check(catalogue)]
    return lines


def _sources() -> Iterator[tuple[str, Path]]:
    for area in (SHARED, *APPS):
        for path in sorted((BASE_DIR / area).rglob("*.py")):
            if "migrations" not in path.parts and "management" not in path.parts:
                yield area, path
    for path in sorted((BASE_DIR / "templates").rglob("*.html")):
        folder = path.relative_to(BASE_DIR / "templates").parts[0]
        yield folder if folder in APPS else SHARED, path
    for path in sorted((BASE_DIR / "templates").rglob("*.txt")):
        folder = path.relative_to(BASE_DIR / "templates").parts[0]
        yield folder if folder in APPS else SHARED, path


def _ids(identifier: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (identifier,) if isinstance(identifier, str) else tuple(identifier)


def _strings(string: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return (string or "",) if string is None or isinstance(string, str) else tuple(string)
