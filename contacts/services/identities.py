"""Which contact a message is about: resolving identities, and making contacts for those nobody knows."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from django.db.backends.utils import CursorWrapper

from contacts.enums import IdentityKind, SourceKind
from contacts.ingest.incoming import IncomingEvent, IngestionWarning, Refused, Rejected, name_uuid
from contacts.models import Source
from contacts.selectors.merges import ROOTS
from contacts.services.erased_names import find_erased
from contacts.services.rows import Item, Name, Raced, as_array, as_json

EXTERNAL: Final = IdentityKind.EXTERNAL_ID.value
EMAIL: Final = IdentityKind.EMAIL.value
ANONYMOUS: Final = IdentityKind.ANONYMOUS_ID.value

_ADDRESSES: Final = uuid.UUID("0f3c6d52-6b0c-5c0e-8f0f-3b1c0a7c9e42")

_BEFORE: Final = "before"
# By their values alone: one array costs a fraction of rows of kind and value, and few values have two kinds. What was
# known before anything in the batch happened is told in a word; it is nearly all of it, and moments are dear to read.
FIND_IDENTITIES: Final = f"""
SELECT i.kind, i.value, i.contact_id, i.origin_contact_id,
    CASE WHEN c.source_at < %(since)s THEN '{_BEFORE}' ELSE c.source_at::text END,
    CASE WHEN c.source_at >= %(since)s THEN c.source_message::text END,
    CASE WHEN i.seen_at <= %(since)s THEN '{_BEFORE}' ELSE i.seen_at::text END
FROM contacts_identity i JOIN contacts_contact c ON c.id = i.contact_id WHERE i.value = ANY(%(values)s::text[])
"""  # noqa: S608  constants only
# Whoever was merged away is found as whom it became, however many merges on.
FIND_CONTACTS: Final = ROOTS.format(more=", c.source_at, c.source_message::text")
FIND_HELD_KINDS: Final = """
SELECT contact_id, array_agg(DISTINCT kind::text) FROM contacts_identity WHERE contact_id = ANY(%s) GROUP BY contact_id
"""
ALLOCATE_IDS: Final = """
SELECT nextval(pg_get_serial_sequence('contacts_contact', 'id')) FROM generate_series(1, %s)
"""
INSERT_CONTACTS: Final = """
INSERT INTO contacts_contact (
    id, email, phone, first_name, last_name, job_title, role, country, attributes, search_text, source_channel,
    source_direction, source_motion, source_campaign, source_at, source_message, created_at, updated_at)
SELECT r.id, '', '', '', '', '', '', '', '{}', '', '', '', '', '', NULL, NULL, %s, %s
FROM unnest(%s::bigint[]) AS r(id)
"""
# In one order everywhere: two writers of the same names then wait for each other, never in a circle.
INSERT_IDENTITIES: Final = """
INSERT INTO contacts_identity (contact_id, origin_contact_id, kind, value, seen_at, source_id, created_at)
SELECT r.contact_id, r.origin_id, r.kind, r.value, r.seen_at, %s, %s
FROM jsonb_to_recordset(%s::jsonb) AS r(
    contact_id bigint, origin_id bigint, kind text, value text, seen_at timestamptz)
