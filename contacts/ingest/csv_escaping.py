"""Cells that no spreadsheet takes for a formula, and that come back exactly as they were. Pure.

A spreadsheet evaluates a cell that begins like a formula, whoever wrote its text, so whoever fills in a form could run
something on the machine of a person who opens an export (https://owasp.org/www-community/attacks/CSV_Injection). Such
a cell gets an apostrophe in front, which is how people themselves tell a spreadsheet "this is text". Plain negative
numbers stay numbers.

Reading a file strips the space around every cell, so a text with space at its ends gets an apostrophe at both ends. A
text that looks as if it had been escaped is escaped once more, so ``unescape(escape(text)) == text`` for every text.
A file from elsewhere needs no mark for that to be right: outside of exports an apostrophe before a formula character
means the same.
"""

import re
from typing import Any, Final

import msgspec
from django.utils.functional import Promise

# Also the full-width forms, which some spreadsheets fold into the others.
_FORMULA: Final = "=+-@\uff1d\uff0b\uff0d\uff20\u2212\ufe63\ufe62\ufe66\ufe6b"
_PLAIN_NUMBER: Final = re.compile(r"-[0-9]+(\.[0-9]+)?([eE]-?[0-9]{1,3})?")
# Everything that is space to Unicode (nothing beyond U+3000 is), and two marks that nobody sees.
_AROUND: Final = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\ufeff\u200b"


def tidy(text: str) -> str:
    """Return a cell's text without the space and the invisible characters around it."""
    return text.strip(_AROUND)


def escape(text: str) -> str:
    """Return ``text`` as the cell of an export: no spreadsheet takes it for a formula, and reading loses nothing."""
    if not text:
        return text
    if _is_padded(text):
        return f"'{text}'"
    return f"'{text}" if _is_guarded(text) else text


def unescape(cell: str) -> str:
    """Return the text that ``escape`` made this cell of; the very same object where it was not escaped.

    What was escaped is exact: the space around it belongs to it.
    """
    if not cell.startswith("'"):
        return cell
    if _is_wrapped(cell):
        return cell[1:-1]
    return cell[1:] if _is_guarded(cell[1:]) else cell


def as_cell(value: Any) -> str:
    """Return a JSON value as a cell's text before escaping: texts as they are, None as nothing, others as JSON.

    The label of a closed vocabulary is a text too, in the reader's language.
    """
    if isinstance(value, str | Promise):
        return str(value)
    return "" if value is None else msgspec.json.encode(value).decode()


def _is_padded(text: str) -> bool:
    """Whether reading would strip something, apostrophes at the end aside: those are what wrapping adds."""
    bare = text.rstrip("'")
    return bool(bare) and tidy(bare) != bare


def _is_wrapped(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == "'" and _is_padded(cell[1:-1])


def _is_guarded(text: str) -> bool:
    """Whether a text needs an apostrophe: it begins like a formula, or like something that got one."""
    bare = text.lstrip("'")
    apostrophes = len(text) - len(bare)
    if bare and bare[0] in _FORMULA:
        # A number behind apostrophes is none to a spreadsheet, and unescaping must not take one of them away.
        return bool(apostrophes) or _PLAIN_NUMBER.fullmatch(text) is None
    # What follows the first apostrophe tells of space at the end, what follows the last one of space at the beginning.
    return apostrophes > 0 and (_is_wrapped(text) or _is_wrapped(text[apostrophes - 1 :]))
