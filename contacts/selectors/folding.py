"""Folding: the form of text in which contacts are searched, so that case, accents and punctuation make no difference.

The database folds, for it alone knows what an accent is; what is plain ASCII folds here to the very same. Every word
stands between blanks, the first and the last one too, so that `% word%` finds what begins with it and `% word %` the
whole word, both by the trigram index.
"""

from typing import Final

from django.db.backends.utils import CursorWrapper

# What stands between words, and what is dropped so that O'Brien is one word.
_BETWEEN: Final = '.,;:!?@-_+/\\|()[]{}<>"&*#%=~^`\t\n\r'
_DROPPED: Final = "'\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}"
_PLAIN: Final = str.maketrans(dict.fromkeys(_BETWEEN, " ") | dict.fromkeys(_DROPPED, ""))


def folded(sql: str) -> str:
    """Return SQL for the folded form of a text expression; ``""`` where that is empty."""
    replaced, by = _quoted(_BETWEEN + _DROPPED), _quoted(" " * len(_BETWEEN))
    return (
        f"coalesce(' ' || nullif(translate(lower(unaccent(normalize({sql}, NFKC))), {replaced}, {by}), '') || ' ', '')"
    )


def fold_plain(text: str) -> str:
    """Fold a text that is plain ASCII."""
    words = text.lower().translate(_PLAIN)
    return f" {words} " if words else ""


def fold_texts(cursor: CursorWrapper, texts: list[str]) -> list[str]:
    """Fold texts; one query, where not all of them are plain ASCII."""
    found = [fold_plain(text) if text.isascii() else "" for text in texts]
    foreign = [place for place, text in enumerate(texts) if not text.isascii()]
    if foreign:
        cursor.execute(_FOLD, [[texts[place] for place in foreign]])
        for place, (text,) in zip(foreign, cursor.fetchall(), strict=True):
            found[place] = text
    return found


def _quoted(characters: str) -> str:
    """A literal for the database's E'' syntax; percent signs are doubled for the driver."""
    return "E'" + "".join(f"\\u{ord(one):04x}" if one != " " else one for one in characters) + "'"


_FOLD: Final = f"SELECT {folded('t.text')} FROM unnest(%s::text[]) WITH ORDINALITY AS t(text, place) ORDER BY t.place"  # noqa: S608
