"""Companies written as resources: found or made by domain, changed by id."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper

from contacts.enums import SourceKind
from contacts.ingest.identifiers import normalise_company_name
from contacts.ingest.incoming import IncomingEvent, mint_message_id
from contacts.models import Company, Source
from contacts.permissions import check_create_contacts
from contacts.services.companies import (
    ATTRIBUTES,
    Companies,
    CompanyCall,
    CompanyRow,
    append_changes,
    lock_companies,
    record_companies,
)
from contacts.services.messages import write_due_of_companies
from contacts.services.record import MAX_ROUNDS, TooBusy
from contacts.services.rows import Item, Raced
from contacts.services.traits import lock_contacts, rename_companies
from contacts.services.wake import wake


class CompanyTaken(Exception):
    """Another company has this domain or, known by name alone, this name; ``field`` says which."""

    def __init__(self, field: str) -> None:
        super().__init__(f"Another company has this {field}.")
        self.field = field


def save_company(*, source: Source, by: User | None, given: dict[str, Any], now: datetime) -> tuple[int, bool]:
    """Create a company, or update the one of that domain (without: of that name); return its id, whether it is new.

    Raises:
        PermissionDenied: ``by`` may not edit all contacts, or the source is public.
        TooBusy: concurrent writers of the same companies were always first.
    """
    _check_writer(source, by)
    for _ in range(MAX_ROUNDS):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                known = set(_ids_of(given))
                message = IncomingEvent(index=0, message_id="", kind=None, occurred_at=now)
                call = CompanyCall(Item(message, None, mint_message_id(), []), given)
                outcome = record_companies(cursor, source=source, calls=[call], received_at=now)
                _follow(cursor, outcome)
        except Raced:
            continue
        return call.company_id, call.company_id not in known
    raise TooBusy


def change_company(*, company_id: int, source: Source, by: User | None, given: dict[str, Any], now: datetime) -> None:
    """Change what is known about a company, its domain and name included.

    Raises:
        PermissionDenied: ``by`` may not edit all contacts, or the source is public.
        CompanyTaken: its new domain or name is another's.
    """
    _check_writer(source, by)
    message = mint_message_id()
    changes = [CompanyRow(company_id, name, given[name], now, message) for name in ATTRIBUTES if name in given]
    outcome = Companies()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_companies(cursor, company_ids=[company_id])
            if "domain" in given:
                Company.objects.filter(pk=company_id).update(domain=given["domain"], updated_at=now)
            if given.get("name"):
                Company.objects.filter(pk=company_id).update(normalised_name=normalise_company_name(given["name"]))
            if changes:
                append_changes(cursor, source=source, changes=changes, received_at=now, outcome=outcome, by=by)
            _follow(cursor, outcome)
    except IntegrityError as error:
        raise CompanyTaken("name" if "company_by_name_once" in str(error) else "domain") from error


def _check_writer(source: Source, by: User | None) -> None:
    if by is not None:
        check_create_contacts(by)
    if source.kind == SourceKind.PUBLIC:
        raise PermissionDenied("A public source may not describe companies.")


def _ids_of(given: dict[str, Any]) -> list[int]:
    """Return the companies there are of this domain or name, before anything is written."""
    by_domain = Company.objects.filter(domain=given["domain"]) if given.get("domain") else Company.objects.none()
    name = normalise_company_name(given.get("name") or "")
    by_name = Company.objects.filter(normalised_name=name) if name else Company.objects.none()
    return [*by_domain.values_list("pk", flat=True), *by_name.values_list("pk", flat=True)]


def _follow(cursor: CursorWrapper, outcome: Companies) -> None:
    """Let those who are with the companies be found by the new name, and be judged again."""
    if outcome.renamed:
        lock_contacts(cursor, contact_ids=[], company_ids=outcome.renamed)
        rename_companies(cursor, company_ids=outcome.renamed)
    if outcome.changed:
        write_due_of_companies(cursor, companies=outcome.changed)
        wake("scoring.drain")
