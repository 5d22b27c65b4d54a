"""Guessing what the columns of a CSV file mean from their headers, when nobody wrote a mapping. Pure."""

import re
from collections.abc import Sequence

import msgspec

from contacts.ingest.csv import ERROR_COLUMN
from contacts.ingest.csv_mapping import ColumnRule, MappingDocument, slugify_header

# Best first; the share of certainty falls along the list.
_HEADERS: dict[str, tuple[str, ...]] = {
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


class Guess(msgspec.Struct, frozen=True):
    """What a column probably is. ``confidence`` from 0 (kept as an attribute for want of better) to 1."""

    column: str
    target: str
    confidence: float


def guess_columns(header: Sequence[str]) -> list[Guess]:
    """A target for every column; no target is given twice, the better match gets it."""
    wanted: list[tuple[float, int, str]] = []
    for place, name in enumerate(header):
        plain = " ".join(re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).casefold().split())
        for target, names in _HEADERS.items():
            if plain in names:
                wanted.append((1 - names.index(plain) * 0.05, place, target))
    chosen: dict[int, Guess] = {}
    given: set[str] = set()
    for confidence, place, target in sorted(wanted, key=lambda item: (-item[0], item[1])):
        if place not in chosen and target not in given:
            chosen[place] = Guess(header[place], target, round(confidence, 2))
            given.add(target)
    return [
        chosen.get(place) or Guess(name, f"attributes.{slugify_header(name)}", 0)
        for place, name in enumerate(header)
        if name != ERROR_COLUMN
    ]


def guess_mapping(header: Sequence[str]) -> MappingDocument:
    """The mapping document that ``guess_columns`` amounts to."""
    return MappingDocument(columns={guess.column: [ColumnRule(to=guess.target)] for guess in guess_columns(header)})
