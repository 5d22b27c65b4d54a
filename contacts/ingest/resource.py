"""Contacts and companies as the REST API writes them: a JSON body becomes one message without an event."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from contacts.ingest import limits
from contacts.ingest.identifiers import normalise_domain
from contacts.ingest.incoming import IncomingEvent, Refused, mint_message_id
from contacts.ingest.native import check_size, read_names
from contacts.ingest.traits import (
    ANSWER_COLUMNS,
    COMPANY_TEXTS,
    READ_ONLY,
    TEXT_COLUMNS,
    clean_company,
    clean_traits,
    name_company,
)

_NAMES: Final = ("email", "external_id", "anonymous_id")
_WRITABLE: Final = frozenset(
    {*_NAMES, *TEXT_COLUMNS, *ANSWER_COLUMNS, "details_confirmed", "company", "attributes"},
)
_READ_ONLY: Final = READ_ONLY | {"identities", "created_at", "updated_at"}
_COMPANY_WRITABLE: Final = frozenset({*COMPANY_TEXTS, "domain", "employees"})
_COMPANY_READ_ONLY: Final = frozenset({"id", "created_at", "updated_at"})


def read_contact(body: Any, *, now: datetime, contact_id: int | None = None) -> IncomingEvent:
    """Turn the body of a contact into a message: an upsert, or with ``contact_id`` a change of that contact.

    Null and, in a change, the empty text clear a field.

    Raises:
        Refused: naming the field that is unknown, read-only or holds what it cannot.
    """
    _check_body(body, _WRITABLE, _READ_ONLY)
    given = dict(body)
    names = {name: given.pop(name) for name in _NAMES if name in given}
    traits = clean_traits(
        {name: None if value == "" and name in TEXT_COLUMNS else value for name, value in given.items()}, ""
    )
    if contact_id is not None and "email" in names and (names["email"] is None or names["email"] == ""):
        del names["email"]
        traits["email"] = None
    known = read_names(names, "", _ignore)
    if contact_id is None and not known:
        raise Refused("missing_identity", "email", "Name the contact: email or external_id.")
    if contact_id is not None and "email" in known:
        traits["email"] = known["email"]
    name_company(traits, known.get("email"))
    return IncomingEvent(
        index=0,
        message_id=mint_message_id(),
        kind=None,
        occurred_at=now,
        id=contact_id,
        traits=traits,
        **known,
    )


def read_company(body: Any, *, creating: bool) -> dict[str, Any]:
    """Return the cleaned body of a company.

    Raises:
        Refused: naming the field that is unknown, read-only, missing or holds what it cannot.
    """
    _check_body(body, _COMPANY_WRITABLE, _COMPANY_READ_ONLY)
    given = clean_company({name: None if value == "" else value for name, value in body.items()}, "") or {}
    if body.get("domain") and not normalise_domain(body["domain"]):
        raise Refused("invalid_domain", "domain", "This is not the domain of a company.")
    if creating and not given.get("domain") and not given.get("name"):
        raise Refused("missing_identity", "domain", "Name the company: domain, or at least name.")
    return given


def _check_body(body: Any, writable: frozenset[str], read_only: frozenset[str]) -> None:
    if not isinstance(body, Mapping):
        raise Refused("invalid", "", "The body is an object.")
    for name in body:
        if name in read_only:
            raise Refused("read_only", name, f"“{name}” cannot be set.")
        if name not in writable:
            raise Refused("unknown_field", str(name)[:80], "There is no such field; free ones go into attributes.")
    limits.check_value(dict(body), "")
    check_size(repr(body).encode("utf-8", "replace"))


def _ignore(code: str, field: str, message: str) -> None:
    """An unusable identifier beside a usable one is left out, as everywhere."""
