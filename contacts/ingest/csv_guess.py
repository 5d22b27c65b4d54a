"""Guessing what the columns of a CSV file mean from their headers, when nobody wrote a mapping. Pure."""

import re
from collections.abc import Sequence

import msgspec

from contacts.ingest.csv import OWN_COLUMNS
from contacts.ingest.csv_mapping import (
    IDENTITY_TARGETS,
    ColumnRule,
    MappingDocument,
    What,
    is_target,
    slugify_header,
)

# Best first; the share of certainty falls along the list.
_CONTACT_HEADERS: dict[str, tuple[str, ...]] = {
    "email": ("email", "e mail", "email address", "e mail address", "work email", "business email", "mail"),
    "external_id": (
        "external id",
        "contact id",
        "customer id",
        "user id",
        "crm id",
        "prospect id",
        "lead id",
        "record id",
        "id",
    ),
    "first_name": ("first name", "firstname", "given name", "forename"),
    "last_name": ("last name", "lastname", "surname", "family name"),
    "full_name": ("full name", "name", "contact name", "contact"),
    "phone": ("phone", "phone number", "telephone", "work phone", "mobile", "mobile phone", "tel"),
    "job_title": ("job title", "jobtitle", "title", "position"),
    "role": ("role", "buying role"),
    "country": ("country", "country region", "contact country"),
    "means": ("means", "budget", "has budget"),
    "authority": ("authority", "has authority", "decision maker"),
    "details_confirmed": ("details confirmed", "confirmed"),
    "company.name": ("company", "company name", "organisation", "organization", "account name", "account", "employer"),
    "company.domain": ("company domain", "domain", "company website", "website", "web site"),
    "company.industry": ("industry", "company industry", "sector"),
    "company.employees": ("employees", "number of employees", "employee count", "company size", "headcount"),
    "company.country": ("company country", "account country"),
    "source.channel": ("lead source", "source", "original source", "channel", "source channel"),
    "source.campaign": ("campaign", "campaign name", "utm campaign"),
}
_EVENT_HEADERS: dict[str, tuple[str, ...]] = {
    "kind": ("kind", "event", "event name", "event type", "activity", "activity type", "type", "action"),
    "occurred_at": (
        *("occurred at", "timestamp", "event time", "event date", "happened at", "date", "time", "datetime"),
        *("date time", "activity date", "created at", "sent at", "original timestamp", "received at"),
    ),
    "message_id": ("message id", "messageid", "event id", "insert id", "event uuid", "uuid", "activity id"),
    "external_id": (
        "external id",
        "user id",
        "userid",
        "contact id",
        "customer id",
        "prospect id",
        "lead id",
        "crm id",
    ),
    "email": _CONTACT_HEADERS["email"],
    "anonymous_id": ("anonymous id", "anonymousid", "visitor id", "distinct id", "device id", "client id", "cookie id"),
}
_HEADERS: dict[What, dict[str, tuple[str, ...]]] = {"contacts": _CONTACT_HEADERS, "events": _EVENT_HEADERS}
# For want of a better match: how a header that means it may end.
_ENDINGS: dict[str, tuple[str, ...]] = {
    "external_id": ("id",),
    "occurred_at": ("date", "at", "time", "timestamp", "on"),
}
_BY_ENDING = 0.4


class Guess(msgspec.Struct, frozen=True):
    """What a column probably is. ``confidence`` from 0 (kept as an attribute for want of better) to 1."""

    column: str
    target: str
    confidence: float


def guess_columns(header: Sequence[str], what: What = "contacts") -> list[Guess]:
    """A target for every column but Ripen's own ones; no target is given twice, the better match gets it.

    A header that is itself a target, as in an export, means that: ``company.name``, ``attributes.plan``.
    """
    plain_names = [_plain(name) for name in header]
    wanted: list[tuple[float, int, str]] = []
    for place, plain in enumerate(plain_names):
        for target, names in _HEADERS[what].items():
            if plain in names:
                wanted.append((1 - names.index(plain) * 0.05, place, target))
    wanted += _by_endings(plain_names, {target for _, _, target in wanted}, what)
    # "id" is what other systems call their own.
    exact = {name: place for place, name in enumerate(header) if name != "id" and is_target(name, what)}
    chosen = {place: Guess(name, name, 1) for name, place in exact.items()}
    given = set(exact)
    for confidence, place, target in sorted(wanted, key=lambda item: (-item[0], item[1])):
        if place not in chosen and target not in given:
            chosen[place] = Guess(header[place], target, round(confidence, 2))
            given.add(target)
    part = "attributes" if what == "contacts" else "properties"
    return [
        chosen.get(place) or Guess(name, f"{part}.{slugify_header(name)}", 0)
        for place, name in enumerate(header)
        if not name.startswith(OWN_COLUMNS)
    ]


def guess_mapping(header: Sequence[str], what: What = "contacts") -> MappingDocument:
    """The mapping document that ``guess_columns`` amounts to."""
    return MappingDocument(
        columns={guess.column: [ColumnRule(to=guess.target)] for guess in guess_columns(header, what)}
    )


def _by_endings(plain_names: Sequence[str], given: set[str], what: What) -> list[tuple[float, int, str]]:
    """Who it is and, of events, when: what a file must say is looked for in the ends of headers too."""
    missing = [] if given.intersection(IDENTITY_TARGETS) else ["external_id"]
    if what == "events" and "occurred_at" not in given:
        missing.append("occurred_at")
    return [
        (_BY_ENDING, place, target)
        for target in missing
        for place, plain in enumerate(plain_names)
        if plain.rpartition(" ")[2] in _ENDINGS[target]
    ]


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).casefold().split())
