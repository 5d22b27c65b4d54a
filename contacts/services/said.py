"""What messages say about their contacts, put together as rows: attributes, addresses, companies, beginnings."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

from contacts.enums import SourceKind
from contacts.ingest.identifiers import company_domain
from contacts.models import Source
from contacts.services.beginnings import beginnings_of, write_beginnings
from contacts.services.companies import Companies, CompanyCall
from contacts.services.identities import BEGUN, EMAIL, LONG_AGO, Resolution, address_uuid
from contacts.services.newcomers import are_many, write_newcomers
from contacts.services.rows import Item
from contacts.services.traits import (
    AttributeRow,
    lock_contacts,
    record_appearances,
    record_attributes,
    rename_companies,
)


def appearances_of(items: Iterable[Item], found: Resolution) -> dict[str, Item]:
    """Return the addresses that this batch shows earlier than anything before, each with its earliest message."""
    earliest: dict[str, Item] = {}
    seen = found.addresses_seen
    for item in items:
        address = item.event.email
        if address is None or seen.get(address) is LONG_AGO:
            continue
        if found.owners.get((EMAIL, address)) != item.contact_id:
            continue
        if found.origins.get((EMAIL, address)) != item.origin_id:
            # The address of one part of a merged contact, in a message of another part's.
            continue
        if address not in earliest or item.order < earliest[address].order:
            earliest[address] = item
    return {
        address: item
        for address, item in earliest.items()
        if (since := seen.get(address)) is None or item.event.occurred_at < since
    }


def company_calls(items: Iterable[Item], appearances: Mapping[str, Item]) -> list[CompanyCall]:
    """Return the messages' mentions of companies, and those that addresses make which are seen for the first time."""
    calls = [CompanyCall(item, item.event.traits["company"]) for item in items if item.event.traits.get("company")]
    for address, item in appearances.items():
        domain = company_domain(address)
        if domain and "company" not in item.event.traits:
            calls.append(CompanyCall(item, {"domain": domain, "address": address}))
    return calls


def said_of(
    items: Sequence[Item], *, found: Resolution, appearances: Mapping[str, Item], calls: Sequence[CompanyCall]
) -> set[int]:
    """Return whom `write_said` will hold, and whom it may hold as long as it is open which messages are a machine's."""
    spoken = {item.contact_id for item in items if item.event.traits or item.event.fills or _confirms(item)}
    begun = {item.contact_id for item in items if _is_beginning(item, found)}
    named = {item.contact_id for item in (*appearances.values(), *(call.item for call in calls))}
    return spoken | begun | named


def write_said(
    cursor: CursorWrapper,
    *,
    source: Source,
    items: Sequence[Item],
    found: Resolution,
    appearances: Mapping[str, Item],
    calls: Sequence[CompanyCall],
    companies: Companies,
    received_at: datetime,
) -> None:
    """Write what ``items`` say about their contacts, and what these begin with. No statement where nothing is said.

    Whoever exists already is locked first, with the contacts of companies that were renamed, in the order of ids.
    ``calls`` have found their companies.
    """
    rows = _attribute_rows(source, items, calls)
    first_seen = _appearance_rows(appearances, calls)
    changed = {row.contact_id for row in rows} | {row.contact_id for row in first_seen}
    known = found.beginnings
    human = (item for item in items if known.get(item.contact_id) is not BEGUN and not item.event.suspect_reason)
    beginnings = [item for item in _earliest(human) if _is_beginning(item, found)]
    if are_many(found.created):
        new = set(found.created)
        write_newcomers(
            cursor,
            contact_ids=found.created,
            rows=[row for row in (*rows, *first_seen) if row.contact_id in new],
            beginnings=beginnings_of((item for item in beginnings if item.contact_id in new), source=source),
            received_at=received_at,
        )
        rows = [row for row in rows if row.contact_id not in new]
        first_seen = [row for row in first_seen if row.contact_id not in new]
        beginnings = [item for item in beginnings if item.contact_id not in new]
        changed -= new
    locked = (changed | {item.contact_id for item in beginnings}) - set(found.created)
    if locked or companies.renamed:
        lock_contacts(cursor, contact_ids=sorted(locked), company_ids=companies.renamed)
    if beginnings:
        write_beginnings(cursor, source=source, items=beginnings)
    if first_seen:
        record_appearances(cursor, rows=first_seen, received_at=received_at)
    if changed:
        record_attributes(cursor, rows=rows, touched=first_seen, received_at=received_at)
    if companies.renamed:
        rename_companies(cursor, company_ids=companies.renamed)


def _attribute_rows(source: Source, items: Iterable[Item], calls: Iterable[CompanyCall]) -> list[AttributeRow]:
    weak = source.kind == SourceKind.PUBLIC
    rows: list[AttributeRow] = []
    for item in items:
        event = item.event
        if event.traits or event.fills:
            rows += [
                _said(item, name, value, source, weak=weak)
                for name, value in event.traits.items()
                if name != "company" or value is None
            ]
            rows += [_said(item, name, value, source, weak=True) for name, value in event.fills.items()]
        if _confirms(item) and not event.suspect_reason and "details_confirmed" not in event.traits:
            rows.append(_said(item, "details_confirmed", True, source, weak=weak))
    rows += [
        _said(call.item, "company", call.company_id, source, weak=weak) for call in calls if "address" not in call.given
    ]
    return rows


def _confirms(item: Item) -> bool:
    return item.kind is not None and item.kind.name == "details_confirmed"


def _said(item: Item, name: str, value: Any, source: Source, *, weak: bool) -> AttributeRow:
    return AttributeRow(
        item.contact_id, name, value, item.event.occurred_at, item.dedupe_id, source.pk, weak, item.origin_id
    )


def _appearance_rows(appearances: Mapping[str, Item], calls: Iterable[CompanyCall]) -> list[AttributeRow]:
    """Return what addresses tell by themselves: since when each is known, and whose company its domain suggests."""
    known = [(item, "email", address, address, False) for address, item in appearances.items()]
    suggested = [
        (call.item, "company", call.company_id, call.given["address"], True)
        for call in calls
        if "address" in call.given
    ]
    return [
        AttributeRow(
            item.contact_id, name, value, item.event.occurred_at, address_uuid(address), None, weak, item.origin_id
        )
        for item, name, value, address, weak in [*known, *suggested]
    ]


def _earliest(items: Iterable[Item]) -> Iterable[Item]:
    earliest: dict[int, Item] = {}
    for item in items:
        other = earliest.get(item.contact_id)
        if other is None or item.order < other.order:
            earliest[item.contact_id] = item
    return earliest.values()


def _is_beginning(item: Item, found: Resolution) -> bool:
    known = found.beginnings.get(item.contact_id)
    return known is None or known.is_after(item.order)
