"""Bytes to JSON values, so that one bad event never makes its neighbours unreadable.

The fast path is msgspec. It refuses the whole document for a NaN, a lone surrogate or deep nesting somewhere in it,
so a document it refuses is read again tolerantly: what JSON or PostgreSQL cannot hold becomes a `Flaw`, which
`limits.check` reports for the event that holds it.
"""

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

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
    """Stands for a value that cannot be stored; its text says why."""

    __slots__ = ()


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
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else Flaw("an integer beyond 64 bits")


def _float(digits: str) -> float | Flaw:
    value = float(digits)
    return value if value - value == 0 else Flaw("a number out of range")


def _constant(name: str) -> Flaw:
    return Flaw(f"{name}, which is not JSON")
