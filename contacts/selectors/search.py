"""Finding contacts by words of their name, e-mail address or company."""

from typing import Final

from contacts.models import Contact

SEARCH_CAP: Final = 1_000
MAX_TEXT: Final = 200


def search_words(text: str) -> list[str]:
    """Return the words of what somebody typed, in lower case; what cannot be stored is left out."""
    return text.replace("\0", "").lower().split()


def search_candidates(text: str, limit: int = SEARCH_CAP) -> tuple[tuple[int, ...], bool]:
    """Return the ids of at most ``limit`` contacts that match ``text``, and whether there are more.

    Every word must be found. A text without words matches nobody.
    """
    words = search_words(text)
    if not words:
        return (), False
    matching = Contact.objects.filter(present=True)
    for word in words:
        matching = matching.filter(search_text__contains=word)
    found = tuple(matching.values_list("pk", flat=True)[: limit + 1])
    return found[:limit], len(found) > limit
