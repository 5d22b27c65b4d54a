"""PostHog's capture format, as its SDKs send it: events with a ``distinct_id``, and what they set on the person."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from contacts.ingest import limits, times
from contacts.ingest.identifiers import normalise_email, normalise_identifier, slug
from contacts.ingest.incoming import Batch, IncomingEvent, Refused, TooLarge, Unreadable, digest
from contacts.ingest.machines import suspicion
from contacts.ingest.native import (
    MAX_CAMPAIGN_LENGTH,
    MAX_CHANNEL_LENGTH,
    Warn,
    check_size,
    origin_text,
    read_each,
    read_kind,
    read_message_id,
    read_object,
)
from contacts.ingest.reading import gunzip, read_json
from contacts.ingest.segment import made_up_id, read_company, read_person
from contacts.ingest.traits import clean_traits

_ALIASES: Final = frozenset({"$create_alias", "$merge_dangerously"})
_VIEWS: Final = frozenset({"$pageview", "$screen"})
# Which of PostHog's groups are companies to us.
_COMPANY_GROUPS: Final = frozenset({"company", "organization", "organisation", "account", "customer"})
_PAGE: Final = {
    "$current_url": "url",
    "$pathname": "path",
    "$referrer": "referrer",
    "$title": "title",
    "$screen_name": "name",
    "$session_id": "session_id",
}
_KEYS: Final = frozenset({"token", "api_key"})
_PLUMBING: Final = _KEYS | {"distinct_id"}
_MESSAGE_IDS: Final = ("uuid", "message_id", "messageId")
# Shape alone, not version: trackers make up such ids, so one of them may name a visitor or somebody known.
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_GZIP: Final = b"\x1f\x8b"
_LONGEST_OFFSET: Final = timedelta(days=366)
_canonical: Final = msgspec.json.Encoder(order="sorted")


def unpack(body: bytes) -> Any:
    """Return the JSON value of a request body: plain, gzip whatever the headers say, or a form with ``data``.

    Browsers send the latter, with the JSON as it is or as Base64.

    Raises:
        TooLarge: over 4 MB.
        Unreadable: it is none of these.
    """
    if body[:2] == _GZIP:
        body = gunzip(body)
    if body[:5] == b"data=":
        try:
            text = parse_qs(body.decode(), max_num_fields=20, keep_blank_values=True)["data"][0].encode()
        except (ValueError, KeyError):
            raise Unreadable("The form cannot be read.") from None
        body = text
        if text[:1] not in b"[{":
            try:
                # A plus sign that was not escaped has become a space on the way.
                body = base64.b64decode(text.replace(b" ", b"+"), validate=True)
            except binascii.Error:
                raise Unreadable("“data” is neither JSON nor Base64.") from None
    return read_json(body)


def write_key(document: Any) -> str:
    """Return the key that the body carries: ``api_key`` or ``token``, outside or in its first event; else ``""``."""
    first = document[0] if isinstance(document, list) and document else document
    holders = [first, first.get("properties")] if isinstance(first, dict) else []
    for holder in holders:
        for name in ("api_key", "token"):
            key = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(key, str) and key:
                return key
    return ""


def read_body(document: Any, *, received_at: datetime, kind_names: Mapping[str, str]) -> Batch:
    """Turn the JSON value of a request body, an event, an array of them or ``{"batch": [...]}``, into a batch.

    Raises:
        Unreadable: it is none of these.
        TooLarge: over 1,000 events.
    """
    sent_at: datetime | None = None
    if isinstance(document, dict):
        sent_at = times.read_time(document.get("sent_at"))
        payloads = document.get("batch", [document] if "event" in document else None)
    else:
        payloads = document
    if not isinstance(payloads, list):
        raise Unreadable("The body must be an event, an array of events, or an object with “batch”.")
    if len(payloads) > limits.MAX_EVENTS:
        raise TooLarge(f"A batch holds at most {limits.MAX_EVENTS:,} events.")
    only_known: set[int] = set()
    batch = read_each(
        payloads,
        lambda index, payload, warn: read_event(
            index,
            payload,
            received_at=received_at,
            sent_at=sent_at,
            kind_names=kind_names,
            only_known=only_known,
            warn=warn,
        ),
    )
    batch.only_known = only_known
    if isinstance(document, dict) and "batch" in document and document.get("sent_at"):
        batch.shared = {"sent_at": document["sent_at"]}
    return batch


def read_event(
    index: int,
    payload: Any,
    *,
    received_at: datetime,
    sent_at: datetime | None,
    kind_names: Mapping[str, str],
    only_known: set[int],
    warn: Warn,
) -> IncomingEvent:
    """Turn one event into ours, or into traits and identities (``$identify``, ``$set``, ``$create_alias``, groups).

    What the library itself notes without being told to (``$autocapture``, ``$pageleave``, ...) becomes a message that
    is no event, unless the source's names say otherwise: nobody acted.

    Raises:
        Refused: with the first thing that is wrong with it.
    """
    if not isinstance(payload, dict):
        raise Refused("invalid_type", "", "An event is an object.")
    limits.check_value(payload, "")
    name = payload.get("event")
    if not isinstance(name, str) or not name.strip():
        raise Refused("required", "event", "An event has a name.")
    name = name.strip()
    properties = read_object(payload, "properties")
    said = {key: value for key, value in properties.items() if key not in _KEYS}
    body = _canonical.encode((name, payload.get("timestamp"), payload.get("distinct_id"), said, _person_parts(payload)))
    check_size(body)
    body_digest = digest(body)
    occurred_at = _occurred(payload, received_at, sent_at, warn)
    names = _names(name, payload, properties, warn)
    given = {key: _part(payload, properties, key) for key in ("$set", "$set_once")}
    if name == "$groupidentify":
        traits: dict[str, Any] = _group_traits(properties, warn)
        fills: dict[str, Any] = {}
        if "external_id" not in names and "email" not in names:
            only_known.add(index)
    else:
        email = given["$set"].get("email") or given["$set_once"].get("email")
        if email is not None and email != "":
            names["email"] = normalise_email(email, "$set.email")
        traits = read_person(_own(given["$set"]), "$set", names.get("email"), warn)
        traits |= {key: None for key in _unset(payload, properties, warn) if key not in traits}
        fills = read_person(_own(given["$set_once"]), "$set_once", names.get("email"), warn)
        fills = {
            key: value for key, value in fills.items() if value is not None and key not in traits and key != "company"
        }
    kind = _kind_of(name, kind_names)
    return IncomingEvent(
        index=index,
        message_id=_message_id(payload, properties, body_digest, received_at),
        kind=kind,
        occurred_at=occurred_at,
        traits=traits,
        fills=fills,
        properties=_properties_of(name, properties),
        channel=origin_text(properties, "utm_source", MAX_CHANNEL_LENGTH)
        or origin_text(properties, "channel", MAX_CHANNEL_LENGTH),
        campaign=origin_text(properties, "utm_campaign", MAX_CAMPAIGN_LENGTH)
        or origin_text(properties, "campaign", MAX_CAMPAIGN_LENGTH),
        suspect_reason=suspicion(kind, properties),
        body_digest=body_digest,
        **names,
    )


def _part(payload: dict[str, Any], properties: dict[str, Any], key: str) -> dict[str, Any]:
    """Return ``$set`` or ``$set_once``, which some libraries put beside the properties and some among them."""
    found: dict[str, Any] = {}
    for holder in (properties, payload):
        value = holder.get(key)
        if isinstance(value, dict):
            found |= value
        elif value is not None:
            raise Refused("invalid_type", key, f"“{key}” is an object.")
    return found


def _person_parts(payload: dict[str, Any]) -> list[Any]:
    return [payload.get(key) for key in ("$set", "$set_once", "$unset")]


def _own(traits: dict[str, Any]) -> dict[str, Any]:
    """Return the traits that somebody set, without those that the library itself adds (``$browser``, ...)."""
    return {name: value for name, value in traits.items() if not name.startswith("$")}


def _unset(payload: dict[str, Any], properties: dict[str, Any], warn: Warn) -> list[str]:
    given = payload.get("$unset") or properties.get("$unset") or []
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise Refused("invalid_type", "$unset", "“$unset” is an array of names.")
    return list(read_person(dict.fromkeys(given), "$unset", None, warn))


def _occurred(payload: dict[str, Any], received_at: datetime, sent_at: datetime | None, warn: Warn) -> datetime:
    given, offset = payload.get("timestamp"), payload.get("offset")
    if given is None and isinstance(offset, int | float) and not isinstance(offset, bool):
        # Milliseconds before the library sent it.
        return received_at - min(timedelta(milliseconds=max(0.0, min(float(offset), 1e12))), _LONGEST_OFFSET)
    own_sent_at = times.read_time(payload.get("sent_at")) or sent_at
    occurred_at, odd = times.occurred(given, received_at=received_at, sent_at=own_sent_at)
    if odd:
        warn(odd, "timestamp", times.WARNINGS[odd])
    return occurred_at


def _message_id(payload: dict[str, Any], properties: dict[str, Any], body_digest: int, received_at: datetime) -> str:
    for key in _MESSAGE_IDS:
        if payload.get(key):
            return read_message_id(payload, key)
    if properties.get("$insert_id"):
        return read_message_id(properties, "$insert_id")
    return made_up_id(body_digest, received_at if payload.get("timestamp") is None else None)


def _names(name: str, payload: dict[str, Any], properties: dict[str, Any], warn: Warn) -> dict[str, Any]:
    """Return whom the event names.

    PostHog has one space of ids for visitors and for people who are known, so ``previous_id`` carries the id as well:
    it finds whoever is known under it either way. An id of which nothing tells whether it is a visitor's names
    nobody else.
    """
    field = "distinct_id"
    given = payload.get("distinct_id")
    if given is None or given == "":
        given, field = properties.get("distinct_id"), "properties.distinct_id"
    if given is None:
        raise Refused("required", "distinct_id", "Name the contact: distinct_id.")
    distinct_id = normalise_identifier(given, field)
    if name in _ALIASES:
        alias = properties.get("alias")
        if alias is None or alias == "":
            raise Refused("required", "properties.alias", "An alias names the other distinct id.")
        other = normalise_identifier(alias, "properties.alias")
        # Libraries disagree on which of the two is the new one; what looks made up by a machine is the visitor.
        known, visitor = (distinct_id, other) if _UUID.fullmatch(other) and not _UUID.fullmatch(distinct_id) else (
            other, distinct_id
        )  # fmt: skip
        return {**_known(known), "previous_id": visitor}
    if name == "$identify":
        return {**_known(distinct_id), **_visitor(properties, distinct_id, warn), "previous_id": distinct_id}
    if _is_visitor(distinct_id, properties):
        return {"anonymous_id": distinct_id, "previous_id": distinct_id}
    if name == "$groupidentify" and distinct_id.startswith("$"):
        raise Refused("missing_identity", "distinct_id", "A group needs somebody who belongs to it: distinct_id.")
    if _UUID.fullmatch(distinct_id) and not _is_known(distinct_id, properties):
        return {"previous_id": distinct_id}
    return {**_known(distinct_id), "previous_id": distinct_id}


def _known(distinct_id: str) -> dict[str, str]:
    names = {"external_id": distinct_id}
    if "@" in distinct_id:
        # Many sites use the address as the id.
        try:
            names["email"] = normalise_email(distinct_id, "distinct_id")
        except Refused:
            pass
    return names


def _visitor(properties: dict[str, Any], distinct_id: str, warn: Warn) -> dict[str, str]:
    given = properties.get("$anon_distinct_id")
    if given is None or given in ("", distinct_id):
        return {}
    try:
        return {"anonymous_id": normalise_identifier(given, "properties.$anon_distinct_id")}
    except Refused as refused:
        if refused.code != "illegal_identifier":
            raise
        warn(refused.code, refused.field, refused.message)
        return {}


def _is_visitor(distinct_id: str, properties: dict[str, Any]) -> bool:
    return "@" not in distinct_id and (
        properties.get("$is_identified") is False
        or properties.get("$process_person_profile") is False
        or properties.get("$device_id") == distinct_id
    )


def _is_known(distinct_id: str, properties: dict[str, Any]) -> bool:
    return properties.get("$is_identified") is True or properties.get("$user_id") == distinct_id


def _group_traits(properties: dict[str, Any], warn: Warn) -> dict[str, Any]:
    if properties.get("$group_type") not in _COMPANY_GROUPS:
        return {}
    given = properties.get("$group_set")
    company = read_company(_own(given), warn) if isinstance(given, dict) else {}
    if not company.get("name") and not company.get("domain"):
        company["name"] = normalise_identifier(properties.get("$group_key"), "properties.$group_key")
    return clean_traits({"company": company}, "$group_set")


def _kind_of(name: str, kind_names: Mapping[str, str]) -> str | None:
    if name in kind_names:
        return read_kind(kind_names[name])
    if name in _VIEWS:
        return "page_viewed"
    if name.startswith("$"):
        return None
    kind = slug(name)
    if not kind:
        raise Refused("invalid_kind", "event", "No kind can be made of this name; map it in the source's settings.")
    return kind


def _properties_of(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return what somebody said of the event: the library's own notes stay out, but for those that name the page."""
    own = {key: value for key, value in properties.items() if not key.startswith("$") and key not in _PLUMBING}
    for key, ours in _PAGE.items():
        if properties.get(key) and ours not in own:
            own[ours] = properties[key]
    return own
