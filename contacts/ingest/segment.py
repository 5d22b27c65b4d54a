"""The Segment spec, as Segment's and RudderStack's SDKs send it: track, identify, page, screen, group, alias."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

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
from contacts.ingest.traits import READ_ONLY, clean_employees, clean_traits, name_company

TYPES: Final = frozenset({"track", "identify", "page", "screen", "group", "alias"})
SHORT_TYPES: Final = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias"}

_TRAIT_NAMES: Final = {
    "firstName": "first_name",
    "firstname": "first_name",
    "lastName": "last_name",
    "lastname": "last_name",
    "title": "job_title",
    "jobTitle": "job_title",
    "jobtitle": "job_title",
    "position": "job_title",
    "phoneNumber": "phone",
    "detailsConfirmed": "details_confirmed",
}
_COMPANY_NAMES: Final = {
    "employee_count": "employees",
    "employeeCount": "employees",
    "numberOfEmployees": "employees",
    "website": "domain",
    "url": "domain",
}
_canonical: Final = msgspec.json.Encoder(order="sorted")


def read_body(document: Any, *, call: str, received_at: datetime, kind_names: Mapping[str, str]) -> Batch:
    """Turn the JSON value of a request body into a batch.

    Args:
        document: the body: one message, or an object with ``batch``.
        call: the type that the address named (``track``, ...), ``""`` for a batch address.
        received_at: the arrival.
        kind_names: the source's map of event names to kinds.

    Raises:
        Unreadable: it is neither.
        TooLarge: over 1,000 messages.
    """
    if not isinstance(document, dict):
        raise Unreadable("The body must be a message, or an object with “batch”.")
    payloads = document.get("batch", [document] if call or "type" in document else None)
    if not isinstance(payloads, list):
        raise Unreadable("“batch” must be an array of messages.")
    if len(payloads) > limits.MAX_EVENTS:
        raise TooLarge(f"A batch holds at most {limits.MAX_EVENTS:,} messages.")
    sent_at = times.read_time(document.get("sentAt"))
    shared = document.get("context") if "batch" in document else None
    batch = read_each(
        payloads,
        lambda index, payload, warn: read_message(
            index,
            payload,
            call=call,
            received_at=received_at,
            sent_at=sent_at,
            kind_names=kind_names,
            shared_context=shared,
            warn=warn,
        ),
    )
    if "batch" in document:
        batch.shared = {key: document[key] for key in ("context", "sentAt") if document.get(key)}
    return batch


def write_key(document: Any) -> str:
    """Return the key that the body itself carries (``writeKey``), ``""`` when there is none."""
    key = document.get("writeKey") if isinstance(document, dict) else None
    return key if isinstance(key, str) else ""


def read_message(
    index: int,
    payload: Any,
    *,
    call: str,
    received_at: datetime,
    sent_at: datetime | None,
    kind_names: Mapping[str, str],
    shared_context: Any,
    warn: Warn,
) -> IncomingEvent:
    """Turn one message into an event, or into traits and identities (identify, group, alias).

    Raises:
        Refused: with the first thing that is wrong with it.
    """
    if not isinstance(payload, dict):
        raise Refused("invalid_type", "", "A message is an object.")
    limits.check_value(payload, "")
    limits.check_value(shared_context, "context")
    call = _type_of(payload, call)
    context = read_object(payload, "context") or (shared_context if isinstance(shared_context, dict) else {})
    traits, properties = read_object(payload, "traits"), read_object(payload, "properties")
    context_traits = _part(context, "traits")
    if call == "identify" and not traits:
        traits = context_traits  # RudderStack's SDKs put them there
    given_time = payload.get("timestamp") or payload.get("originalTimestamp")
    names = {name: payload.get(name) for name in ("userId", "anonymousId", "previousId", "groupId")}
    body = _canonical.encode(
        (call, payload.get("event"), payload.get("name"), given_time, names, traits, properties, context_traits)
    )
    check_size(body)
    body_digest = digest(body)
    message_id = (
        read_message_id(payload, "messageId")
        if payload.get("messageId")
        else made_up_id(body_digest, received_at if given_time is None else None)
    )
    own_sent_at = times.read_time(payload.get("sentAt")) or sent_at
    occurred_at, odd = times.occurred(given_time, received_at=received_at, sent_at=own_sent_at)
    if odd:
        warn(odd, "timestamp", times.WARNINGS[odd])
    known = _identities(call, payload, traits, context_traits, warn)
    cleaned = _cleaned_traits(call, payload, traits, known.get("email"), warn)
    campaign = _part(context, "campaign")
    kind = _kind_of(call, payload, kind_names)
    return IncomingEvent(
        index=index,
        message_id=message_id,
        kind=kind,
        occurred_at=occurred_at,
        traits=cleaned,
        properties=_properties_of(call, payload, properties, context),
        channel=origin_text(properties, "channel", MAX_CHANNEL_LENGTH)
        or origin_text(campaign, "source", MAX_CHANNEL_LENGTH),
        campaign=origin_text(campaign, "name", MAX_CAMPAIGN_LENGTH)
        or origin_text(properties, "campaign", MAX_CAMPAIGN_LENGTH),
        suspect_reason=suspicion(kind, properties, context),
        body_digest=body_digest,
        **known,
    )


def made_up_id(body_digest: int, received_at: datetime | None) -> str:
    """Return an id for a message without one: its content, and the minute of its arrival where it gives no time.

    A prompt retry is recognised, while the same thing done again later counts again.
    """
    return f"content:{body_digest}" + (f"{received_at:@%Y-%m-%dT%H:%M}" if received_at is not None else "")


def _part(holder: dict[str, Any], key: str) -> dict[str, Any]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _type_of(payload: dict[str, Any], call: str) -> str:
    given = call or payload.get("type")
    if not isinstance(given, str) or given not in TYPES:
        raise Refused("invalid_type", "type", "A message is track, identify, page, screen, group or alias.")
    return given


def _kind_of(call: str, payload: dict[str, Any], kind_names: Mapping[str, str]) -> str | None:
    if call in {"page", "screen"}:
        return "page_viewed"
    if call != "track":
        return None
    name = payload.get("event")
    if not isinstance(name, str) or not name.strip():
        raise Refused("required", "event", "A track message names its event.")
    mapped = kind_names.get(name) or kind_names.get(name.strip())
    if mapped:
        return read_kind(mapped)
    kind = slug(name)
    if not kind:
        raise Refused("invalid_kind", "event", "No kind can be made of this name; map it in the source's settings.")
    return kind


def _properties_of(
    call: str, payload: dict[str, Any], properties: dict[str, Any], context: dict[str, Any]
) -> dict[str, Any]:
    if call not in {"page", "screen"}:
        return properties if call == "track" else {}
    page = _part(context, "page")
    seen = {key: page[key] for key in ("url", "path", "referrer", "search", "title") if page.get(key)} | properties
    for key in ("name", "category"):
        if isinstance(payload.get(key), str) and key not in seen:
            seen[key] = payload[key]
    return seen


def _identities(
    call: str, payload: dict[str, Any], traits: dict[str, Any], context_traits: dict[str, Any], warn: Warn
) -> dict[str, Any]:
    names: dict[str, Any] = {}
    illegal: Refused | None = None
    for key, name in (("userId", "external_id"), ("anonymousId", "anonymous_id"), ("previousId", "previous_id")):
        if payload.get(key) is None or (name == "previous_id" and call != "alias"):
            continue
        try:
            names[name] = normalise_identifier(payload[key], key)
        except Refused as refused:
            if refused.code != "illegal_identifier":
                raise
            illegal = illegal or refused
    email, field = context_traits.get("email"), "context.traits.email"
    if call == "identify" and traits.get("email"):
        email, field = traits["email"], "traits.email"
    if email:
        names["email"] = normalise_email(email, field)
    elif "@" in names.get("external_id", ""):
        # Many sites use the address as the user id.
        try:
            names["email"] = normalise_email(names["external_id"], "userId")
        except Refused:
            pass
    if not names or set(names) == {"previous_id"}:
        raise illegal or Refused("missing_identity", "userId", "Name the contact: userId or anonymousId.")
    if call == "alias" and "previous_id" not in names:
        raise illegal or Refused("required", "previousId", "An alias names the previous id.")
    if illegal is not None:
        warn(illegal.code, illegal.field, illegal.message)
    return names


def _cleaned_traits(
    call: str, payload: dict[str, Any], traits: dict[str, Any], email: str | None, warn: Warn
) -> dict[str, Any]:
    if call == "group":
        company = read_company(traits, warn)
        if not company.get("name") and not company.get("domain"):
            company["name"] = normalise_identifier(payload.get("groupId"), "groupId")
        return clean_traits({"company": company})
    if call != "identify" or not traits:
        return {}
    return read_person(traits, "traits", email, warn)


def read_person(traits: Mapping[str, Any], field: str, email: str | None, warn: Warn) -> dict[str, Any]:
    """Return what an SDK's traits say, under the names that are recorded; the address itself is the caller's.

    The names that trackers use for our columns are known (``firstName``, ``title``, ``address.country``, ...).

    Raises:
        Refused: as `clean_traits`.
    """
    given = {_TRAIT_NAMES.get(name, name): value for name, value in traits.items() if name != "email"}
    for name in READ_ONLY & given.keys():
        # The spec itself has such traits (id), so they cannot fail the message.
        del given[name]
        warn("read_only", f"{field}.{name}", f"“{name}” cannot be set from outside; it was left out.")
    _split_name(given)
    address = given.pop("address", None)
    if isinstance(address, dict):
        if address.get("country") and "country" not in given:
            given["country"] = address["country"]
        given |= {f"address_{key}": value for key, value in address.items() if key != "country"}
    elif address is not None:
        given["address"] = address
    if isinstance(given.get("company"), dict):
        given["company"] = read_company(given["company"], warn)
    cleaned = clean_traits(given, field)
    name_company(cleaned, email)
    return cleaned


def _split_name(given: dict[str, Any]) -> None:
    name = given.get("name")
    if not isinstance(name, str) or "first_name" in given or "last_name" in given:
        return
    del given["name"]
    first, _, last = name.strip().partition(" ")
    given["first_name"], given["last_name"] = first, last.strip()


def read_company(traits: dict[str, Any], warn: Warn) -> dict[str, Any]:
    """Return what an SDK says of a company under our names; a head count that cannot be read is left out."""
    company: dict[str, Any] = {}
    for key, value in traits.items():
        name = _COMPANY_NAMES.get(key, key)
        if name not in company or key == name:
            company[name] = value
    address = company.get("address")
    if "country" not in company and isinstance(address, dict):
        company["country"] = address.get("country")
    try:
        clean_employees(company.get("employees"), "employees")
    except Refused:
        # Ranges ("51-200") are common here and no reason to lose the rest.
        del company["employees"]
        warn("invalid_number", "traits.company.employees", "The number of employees could not be read.")
    if company.get("country", "") is None:
        del company["country"]
    return company
