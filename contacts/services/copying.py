"""Finished rows on their way to PostgreSQL by COPY, in its text format: the fastest way for many of them."""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db import connection
from django.db.backends.utils import CursorWrapper

NULL: Final = r"\N"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_encoder: Final = msgspec.json.Encoder()


def fields(texts: Sequence[str]) -> str:
    """Return texts as neighbouring fields; most need no escaping, which one look at all of them tells."""
    together = " ".join(texts)
    if together.isprintable() and "\\" not in together:
        return "\t".join(texts)
    return "\t".join([text.translate(_ESCAPES) for text in texts])


def json_field(value: Any) -> str:
    """Return a field that holds ``value`` as JSON, which has no tabs or line ends of its own."""
    return _encoder.encode(value).decode().replace("\\", "\\\\")


def json_fields(values: Sequence[Any]) -> list[str]:
    """Return a field for each of ``values``, as `json_field` does, at once: half of the time."""
    return _encoder.encode_lines(values).decode().replace("\\", "\\\\").split("\n")[:-1]


def moment_fields(moments: Sequence[datetime]) -> list[str]:
    """Return a field for each of ``moments``: the encoder writes them forty times as fast as ``isoformat``."""
    return _encoder.encode(moments).decode()[2:-2].split('","') if moments else []


class Moments(dict[datetime, str]):
    """Moments as text; those of a batch are few."""

    def __missing__(self, moment: datetime) -> str:
        text = self[moment] = moment.isoformat()
        return text


def copy_lines(cursor: CursorWrapper, sql: str, lines: Sequence[str]) -> None:
    """Send ``lines``, each with its line end, for the COPY statement ``sql``."""
    # Django wraps the errors of execute(), not those of COPY.
    with connection.wrap_database_errors:
        cursor.copy_expert(sql, io.StringIO("".join(lines)))
