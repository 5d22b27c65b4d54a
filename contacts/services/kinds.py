"""Event kinds on the way in: the shipped ones, and those a source sends first."""

from collections.abc import Iterable, Mapping
from typing import Final

from django.db.backends.utils import CursorWrapper

from contacts.enums import FIRST_UNMAPPED_KIND_ID, SHIPPED_KINDS, Initiator, SourceKind
from contacts.ingest.incoming import IncomingEvent, Refused
from contacts.models import Source
from contacts.services.rows import KindRef

MAX_KINDS_OF_SOURCE: Final = 200
_LAST_KIND_ID: Final = 2**15 - 1
# Serialises the making of kinds, which is rare; any constant that nothing else uses.
_KINDS_LOCK: Final = 7_208_101

SHIPPED: Final[Mapping[str, KindRef]] = {
    kind.name: KindRef(kind.id, kind.name, kind.initiator.value, kind.system) for kind in SHIPPED_KINDS
}
# Readable by anybody who opens the page, so a public key may not report what only we can know.
NOT_FROM_PUBLIC: Final = frozenset({"purchased", "refunded", "churned", "details_confirmed"})

# A kind that was mapped is stored as what it was sent as, and means the other.
SELECT_KINDS: Final = """
SELECT k.name, k.id, coalesce(t.name, k.name), coalesce(t.initiator, k.initiator), k.system
FROM contacts_kind k LEFT JOIN contacts_kind t ON t.id = k.maps_to_id WHERE k.name = ANY(%s)
"""
COUNT_KINDS: Final = """
SELECT count(*) FILTER (WHERE introduced_by_id = %s), greatest(max(id) + 1, %s) FROM contacts_kind
"""
INSERT_KINDS: Final = """
INSERT INTO contacts_kind (id, name, initiator, reach, two_way, system, introduced_by_id)
SELECT %s + k.place - 1, k.name, '', '', false, false, %s
FROM unnest(%s::text[]) WITH ORDINALITY AS k(name, place)
RETURNING name, id, name, initiator, system
"""


def find_kinds(cursor: CursorWrapper, *, source: Source, events: Iterable[IncomingEvent]) -> dict[str, KindRef]:
    """Return the kinds that ``events`` name, by that name, making those that no source has sent before.

    A source introduces at most 200; names beyond that, and those a public source may not introduce, are missing from
    the answer. Shipped kinds cost no query.
    """
    names = dict.fromkeys(event.kind for event in events if event.kind is not None)
    kinds = {name: SHIPPED[name] for name in names if name in SHIPPED}
    unknown = [name for name in names if name not in kinds]
    if not unknown:
        return kinds
    cursor.execute(SELECT_KINDS, [unknown])
    kinds |= {row[0]: KindRef(*row[1:]) for row in cursor.fetchall()}
    unknown = [name for name in unknown if name not in kinds]
    if not unknown or source.kind == SourceKind.PUBLIC:
        return kinds
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_KINDS_LOCK])
    cursor.execute(SELECT_KINDS, [unknown])
    kinds |= {row[0]: KindRef(*row[1:]) for row in cursor.fetchall()}
    cursor.execute(COUNT_KINDS, [source.pk, FIRST_UNMAPPED_KIND_ID])
    introduced, first_id = cursor.fetchone()
    room = max(0, min(MAX_KINDS_OF_SOURCE - introduced, _LAST_KIND_ID - first_id + 1))
    unknown = [name for name in unknown if name not in kinds][:room]
    if unknown:
        cursor.execute(INSERT_KINDS, [first_id, source.pk, unknown])
        kinds |= {row[0]: KindRef(*row[1:]) for row in cursor.fetchall()}
    return kinds


def check_kind(name: str | None, kinds: Mapping[str, KindRef], *, source: Source, system: bool) -> KindRef | None:
    """Return the kind of that name, None for a message that is no event and has none.

    Raises:
        Refused: ``reserved_kind``, ``not_allowed`` (public source), ``too_many_kinds``.
    """
    if name is None:
        return None
    kind = kinds.get(name)
    if source.kind == SourceKind.PUBLIC and (
        kind is None or kind.initiator != Initiator.THEM or kind.name in NOT_FROM_PUBLIC
    ):
        raise Refused("not_allowed", "kind", f"A public source may not send “{name}”.")
    if kind is None:
        raise Refused("too_many_kinds", "kind", f"A source may introduce at most {MAX_KINDS_OF_SOURCE} kinds.")
    if kind.system and not system:
        raise Refused("reserved_kind", "kind", f"“{kind.name}” is recorded by Ripen itself.")
    return kind
