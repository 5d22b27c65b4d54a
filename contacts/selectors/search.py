"""Finding contacts by words of their name, e-mail address or company, as somebody types.

Three ways, the next one only where the one before found nobody (or, where the best few are asked for, too few):

1. every word begins a word of the contact, in any order;
2. every word is somewhere in it;
3. every word is nearly one of its words: a letter too many, too few, another one, two swapped; or much alike. Marked
   as similar.

No way costs more than what it may look at: candidates are capped, and the third gives up after a moment. Where more
match than are looked at, the best known ones (a late stage, seen lately) are among them.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q

from contacts.models import Contact, Standing
from contacts.selectors.folding import fold_texts
from contacts.selectors.misspelling import MOST_DIFFERENT, is_misspellable, likely_meant, one_letter_off, word_distance
from contacts.selectors.naming import find_contact

SEARCH_CAP: Final = 1_000
MAX_TEXT: Final = 200
# Nobody tells contacts apart by more words; each costs a look at the index.
MAX_WORDS: Final = 8
# How many of each stage, the last seen first, are looked at where more match than may be.
_BEST_KNOWN: Final = 200
# And where only the best few are shown.
_BEST_RANKED: Final = 500
# The best few are ranked among so many.
_RANKED: Final = 300
# With fewer hits than this, other spellings are looked for as well.
_FEW: Final = 5
# The third way gives up after so many seconds: then nothing similar is shown, and what was found stays.
_PATIENCE: Final = 0.12
# Of a longer text the longest words are looked for; the others only have to be there then.
_WORDS_RESPELT: Final = 2
# Of names that are longer there are not so many that the whole ones could be missed among those looked at.
_SHORT_NAME: Final = 4
# So short a word begins so many that those looked at are met among the first contacts: the index lists them all.
_COMMON: Final = 2
_EARLY: Final = 5_000
_TRIGRAM: Final = 3

# Materialised, for a plan that reads all is meant: with the limit in sight the planner would rather read the table
# from its beginning in the hope to meet so many soon. Rows beyond the limit are not read all the same.
_FIND: Final = """
WITH found AS MATERIALIZED (SELECT id FROM contacts_contact WHERE present AND {conditions})
SELECT id FROM found LIMIT %s
"""
_FIND_EARLY: Final = """
SELECT id FROM (SELECT id, present, search_text FROM contacts_contact ORDER BY id LIMIT %s) AS early
WHERE present AND {conditions} LIMIT %s
"""
_FIND_TEXTS: Final = """
WITH found AS MATERIALIZED (SELECT id, search_text FROM contacts_contact WHERE present AND {conditions})
SELECT id, search_text FROM found LIMIT %s
"""
# One after the other: where the planner may choose, it reads everybody of the name to meet these few.
_FIND_BEST_KNOWN: Final = """
WITH RECURSIVE stage AS (
    (SELECT min(stage) AS key FROM contacts_standing)
    UNION ALL
    SELECT (SELECT min(s.stage) FROM contacts_standing s WHERE s.stage > stage.key) FROM stage WHERE stage.key > ''
), known AS MATERIALIZED (
    SELECT best.contact_id, best.place FROM stage CROSS JOIN LATERAL (
        SELECT s.contact_id, row_number() OVER (ORDER BY s.last_activity_at DESC, s.contact_id DESC) AS place
        FROM contacts_standing s
        WHERE s.stage = stage.key ORDER BY s.last_activity_at DESC, s.contact_id DESC LIMIT %s
    ) AS best
)
SELECT known.contact_id FROM known
CROSS JOIN LATERAL (
    SELECT FROM contacts_contact c WHERE c.id = known.contact_id AND present AND {conditions} OFFSET 0
) AS met
ORDER BY known.place LIMIT %s
"""
# What the text begins with is the name; a whole word counts for more than the beginning of one.
_RANK: Final = """
SELECT c.id FROM contacts_contact c LEFT JOIN contacts_standing s ON s.contact_id = c.id
WHERE c.id = ANY(%s)
ORDER BY
    CASE WHEN c.search_text LIKE %s THEN 3 WHEN c.search_text LIKE %s THEN 2
        WHEN c.search_text LIKE ALL(%s) THEN 1 ELSE 0 END DESC,
    array_position(%s::text[], s.stage::text) DESC NULLS LAST, s.last_activity_at DESC NULLS LAST, c.id DESC
LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A contact that was found; ``similar`` where it is spelt otherwise. ``standing`` is None until it is judged."""

    contact: Contact
    standing: Standing | None
    similar: bool


@dataclass(frozen=True, slots=True)
class Hits:
    """The best few; ``more`` where others match as well."""

    rows: tuple[Hit, ...]
    more: bool


def search_words(text: str) -> list[str]:
    """Return what somebody typed, folded, a piece for each part between blanks; signs are blanks within a piece.

    At most MAX_WORDS, and one query where the text is not plain ASCII.
    """
    pieces = text.replace("\0", "")[:MAX_TEXT].split()[:MAX_WORDS]
    with connection.cursor() as cursor:
        return list(dict.fromkeys(piece.strip() for piece in fold_texts(cursor, pieces) if piece.strip()))


def search_candidates(text: str, limit: int = SEARCH_CAP) -> tuple[tuple[int, ...], bool]:
    """Return the ids of at most ``limit`` contacts that match ``text``, and whether there are more.

    A text without words matches nobody. At most seven queries.
    """
    words = search_words(text)
    if not words:
        return (), False
    with connection.cursor() as cursor:
        for patterns in _ways(words):
            found = _find(cursor, patterns, limit + 1)
            if len(found) > limit:
                known = _best_known(cursor, patterns, _BEST_KNOWN, limit)
                return tuple(dict.fromkeys([*known, *found]))[:limit], True
            if found:
                return tuple(found), False
        return tuple(_find_similar(cursor, words, limit)), False


def matches_of(text: str, *, path: str = "") -> Q:
    """Return the condition that a contact matches ``text``, for lists that are paged otherwise than by candidates.

    ``path`` leads to the contact (``"contact__"``). All who match by the first way that finds anybody meet it; of
    those that are spelt otherwise at most SEARCH_CAP. A text without words matches everybody.
    """
    words = search_words(text)
    if not words:
        return Q()
    with connection.cursor() as cursor:
        for patterns in _ways(words):
            if _find(cursor, patterns, 1):
                condition = Q()
                for pattern in patterns:
                    condition &= Q(**{f"{path}search_text__contains": pattern[1:-1]})
                return condition
        return Q(**{f"{path}pk__in": _find_similar(cursor, words, SEARCH_CAP)})


def find_best(text: str, *, limit: int, stages: Sequence[str]) -> Hits:
    """Return the ``limit`` contacts that ``text`` most likely means, with company, standing and owner loaded.

    ``stages`` are the keys in use, weakest first. Whole words come before beginnings of words, the name before the
    rest; then the later stage, then who was seen last; other spellings come last. An address or an id names
    a contact even where it is none of those shown. At most twelve queries.
    """
    words = search_words(text)
    if not words:
        return Hits((), more=False)
    more = False
    chosen: dict[int, bool] = {}
    if (named := _named(text)) is not None:
        chosen[named] = False
    with connection.cursor() as cursor:
        for patterns in _ways(words):
            found = _find(cursor, patterns, _RANKED + 1)
            if len(found) > _RANKED:
                if len(" ".join(words)) <= _SHORT_NAME:
                    found += _find(cursor, [f"% {word} %" for word in words], _RANKED)
                found = list({*found, *_best_known(cursor, patterns, _BEST_RANKED, _RANKED)})
            ranked = _rank(cursor, found, words, stages, limit + 1)
            chosen |= {key: False for key in ranked if key not in chosen}
            more = more or len(found) > limit
            if len(chosen) >= _FEW:
                break
        if len(chosen) < _FEW:
            chosen |= dict.fromkeys(_find_similar(cursor, words, limit, besides=chosen), True)
    ids = list(chosen)[:limit]
    contacts = Contact.objects.select_related("company", "standing__owner").in_bulk(ids)
    rows = tuple(
        Hit(contacts[key], getattr(contacts[key], "standing", None), chosen[key]) for key in ids if key in contacts
    )
    return Hits(rows, more or len(chosen) > limit)


def _ways(words: Sequence[str]) -> Iterator[list[str]]:
    """The patterns of the first and the second way. What is shorter than a trigram is never looked for within words."""
    yield [f"% {word}%" for word in words]
    if any(len(word) >= _TRIGRAM for word in words):
        yield [f"%{word}%" if len(word) >= _TRIGRAM else f"% {word}%" for word in words]


def _find(cursor: CursorWrapper, patterns: Sequence[str], limit: int) -> list[int]:
    conditions = " AND ".join(["search_text LIKE %s"] * len(patterns))
    if limit > 1 and all(len(pattern.strip("% ")) <= _COMMON for pattern in patterns):
        cursor.execute(_FIND_EARLY.format(conditions=conditions), [_EARLY, *patterns, limit])
        if len(found := cursor.fetchall()) == limit:
            return [key for (key,) in found]
    cursor.execute(_FIND.format(conditions=conditions), [*patterns, limit])
    return [key for (key,) in cursor.fetchall()]


def _best_known(cursor: CursorWrapper, patterns: Sequence[str], most: int, limit: int) -> list[int]:
    conditions = " AND ".join(["c.search_text LIKE %s"] * len(patterns))
    cursor.execute(_FIND_BEST_KNOWN.format(conditions=conditions), [most, *patterns, limit])
    return [key for (key,) in cursor.fetchall()]


def _rank(
    cursor: CursorWrapper, found: Sequence[int], words: Sequence[str], stages: Sequence[str], limit: int
) -> list[int]:
    if not found:
        return []
    phrase = " ".join(words)
    whole = [f"% {word} %" for word in words]
    cursor.execute(_RANK, [list(found), f" {phrase} %", f"% {phrase} %", whole, list(stages), limit])
    return [key for (key,) in cursor.fetchall()]


def _named(text: str) -> int | None:
    """Who goes by an address, maybe not their first one, or by an id."""
    name = text.strip()
    if "@" not in name and not (name.isascii() and name.isdigit()):
        return None
    try:
        contact = find_contact(name)
    except Contact.DoesNotExist:
        return None
    return contact.pk if contact.present else None


def _find_similar(
    cursor: CursorWrapper, words: Sequence[str], limit: int, *, besides: Collection[int] = ()
) -> list[int]:
    """The ids of those who are spelt otherwise, the most alike first; of those that can be found in time."""
    single = [part for word in words for part in word.split()][:MAX_WORDS]
    if not any(is_misspellable(word) for word in single):
        return []
    deadline = time.monotonic() + _PATIENCE
    for conditions, values in _spellings(sorted(single, key=len, reverse=True)[:_WORDS_RESPELT]):
        left = deadline - time.monotonic()
        if left <= 0:
            return []
        with _hurried(cursor, left) as answer:
            cursor.execute(_FIND_TEXTS.format(conditions=conditions), [*values, SEARCH_CAP])
            answer.extend(cursor.fetchall())
        apart: dict[tuple[str, str], float] = {}
        scored = sorted((_difference(single, text, apart), key) for key, text in answer)
        if near := [
            key for difference, key in scored if key not in besides and difference <= MOST_DIFFERENT * len(single)
        ]:
            return near[:limit]
    return []


def _spellings(words: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """The conditions of the third way for the longest words, the likeliest and cheapest mistakes first."""
    meant = [[f"% {one}%" for one in likely_meant(word)] for word in words]
    conditions = " AND ".join(["search_text LIKE ANY(%s)"] * len(words))
    yield conditions, list(meant)
    for place, word in enumerate(words):
        if len(word) > _TRIGRAM + 1 and is_misspellable(word):
            asked = [*meant]
            asked[place] = [f"% {one} %" for one in one_letter_off(word)]
            yield conditions, list(asked)
    if all(is_misspellable(word) for word in words):
        yield " AND ".join(["%s <%% search_text"] * len(words)), list(words)


def _difference(words: Sequence[str], text: str, apart: dict[tuple[str, str], float]) -> float:
    """How far the words are from a contact's; ``apart`` keeps what two words are, for contacts share most of theirs."""
    there, total = text.split(), 0.0
    for word in words:
        least = 1.0
        for other in there:
            distance = apart.get((word, other))
            if distance is None:
                distance = apart[word, other] = word_distance(word, other)
            least = min(least, distance)
        total += least
    return total


@contextmanager
def _hurried(cursor: CursorWrapper, seconds: float) -> Iterator[list[tuple[int, str]]]:
    """Statements within are cut off after a moment, and what they would have found is then nothing."""
    answer: list[tuple[int, str]] = []
    try:
        with transaction.atomic():
            cursor.execute(_HURRY, [str(max(1, int(seconds * 1_000)))])
            ((before, _),) = cursor.fetchall()
            yield answer
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") != _CANCELLED:
            raise
        answer.clear()


_HURRY: Final = """
WITH known AS MATERIALIZED (SELECT current_setting('statement_timeout') AS timeout)
SELECT timeout, set_config('statement_timeout', %s, true) FROM known
"""
_CANCELLED: Final = "57014"