ORDER BY r.kind, r.value
ON CONFLICT (value, kind) DO NOTHING
"""
INSERT_SUGGESTIONS: Final = """
INSERT INTO contacts_mergesuggestion (contact_id, other_id, reason, source_id, created_at)
SELECT r.contact_id, r.other_id, r.reason, %s, %s
FROM jsonb_to_recordset(%s::jsonb) AS r(contact_id bigint, other_id bigint, reason text)
ORDER BY r.contact_id, r.other_id
ON CONFLICT (contact_id, other_id) DO NOTHING
"""


class Beginning(msgspec.Struct, gc=False):
    """When a known contact began, in event time."""

    at: datetime | None
    message: str | None

    def is_after(self, order: tuple[datetime, str]) -> bool:
        """Tell whether a message at ``order`` is an earlier beginning."""
        return self.at is None or self.message is None or order < (self.at, self.message)


# Of what was known before anything in a batch happened; when exactly does not matter to it.
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
BEGUN: Final = Beginning(LONG_AGO, "")


class _Identity(msgspec.Struct, gc=False):
    contact_id: int
    origin_id: int | None
    kind: str
    value: str
    seen_at: datetime | None


class _Suggestion(msgspec.Struct, gc=False):
    contact_id: int
    other_id: int
    reason: str


class Resolution(msgspec.Struct):
    """Whose the messages are, decided but not yet written. New contacts have negative ids until they are.

    ``origins`` holds the contact that a name was made for, where a merge has given the name to another.
    """

    owners: dict[Name, int] = {}
    origins: dict[Name, int] = {}
    by_id: dict[int, int] = {}
    beginnings: dict[int, Beginning] = {}
    addresses_seen: dict[str, datetime | None] = {}
    held: dict[int, set[str]] = {}
    new_names: list[Name] = []
    created: list[int] = []
    erased: set[Name] = set()
    suggestions: dict[tuple[int, int], str] = {}
    # The suggestions as written: real ids, the smaller one first.
    pairs: list[tuple[int, int]] = []
    warnings: list[IngestionWarning] = []
    rejected: list[Rejected] = []


def address_uuid(email: str) -> str:
    """Return the id under which the first appearance of an address is recorded, one for each address."""
    return name_uuid(_ADDRESSES, email)


def names_of(event: IncomingEvent) -> list[Name]:
    """Return the identities a message carries, strongest first."""
    names: list[Name] = []
    if event.external_id is not None:
        names.append((EXTERNAL, event.external_id))
    if event.email is not None:
        names.append((EMAIL, event.email))
    if event.anonymous_id is not None:
        names.append((ANONYMOUS, event.anonymous_id))
    return names


def resolve(cursor: CursorWrapper, *, source: Source, items: Sequence[Item]) -> Resolution:
    """Decide which contact each item is about, in the order they came; nothing is written, no lock is taken.

    Identifiers resolve id > external_id > email > anonymous_id. Where they name several known contacts the strongest
    gets the message and a merge suggestion is filed. An identifier that nobody knows joins the contact found by a
    weaker one, unless that contact is already known under another one at least as strong: then it is somebody else
    on the same device, or a decision for a person.

    What is said under a name belongs to the contact that the name was made for (``Item.origin_id``), and so does a new
    name that joins by it; the same goes for an id of a contact that was merged away.
    """
    found = Resolution()
    _look_up(cursor, items, found)
    public = source.kind == SourceKind.PUBLIC
    owners = found.owners
    for item in items:
        names, event = item.names, item.event
        if len(names) == 1 and names[0] in owners and event.id is None and event.previous_id is None:
            # By far the most common message: it has one name, and that is known.
            item.contact_id = owners[names[0]]
            item.origin_id = found.origins.get(names[0])
            continue
        try:
            _place(item, found, public=public)
        except Refused as refused:
            found.rejected.append(
                Rejected(
                    index=item.event.index,
                    message_id=item.event.message_id,
                    code=refused.code,
                    field=refused.field,
                    message=refused.message,
                )
            )
    return found


def _look_up(cursor: CursorWrapper, items: Sequence[Item], found: Resolution) -> None:
    wanted: dict[Name, None] = {}
    for item in items:
        for name in item.names:
            wanted[name] = None
        previous = item.event.previous_id
        if previous is not None:
            wanted.update({(EXTERNAL, previous): None, (ANONYMOUS, previous): None})
    if wanted:
        owners, beginnings, addresses_seen = found.owners, found.beginnings, found.addresses_seen
        since = min(item.event.occurred_at for item in items)
        values = as_array(list({value: None for _, value in wanted}))
        cursor.execute(FIND_IDENTITIES, {"since": since, "values": values})
        for kind, value, contact_id, origin_id, source_at, source_message, seen_at in cursor.fetchall():
            name = (kind, value)
            if name not in wanted:
                continue
            owners[name] = contact_id
            if origin_id is not None:
                found.origins[name] = origin_id
            beginnings[contact_id] = BEGUN if source_at == _BEFORE else Beginning(_moment(source_at), source_message)
            if kind == EMAIL:
                addresses_seen[value] = _moment(seen_at)
        if len(owners) < len(wanted):
            found.erased = find_erased(cursor, (name for name in wanted if name not in owners))
    asked = sorted({item.event.id for item in items if item.event.id is not None})
    if asked:
        cursor.execute(FIND_CONTACTS, [asked, asked])
        for asked_id, contact_id, source_at, source_message in cursor.fetchall():
            found.by_id[asked_id] = contact_id
            found.beginnings[contact_id] = Beginning(source_at, source_message)
    # Where all that is named is known, nobody gets another name.
    growing = sorted(_growing(items, found)) if len(found.owners) < len(wanted) else []
    if growing:
        cursor.execute(FIND_HELD_KINDS, [growing])
        found.held = {contact_id: set(kinds) for contact_id, kinds in cursor.fetchall()}


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    return LONG_AGO if text == _BEFORE else datetime.fromisoformat(text)


def _growing(items: Iterable[Item], found: Resolution) -> set[int]:
    """Return the known contacts that a message names together with a name nobody knows."""
    growing: set[int] = set()
    for item in items:
        if item.event.previous_id is None and all(name in found.owners for name in item.names):
            continue
        growing.update(found.owners[name] for name in item.names if name in found.owners)
        if item.event.id in found.by_id:
            growing.add(found.by_id[item.event.id])
    return growing


def _place(item: Item, found: Resolution, *, public: bool) -> None:
    owners = found.owners
    names = item.names
    known = [name for name in names if name in owners]
    if item.event.previous_id is None and item.event.id is None and known and len(known) == len(names):
        # Everything it names is known, mostly as one contact.
        item.contact_id = owners[known[0]]
        item.origin_id = found.origins.get(known[0])
        if len(known) > 1:
            _suggest(item, {owners[name] for name in known}, found)
        return
    previous = _previous_name(item, found)
    given_up = _names_given_up(item, previous, found)
    if not found.erased.isdisjoint((*names, *given_up)):
        raise Refused("erased", "contact", "Somebody of this name was erased at their own request and stays so.")
    named = {owners[name] for name in known}
    if previous is not None and previous in owners:
        named.add(owners[previous])
    if item.event.id is not None:
        if item.event.id not in found.by_id:
            raise Refused("unknown_contact", "contact.id", "No contact has this id.")
        target = found.by_id[item.event.id]
        item.origin_id = item.event.id if item.event.id != target else None
    elif known and not _is_somebody_else(owners[known[0]], known[0], names, found):
        target = owners[known[0]]
        item.origin_id = found.origins.get(known[0])
    elif not known and previous is not None and previous in owners:
        target = owners[previous]
        item.origin_id = found.origins.get(previous)
    else:
        target = -len(found.created) - 1
        found.created.append(target)
        found.held[target] = set()
    item.contact_id = target
    for name in [*names, *given_up]:
        if name not in owners:
            _attach(item, name, target, found, public=public)
    _suggest(item, named | {target}, found)


def _names_given_up(item: Item, previous: Name | None, found: Resolution) -> list[Name]:
    """Return the names that an alias gives up and nobody knows.

    Such an id may turn out to be either sort, so that of somebody with an external id is taken as both: else a chain of
    aliases would come out otherwise when its links arrive in another order.
    """
    if previous is None or previous in found.owners:
        return []
    return [previous] if item.event.external_id is None else [previous, (EXTERNAL, previous[1])]


def _previous_name(item: Item, found: Resolution) -> Name | None:
    """Return the name an alias gives up: as it is known, else as an anonymous id."""
    previous = item.event.previous_id
    if previous is None:
        return None
    return next(
        (name for name in ((EXTERNAL, previous), (ANONYMOUS, previous)) if name in found.owners), (ANONYMOUS, previous)
    )


def _is_somebody_else(owner: int, by: Name, names: Sequence[Name], found: Resolution) -> bool:
    if by == names[0]:
        return False
    held = found.held.get(owner, set())
    return bool(held & {EXTERNAL, EMAIL}) if by[0] == ANONYMOUS else EXTERNAL in held


def _attach(item: Item, name: Name, target: int, found: Resolution, *, public: bool) -> None:
    held = found.held.setdefault(target, set())
    if public and name[0] == EMAIL and EMAIL in held:
        # A public key must not give somebody's contact another address.
        _warn(item, "email_kept", "contact.email", "A public source cannot add a second e-mail address.", found)
        return
    found.owners[name] = target
    if item.origin_id is not None:
        found.origins[name] = item.origin_id
    found.new_names.append(name)
    held.add(name[0])
    if name[0] == EMAIL:
        found.addresses_seen[name[1]] = None


def _suggest(item: Item, contacts: set[int], found: Resolution) -> None:
    others = contacts - {item.contact_id}
    if not others:
        return
    for other in others:
        found.suggestions.setdefault(
            (item.contact_id, other), f"Named together by message {item.event.message_id}"[:255]
        )
    _warn(item, "merge_pending", "contact", "It names several known contacts; a merge suggestion was filed.", found)


def _warn(item: Item, code: str, field: str, message: str, found: Resolution) -> None:
    found.warnings.append(
        IngestionWarning(
            index=item.event.index, message_id=item.event.message_id, code=code, field=field, message=message
        )
    )


def write_identities(
    cursor: CursorWrapper,
    *,
    source: Source,
    items: Sequence[Item],
    found: Resolution,
    appearances: Mapping[str, Item],
    received_at: datetime,
    blank: bool = True,
) -> None:
    """Write the new contacts, names and suggestions, and put real ids in place of the negative ones.

    ``appearances`` holds the earliest message of each new address. ``blank`` False: the caller writes the new contacts
    themselves, as finished rows.

    Raises:
        Raced: a concurrent writer was first with one of the names.
    """
    real: dict[int, int] = {}
    if found.created:
        cursor.execute(ALLOCATE_IDS, [len(found.created)])
        real = dict(zip(found.created, (row[0] for row in cursor.fetchall()), strict=True))
        if blank:
            cursor.execute(INSERT_CONTACTS, [received_at, received_at, list(real.values())])
        for item in items:
            item.contact_id = real.get(item.contact_id, item.contact_id)
        found.created = list(real.values())
        found.owners = {name: real.get(owner, owner) for name, owner in found.owners.items()}
    if found.new_names:
        rows = [_identity(name, found, appearances) for name in found.new_names]
        cursor.execute(INSERT_IDENTITIES, [source.pk, received_at, as_json(rows)])
        if cursor.rowcount != len(rows):
            raise Raced
    if found.suggestions:
        pairs = {
            _in_order(real.get(one, one), real.get(other, other)): reason
            for (one, other), reason in found.suggestions.items()
        }
        suggestions = [_Suggestion(one, other, reason) for (one, other), reason in pairs.items()]
        cursor.execute(INSERT_SUGGESTIONS, [source.pk, received_at, as_json(suggestions)])
        found.pairs = sorted(pairs)


def _in_order(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)


def _identity(name: Name, found: Resolution, appearances: Mapping[str, Item]) -> _Identity:
    kind, value = name
    seen = appearances.get(value) if kind == EMAIL else None
    seen_at = seen.event.occurred_at if seen is not None else None
    return _Identity(found.owners[name], found.origins.get(name), kind, value, seen_at)
