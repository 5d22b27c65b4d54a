"""Bytes to JSON values, so that one bad event never makes its neighbours unreadable.

The fast path is msgspec. It refuses the whole document for a NaN, a lone surrogate or deep nesting somewhere in it,
so a document it refuses is read again tolerantly: what JSON or PostgreSQL cannot hold becomes a `Flaw`, which
`limits.check` reports for the event that holds it.
"""

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final, Self

import msgspec

from contacts.ingest.incoming import TooLarge, Unreadable

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
# Deeper than any limit on an event, shallow enough for the parser's recursion.
_KEPT_DEPTH: Final = 64
_MAX_INTEGER_DIGITS: Final = 20
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_decoder: Final = msgspec.json.Decoder()


class Flaw(str):
    """Stands for a value that cannot be stored: its text says why, ``raw`` is the value as it came."""

    __slots__ = ("raw",)
    raw: str

    def __new__(cls, reason: str, raw: str) -> Self:
        """Stand for ``raw``, which cannot be stored for ``reason``."""
        flaw = super().__new__(cls, reason)
        flaw.raw = raw
        return flaw


def gunzip(data: bytes, limit: int = MAX_BODY_BYTES) -> bytes:
    """Unpack a gzip body of at most ``limit`` bytes.

    Raises:
        TooLarge: it unpacks to more; no more than the limit is ever held in memory.
        Unreadable: it is no gzip, or breaks off.
    """
    unpacked = bytearray()
    try:
        while data:
            # A gzip file may consist of several members, one after the other.
            member = zlib.decompressobj(_GZIP_WINDOW)
            unpacked += member.decompress(data, limit - len(unpacked) + 1)
            if len(unpacked) > limit or member.unconsumed_tail:
                raise TooLarge(f"The body unpacks to more than {limit} bytes.")
            if not member.eof:
                raise Unreadable("The gzip body breaks off.")
            data = member.unused_data.lstrip(b"\0")
    except zlib.error:
        raise Unreadable("The body is not valid gzip.") from None
    return bytes(unpacked)


def read_json(body: bytes) -> Any:
    """Return the JSON value of ``body``.

    Raises:
        TooLarge: it is longer than 4 MB.
        Unreadable: it is no JSON.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"The body is longer than {MAX_BODY_BYTES} bytes.")
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_tolerantly(body)


def write_json(value: Any) -> str:
    """Return JSON text that `read_json` reads as ``value`` again, with what cannot be stored left in it as it came.

    ASCII only, so that any column of text holds it.
    """
    flaws: list[Flaw] = []
    text = json.dumps(_with_marks(value, flaws))
    for place, flaw in enumerate(flaws):
        text = text.replace(f'"{_mark(place)}"', flaw.raw, 1)
    return text


def _with_marks(value: Any, flaws: list[Flaw]) -> Any:
    if isinstance(value, Flaw):
        flaws.append(value)
        return _mark(len(flaws) - 1)
    if isinstance(value, dict):
        return {key: _with_marks(item, flaws) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_marks(item, flaws) for item in value]
    return value


def _mark(place: int) -> str:
    return f"flaw {place} 7b1f4c5e-4f0a-4d0c-9a55-2f6d1c9f0e3b"


def _read_tolerantly(body: bytes) -> Any:
    text = body.decode("utf-8-sig", "surrogateescape")
    try:
        return json.loads(
            "".join(_without_depths(text)), parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except (ValueError, RecursionError):
        raise Unreadable("The body is not valid JSON.") from None


def _without_depths(text: str) -> Iterator[str]:
    """Yield ``text`` without what is nested deeper than the parser should go."""
    depth = start = 0
    for token in _TOKENS.finditer(text):
        character = token[0]
        if character in "[{":
            depth += 1
            if depth == _KEPT_DEPTH + 1:
                yield text[start : token.start()] + "null"
        elif character in "]}":
            depth -= 1
            if depth == _KEPT_DEPTH:
                start = token.end()
    if depth <= _KEPT_DEPTH:
        yield text[start:]


def _integer(digits: str) -> int | Flaw:
    # Python refuses to read integers of thousands of digits; nothing near that length can be stored anyway.
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else Flaw("an integer beyond 64 bits", digits)


def _float(digits: str) -> float | Flaw:
    value = float(digits)
    return value if value - value == 0 else Flaw("a number out of range", digits)


def _constant(name: str) -> Flaw:
    return Flaw(f"{name}, which is not JSON", name)
