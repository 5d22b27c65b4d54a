"""Rows on their way to PostgreSQL: one JSON parameter a statement, whatever the number of rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from contacts.ingest.incoming import IncomingEvent

# Kind and value of an identity.
Name = tuple[str, str]

_encoder: Final = msgspec.json.Encoder()


class Raced(Exception):
    """A concurrent writer made a row that this transaction was about to make: look again and start over."""


class KindRef(msgspec.Struct, frozen=True):
    """What recording needs to know about an event kind; of a mapped one, name and initiator of what it means."""

    id: int
    name: str
    initiator: str
    system: bool = False


class Item(msgspec.Struct, gc=False):
    """One message on its way in, with what has been found out about it. ``names`` are strongest first.

    ``origin_id`` is the contact that its strongest name was made for, where a merge has given that name to another.
    """

    event: IncomingEvent
    kind: KindRef | None
    dedupe_id: str
    names: list[Name]
    contact_id: int = 0
    origin_id: int | None = None

    @property
    def order(self) -> tuple[datetime, str]:
        """Place in event time; no two messages share one."""
        return self.event.occurred_at, self.dedupe_id


def as_json(rows: Any) -> str:
    """Return rows as the text of one JSON parameter, for ``jsonb_to_recordset``."""
    return _encoder.encode(rows).decode()


def as_array(texts: Sequence[str]) -> str:
    """Return texts as one array parameter: a list would be one more constant to parse for each."""
    together = '","'.join(texts)
    if "\\" in together or together.count('"') != 2 * (len(texts) - 1):
        together = '","'.join(text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return f'{{"{together}"}}' if texts else "{}"
