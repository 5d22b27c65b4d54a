"""What a mistyped word may have meant: pure functions on single folded words.

The optimal string alignment distance counts inserted, missing, other and swapped neighbouring letters as one each
(Damerau 1964: four in five mistakes are one of these).
"""

from typing import Final

from rapidfuzz.distance import OSA

# Shorter words differ from too many others by a letter.
_SHORTEST: Final = 4
# Per word: one letter, and up to two of a long word, whose distance counts by its length.
MOST_DIFFERENT: Final = 0.26


def is_misspellable(word: str) -> bool:
    """Tell whether other spellings of the word are looked for: it has four letters and no digit."""
    return len(word) >= _SHORTEST and word.isalpha()


def likely_meant(word: str) -> list[str]:
    """Return the word, and what it is with two neighbours swapped or a letter left out: beginnings of words."""
    if not is_misspellable(word):
        return [word]
    places = range(len(word))
    swapped = (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places[:-1])
    without = (word[:at] + word[at + 1 :] for at in places)
    return list(dict.fromkeys([word, *swapped, *without]))


def one_letter_off(word: str) -> list[str]:
    """Return patterns (``_`` is any letter) of whole words with one letter changed or added, after the first."""
    places = range(1, len(word))
    changed = (f"{word[:at]}_{word[at + 1 :]}" for at in places)
    added = (f"{word[:at]}_{word[at:]}" for at in range(1, len(word) + 1))
    return list(dict.fromkeys([*changed, *added]))


def word_distance(word: str, other: str) -> float:
    """Return how far a typed word is from (the beginning of) another: 0 the same, 1 nothing alike."""
    if other.startswith(word):
        return 0.0
    begun = other[: len(word)]
    return min(OSA.normalized_distance(word, other), OSA.normalized_distance(word, begun) + 0.01)
