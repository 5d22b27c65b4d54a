"""What an unmapped kind of event means: said by a person, it changes how everybody's history is judged."""

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.models import Kind
from contacts.permissions import check_manage_sources
from contacts.services.auditing import record_act
from contacts.services.wake import wake

# These change more than judgement, at the moment they are recorded: a mapping would leave the past without it.
CONSEQUENTIAL: Final = frozenset({"details_confirmed", "unsubscribed", "email_complained", "email_bounced"})

LOCK_KIND: Final = "SELECT id FROM contacts_kind WHERE id = %s FOR UPDATE"
COUNT_EVENTS: Final = """
SELECT count(*), count(DISTINCT contact_id) FROM contacts_event
WHERE kind_id = %s AND retracted_at IS NULL AND suspect_reason = ''
"""
INSERT_DUE_OF_KIND: Final = """
WITH touched AS MATERIALIZED (
    SELECT e.contact_id, min(e.occurred_at) AS occurred_at FROM contacts_event e
    WHERE e.kind_id = %s AND e.retracted_at IS NULL AND e.suspect_reason = '' GROUP BY e.contact_id
), held AS MATERIALIZED (
    SELECT c.id, t.occurred_at FROM touched t JOIN contacts_contact c ON c.id = t.contact_id AND c.present
    ORDER BY c.id FOR KEY SHARE OF c
)
INSERT INTO contacts_due (contact_id, occurred_at, queued_at) SELECT id, occurred_at, clock_timestamp() FROM held
"""


class CannotMap(Exception):
    """The kind cannot mean that; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a mapping touches: events that count, and the contacts they are of."""

    events: int
    contacts: int


def weight_of_kind(*, kind: Kind) -> Weight:
    """Return how much a mapping of ``kind`` re-weighs. Reads the whole event log once."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_EVENTS, [kind.pk])
        return Weight(*cursor.fetchone())


def possible_targets() -> list[Kind]:
    """Return the kinds that an unmapped one may mean, by name."""
    shipped = Kind.objects.filter(introduced_by=None, system=False).exclude(name__in=CONSEQUENTIAL)
    return list(shipped.order_by("name"))


def map_kind(*, kind: Kind, target: Kind, by: User) -> Kind:
    """Say that ``kind`` means ``target``: its events, past and future ones, are judged and limited as that.

    Everybody with such an event is due since the earliest of them.

    Raises:
        CannotMap: ``kind`` is a shipped one, or ``target`` is not, or nothing of its sort can be mapped to.
        PermissionDenied: ``by`` may not manage sources.
    """
    check_manage_sources(by)
    _check_own(kind)
    if target.introduced_by_id is not None:
        raise CannotMap(
            gettext("“%(kind)s” is no shipped kind; say what it means itself first.") % {"kind": target.name}
        )
    if target.system:
        raise CannotMap(
            gettext("“%(kind)s” is recorded by Ripen itself and never told from outside.") % {"kind": target.name}
        )
    if target.name in CONSEQUENTIAL:
        raise CannotMap(
            gettext(
                "“%(kind)s” changes what is known of a contact, or whether it may be written to, when it is recorded;"
                " no mapping can do that afterwards. Let the source send it under that name, or add its name to the"
                " source's names, which hold for what arrives from then on."
            )
            % {"kind": target.name}
        )
    return _change(kind, target=target, is_ignored=False, act=AuditAct.KIND_MAPPED, by=by)


def unmap_kind(*, kind: Kind, by: User) -> Kind:
    """Take a mapping, or the word that the kind means nothing, back: its events weigh nothing, and it is listed again.

    Raises:
        CannotMap: ``kind`` is a shipped one.
        PermissionDenied: ``by`` may not manage sources.
    """
    check_manage_sources(by)
    _check_own(kind)
    return _change(kind, target=None, is_ignored=False, act=AuditAct.KIND_UNMAPPED, by=by)


def ignore_kind(*, kind: Kind, by: User) -> Kind:
    """Say that ``kind`` means nothing: it is no longer listed for mapping, and a mapping of it ends.

    Raises:
        CannotMap: ``kind`` is a shipped one.
        PermissionDenied: ``by`` may not manage sources.
    """
    check_manage_sources(by)
    _check_own(kind)
    return _change(kind, target=None, is_ignored=True, act=AuditAct.KIND_IGNORED, by=by)


def _check_own(kind: Kind) -> None:
    if kind.introduced_by_id is None:
        raise CannotMap(gettext("“%(kind)s” is a shipped kind: it means what it says.") % {"kind": kind.name})


def _change(kind: Kind, *, target: Kind | None, is_ignored: bool, act: AuditAct, by: User) -> Kind:
    """Store what ``kind`` means now, and queue whom that concerns where it changes how events are judged."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_KIND, [kind.pk])
        kind.refresh_from_db(fields=["maps_to", "is_ignored"])
        is_changed = kind.maps_to_id != (target.pk if target else None)
        kind.maps_to, kind.is_ignored = target, is_ignored
        kind.save(update_fields=["maps_to", "is_ignored"])
        record_act(act, by=by, about=kind, target=target.name if target else "", source=kind.introduced_by_id)
        if is_changed:
            # With the change itself, so that no crash leaves it without its consequence ...
            cursor.execute(INSERT_DUE_OF_KIND, [kind.pk])
    if is_changed:
        with transaction.atomic(), connection.cursor() as cursor:
            # ... and once it is in force: what was being recorded meanwhile was in nobody's sight just now, and may
            # have been judged under the old meaning since.
            cursor.execute(INSERT_DUE_OF_KIND, [kind.pk])
            wake("scoring.drain")
    return kind
