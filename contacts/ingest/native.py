"""Ripen's own wire format: `POST /api/v1/events/` (API.md, "Events")."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from contacts.ingest import limits, times
from contacts.ingest.identifiers import contact_id, normalise_email, normalise_identifier
from contacts.ingest.incoming import (
    MESSAGE_ID_LENGTH,
    Batch,
    IncomingEvent,
    IngestionWarning,
    Refused,
    Rejected,
    TooLarge,
    Unreadable,
    digest,
)
from contacts.ingest.machines import suspicion
from contacts.ingest.traits import clean_text, clean_traits, name_company

MAX_CHANNEL_LENGTH: Final = 100
MAX_CAMPAIGN_LENGTH: Final = 255
MAX_KIND_LENGTH: Final = 64
KIND: Final = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_KIND_LENGTH - 1}}}")
_MESSAGE_IDS: Final = ("message_id", "messageId", "uuid")
_canonical: Final = msgspec.json.Encoder(order="sorted")

Warn = Callable[[str, str, str], None]


def read_events(document: Any, *, received_at: datetime) -> Batch:
    """Turn the JSON value of a request body, one event or ``{"events": [...]}``, into a batch.

    Raises:
        Unreadable: it is neither.
        TooLarge: over 1,000 events.
    """
    if not isinstance(document, dict):
        raise Unreadable("The body must be an event, or an object with “events”.")
    payloads = document.get("events", [document])
    if not isinstance(payloads, list):
        raise Unreadable("“events” must be an array.")
    return read_each(payloads, lambda index, payload, warn: read_event(index, payload, received_at, warn))


def read_each(payloads: Sequence[Any], read: Callable[[int, Any, Warn], IncomingEvent]) -> Batch:
    """Read each payload on its own, so that a bad one never sinks its neighbours.

    Raises:
        TooLarge: over 1,000 payloads.
    """
    if len(payloads) > limits.MAX_EVENTS:
        raise TooLarge(f"A batch holds at most {limits.MAX_EVENTS:,} events.")
    batch = Batch(payloads=payloads)
    odd: list[tuple[str, str, str]] = []

    def warn(code: str, field: str, message: str) -> None:
        odd.append((code, field, message))

    for index, payload in enumerate(payloads):
        odd.clear()
        try:
            event = read(index, payload, warn)
        except Refused as refused:
            batch.rejected.append(
                Rejected(
                    index=index,
                    message_id=shown_message_id(payload),
                    code=refused.code,
                    field=refused.field,
                    message=refused.message,
                )
            )
            continue
        batch.events.append(event)
        for code, field, message in odd:
            batch.warnings.append(
                IngestionWarning(index=index, message_id=event.message_id, code=code, field=field, message=message)
            )
    return batch


def shown_message_id(payload: Any) -> str:
    """Return the message id of a payload that may be anything, fit to be shown."""
    if not isinstance(payload, dict):
        return ""
    given = next((payload[key] for key in _MESSAGE_IDS if payload.get(key)), None)
    return given.encode("utf-8", "replace").decode()[:MESSAGE_ID_LENGTH] if isinstance(given, str) else ""


def read_event(index: int, payload: Any, received_at: datetime, warn: Warn) -> IncomingEvent:
    """Turn one payload into an event.

    Raises:
        Refused: with the first thing that is wrong with it.
    """
    if not isinstance(payload, dict):
        raise Refused("invalid_type", "", "An event is an object.")
    limits.check_value(payload, "")
    contact = read_object(payload, "contact")
    traits = read_object(payload, "traits")
    properties = read_object(payload, "properties")
    message_id = read_message_id(payload, "message_id")
    kind = read_kind(payload.get("kind"))
    return event_of(index, message_id, kind, payload.get("occurred_at"), contact, traits, properties, received_at, warn)


def event_of(
    index: int,
    message_id: str,
    kind: str,
    given_time: Any,
    contact: dict[str, Any],
    traits: dict[str, Any],
    properties: dict[str, Any],
    received_at: datetime,
    warn: Warn,
) -> IncomingEvent:
    """Put an event together from parts whose shape and limits are checked.

    Raises:
        Refused: with the first thing that is wrong with what they say.
    """
    body = _canonical.encode((kind, given_time, contact, traits, properties))
    check_size(body)
    occurred_at, odd = times.occurred(given_time, received_at=received_at)
    if odd:
        warn(odd, "occurred_at", times.WARNINGS[odd])
    names = read_names(contact, "contact", warn)
    if "email" in traits:
        traits = {**traits}
        email = traits.pop("email")
        if names.get("email") is None and email is not None and email != "":
            names["email"] = normalise_email(email, "traits.email")
    if not names:
        raise Refused("missing_identity", "contact", "Name the contact: id, external_id, email or anonymous_id.")
    cleaned = clean_traits(traits) if traits else {}
    if cleaned:
        name_company(cleaned, names.get("email"))
    return IncomingEvent(
        index=index,
        message_id=message_id,
        kind=kind,
        occurred_at=occurred_at,
        traits=cleaned,
        properties=properties,
        channel=origin_text(properties, "channel", MAX_CHANNEL_LENGTH),
        campaign=origin_text(properties, "campaign", MAX_CAMPAIGN_LENGTH),
        suspect_reason=suspicion(kind, properties),
        body_digest=digest(body),
        **names,
    )


def check_size(body: bytes) -> None:
    """Refuse an event whose canonical JSON is over 32 KB."""
    if len(body) > limits.MAX_EVENT_BYTES:
        raise Refused("event_too_large", "", f"An event holds at most {limits.MAX_EVENT_BYTES:,} bytes.")


def read_message_id(payload: dict[str, Any], field: str) -> str:
    """Return the message id, kept exactly as it was given."""
    value = payload.get(field)
    if value is None or value == "":
        raise Refused("required", field, "A message id is required; it makes sending again safe.")
    if not isinstance(value, str):
        raise Refused("invalid_type", field, "A message id is a text.")
    if len(value) > MESSAGE_ID_LENGTH:
        raise Refused("too_long", field, f"A message id holds at most {MESSAGE_ID_LENGTH} characters.")
    return value


def read_kind(value: Any) -> str:
    """Return an event kind: lower case Latin letters, digits and underscores, at most 64."""
    if value is None or value == "":
        raise Refused("required", "kind", "Say what happened: “kind” is required.")
    if not isinstance(value, str) or not KIND.fullmatch(value):
        raise Refused("invalid_kind", "kind", "A kind is 1 to 64 of a-z, 0-9 and _, beginning with a letter.")
    return value


def read_names(contact: dict[str, Any], field: str, warn: Warn) -> dict[str, Any]:
    """Return the usable identifiers of a contact.

    One that cannot name anybody is left out with a warning where another remains, and is the event's fault otherwise.

    Raises:
        Refused: ``illegal_identifier`` where none remains, ``invalid_email``, ``unknown_contact``.
    """
    names: dict[str, Any] = {}
    prefix = f"{field}." if field else ""
    if contact.get("id") is not None:
        names["id"] = contact_id(contact["id"], f"{prefix}id")
    email = contact.get("email")
    illegal: Refused | None = None
    if email is not None:
        names["email"] = normalise_email(email, f"{prefix}email")
    for name in ("external_id", "anonymous_id"):
        value = contact.get(name)
        if value is None:
            continue
        try:
            names[name] = normalise_identifier(value, prefix + name)
        except Refused as refused:
            if refused.code != "illegal_identifier":
                raise
            if illegal is not None:
                continue
            illegal = refused
    if illegal is not None:
        if not names:
            raise illegal
        warn(illegal.code, illegal.field, illegal.message)
    return names


def origin_text(holder: dict[str, Any], key: str, longest: int) -> str:
    """Return a text that says where a contact came from, cut to fit; ``""`` when it is none."""
    value = holder.get(key)
    return (clean_text(value[:longest], key, longest) or "") if isinstance(value, str) else ""


def read_object(payload: dict[str, Any], field: str) -> dict[str, Any]:
    """Return the object at ``field``, empty when it is left out; anything else is refused (``invalid_type``)."""
    value = payload.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused("invalid_type", field, f"“{field}” is an object.")
    return value
