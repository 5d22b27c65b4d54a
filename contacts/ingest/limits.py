"""What one event may hold: API.md's limits, and what PostgreSQL or JSON cannot store."""

from typing import Any, Final

from contacts.ingest.incoming import Refused
from contacts.ingest.reading import Flaw

MAX_EVENTS: Final = 1_000
MAX_EVENT_BYTES: Final = 32 * 1024
MAX_DEPTH: Final = 20
MAX_PROPERTIES: Final = 300
MAX_KEY_LENGTH: Final = 255
MAX_STRING_BYTES: Final = 8 * 1024
MAX_ARRAY_LENGTH: Final = 1_000
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1
# A character is at most four bytes of UTF-8: shorter strings need no counting.
SURELY_SHORT: Final = MAX_STRING_BYTES // 4


def check_value(value: Any, field: str, depth: int = 1) -> None:
    """Refuse the value, at any depth, that an event may not hold; ``field`` is its dotted path.

    Raises:
        Refused: naming the first field that is over a limit or cannot be stored.
    """
    if isinstance(value, str):
        _check_string(value, field)
    elif isinstance(value, dict):
        _check_object(value, field, depth)
    elif isinstance(value, list):
        if depth > MAX_DEPTH:
            raise Refused("too_deep", field, f"Nested deeper than {MAX_DEPTH} levels.")
        if len(value) > MAX_ARRAY_LENGTH:
            raise Refused("too_many_items", field, f"An array holds at most {MAX_ARRAY_LENGTH:,} items.")
        for position, item in enumerate(value):
            check_value(item, f"{field}.{position}", depth + 1)
    elif isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        raise Refused("invalid_number", field, "An integer beyond 64 bits cannot be stored.")


def _check_object(value: dict[str, Any], field: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Refused("too_deep", field, f"Nested deeper than {MAX_DEPTH} levels.")
    if len(value) > MAX_PROPERTIES:
        raise Refused("too_many_properties", field, f"An object holds at most {MAX_PROPERTIES} properties.")
    prefix = f"{field}." if field else ""
    for key, item in value.items():
        if len(key) > MAX_KEY_LENGTH:
            raise Refused("key_too_long", f"{prefix}{key[:40]}…", f"A key holds at most {MAX_KEY_LENGTH} characters.")
        if not key.isprintable():
            _check_string(key, field or "(key)")
        if type(item) is str:
            if len(item) > SURELY_SHORT or not item.isascii() or "\0" in item:
                _check_string(item, prefix + key)
        elif item is not None and type(item) is not bool:
            check_value(item, prefix + key, depth + 1)


def _check_string(value: str, field: str) -> None:
    if isinstance(value, Flaw):
        raise Refused("invalid_number", field, f"This value is {value}.")
    if "\0" in value:
        raise Refused("invalid_text", field, "A NUL character cannot be stored.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Refused("invalid_text", field, "The text holds a lone surrogate or is not UTF-8.") from None
    if size > MAX_STRING_BYTES:
        raise Refused("string_too_long", field, f"A string holds at most {MAX_STRING_BYTES:,} bytes.")
