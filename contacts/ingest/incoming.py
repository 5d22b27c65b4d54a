"""What every wire format is turned into before anything is stored."""

import hashlib
import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import uuid_utils

MESSAGE_ID_LENGTH: Final = 255
_CANONICAL_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SOURCES: Final = uuid.UUID("5b0f6a3e-6d0e-5a55-9f0c-6a1d8f5f2d11")


class Origin(msgspec.Struct, kw_only=True, frozen=True):
    """Where the sender says a contact came from, taken as it is; a blank channel means that nobody knows."""

    channel: str = ""
    direction: str = ""
    motion: str = ""


class IncomingEvent(msgspec.Struct, kw_only=True, gc=False):
    """One message, already validated, whichever wire format it came in.

    ``kind`` is None for a message that is no event (identify, group, alias): it carries identities and traits only.
    ``occurred_at`` is aware, in UTC and never later than the arrival. ``traits`` holds the names of Contact's
    columns, ``attributes.<key>`` for unknown ones and ``company`` (name, domain, industry, employees, country);
    None clears; ``fills`` holds more of these, which only fill what is empty (PostHog's ``$set_once``).
    ``previous_id`` names the same person under an older id (Segment's alias). ``body_digest`` (signed 64 bit) tells a
    repeated message from a conflicting one. ``origin`` goes before the source's own (imported files).
    ``suspect_reason`` says why a machine seems to have done it, where the message itself gives that away.
    """

    index: int
    message_id: str
    kind: str | None
    occurred_at: datetime
    id: int | None = None
    external_id: str | None = None
    email: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    traits: dict[str, Any] = {}
    fills: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    channel: str = ""
    campaign: str = ""
    origin: Origin | None = None
    suspect_reason: str = ""
    body_digest: int = 0


class Rejected(msgspec.Struct, kw_only=True):
    """One message that is not stored: which, why (``code``), where (``field``), and a sentence for a person."""

    index: int
    message_id: str
    code: str
    field: str
    message: str


class IngestionWarning(msgspec.Struct, kw_only=True):
    """Something about a stored message that its sender should know."""

    index: int
    message_id: str
    code: str
    field: str
    message: str


class Batch(msgspec.Struct, kw_only=True):
    """What a request body holds: the good messages, the bad ones, and what is odd about the good ones.

    ``only_known`` are the indexes of messages that make no contact: somebody must be known under their names.
    ``payloads`` are all messages as they came, ``shared`` what the body said for all of them at once.
    """

    events: list[IncomingEvent] = []
    rejected: list[Rejected] = []
    warnings: list[IngestionWarning] = []
    only_known: set[int] = set()
    payloads: Sequence[Any] = []
    shared: dict[str, Any] = {}


class Refused(Exception):
    """One message cannot be taken: ``code`` (snake_case), ``field`` (dotted path), ``message`` (for a person)."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.message = message


class Unreadable(Exception):
    """The whole body cannot be read (400)."""


class TooLarge(Exception):
    """The whole body is over a limit (413)."""


def digest(body: bytes) -> int:
    """Return the signed 64-bit BLAKE2b of a canonical message body."""
    return int.from_bytes(hashlib.blake2b(body, digest_size=8).digest(), "big", signed=True)


def dedupe_id(source_id: int, message_id: str) -> str:
    """Return what is unique in its source: the message id where it is a canonical UUID, else uuid5 of both, as text.

    "Canonical" is the lower-case form with hyphens, so that two texts never share an id by mere spelling.
    """
    if _CANONICAL_UUID.fullmatch(message_id):
        return message_id
    return name_uuid(_SOURCES, f"{source_id}:{message_id}")


def mint_message_id() -> str:
    """Return an id for a message of our own: a version 7 UUID, whose neighbours in time are neighbours in the index."""
    return str(uuid_utils.uuid7())


def name_uuid(namespace: uuid.UUID, name: str) -> str:
    """Return the text of a version 5 UUID (RFC 9562, 5.5), several times as fast as making the object first."""
    digits = hashlib.sha1(namespace.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
