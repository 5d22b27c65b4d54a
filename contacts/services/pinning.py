"""Pinning contacts to a stage: a person's word, kept as a fact, that replaces the stage shown and nothing else."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext

from contacts.audit import AuditAct, AuditThing
from contacts.ingest.incoming import IncomingEvent, mint_message_id
from contacts.models import Contact, Event
from contacts.permissions import check_pin_stage
from contacts.selectors.pins import PINNED, UNPINNED, Pin, pin_facts, pins_in_force, read_pin
from contacts.services.auditing import record_act
from contacts.services.record import internal_source, record_events

MAX_NOTE: Final = 500
# A word that nobody has to repeat outlives its reason.
LONGEST: Final = timedelta(days=366)


class CannotPin(ValueError):
    """The pin cannot be set or taken back. ``field`` is what is wrong (``""``: nothing of the form), the text why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def pin_stage(
    *, contact_ids: Sequence[int], stage: str, note: str, until: datetime, by: User, now: datetime
) -> dict[int, int]:
    """Pin contacts to a stage until a moment; a pin that a contact had before gives way. One transaction.

    ``stage`` is a stage's key: the caller knows which the definition in force has. Only the stage shown is replaced:
    what follows from the judgement (handoffs, sequences, counts, may-we-write) goes on following it, and where one of
    the stage's gates is closed the pin is not shown. Returns contact id -> id of the fact. Contacts that are gone are
    left out.

    Raises:
        PermissionDenied: ``by`` may not pin.
        CannotPin: the note is missing or too long, or the end is no moment within a year from now.
    """
    check_pin_stage(by)
    note = note.strip()
    if not note:
        raise CannotPin("note", gettext("Say why: whoever sees the pin will ask."))
    if len(note) > MAX_NOTE or "\0" in note:
        raise CannotPin("note", gettext("A note holds at most %(most)s characters.") % {"most": MAX_NOTE})
    if not now < until <= now + LONGEST:
        raise CannotPin("until", gettext("A pin ends within a year from now."))
    said = {"stage": stage, "note": note, "until": until.isoformat()}
    with transaction.atomic():
        facts = _record(dict.fromkeys(contact_ids, said), by=by, now=now)
        _note(AuditAct.STAGE_PINNED, facts, by=by, stage=stage, until=until)
        return facts


def unpin_stage(*, contact_ids: Sequence[int], by: User, now: datetime) -> dict[int, int]:
    """Take back the pins that hold; contacts without one are left alone. Returns contact id -> id of the fact.

    Raises:
        PermissionDenied: ``by`` may not pin.
    """
    check_pin_stage(by)
    held = pins_in_force(contact_ids, at=now)
    with transaction.atomic():
        facts = _record(dict.fromkeys(held), by=by, now=now)
        _note(AuditAct.STAGE_UNPINNED, facts, by=by)
        return facts


def undo_pin(*, contact_id: int, event_id: int, by: User, now: datetime) -> Pin | None:
    """Put the pin back to what it was before the fact ``event_id``, which must be the latest one; return what holds.

    Raises:
        PermissionDenied: ``by`` may not pin.
        CannotPin: somebody has said something else since.
    """
    if not undo_pins(contact_ids=[contact_id], event_ids=[event_id], by=by, now=now):
        raise CannotPin("", gettext("The pin was changed meanwhile; look at it again."))
    return pins_in_force([contact_id], at=now).get(contact_id)


def undo_pins(*, contact_ids: Sequence[int], event_ids: Sequence[int], by: User, now: datetime) -> dict[int, int]:
    """Put the pins of contacts back to what they were before the facts ``event_ids``. One transaction.

    A contact of whose pin somebody has said something else since is left alone. Returns contact id -> id of the fact.

    Raises:
        PermissionDenied: ``by`` may not pin.
    """
    check_pin_stage(by)
    undone = set(event_ids)
    with transaction.atomic():
        # One after the other for each contact: what was the latest fact stays it until this is recorded.
        rows = Contact.objects.select_for_update(no_key=True).filter(pk__in=list(contact_ids), present=True)
        facts = pin_facts(list(rows.order_by("pk").values_list("pk", flat=True)))
        before = {key: _said_before(latest, now) for key, latest in facts.items() if latest[0].pk in undone}
        taken_back = _record(before, by=by, now=now)
        _note(AuditAct.PIN_UNDONE, taken_back, by=by)
        return taken_back


def _said_before(latest_first: Sequence[Event], now: datetime) -> dict[str, str] | None:
    """What the pin said before the latest fact, where it would still hold; None where there was none."""
    pin = read_pin(latest_first[1]) if len(latest_first) > 1 else None
    if pin is None or pin.until <= now:
        return None
    return {"stage": pin.stage, "note": pin.note, "until": pin.until.isoformat()}


def _note(act: AuditAct, facts: Mapping[int, int], *, by: User, **details: Any) -> None:
    if facts:
        about = (AuditThing.CONTACT, next(iter(facts))) if len(facts) == 1 else None
        record_act(act, by=by, about=about, number=len(facts), contacts=sorted(facts), **details)


def _record(said: Mapping[int, dict[str, str] | None], *, by: User, now: datetime) -> dict[int, int]:
    """Record of each contact what its pin says; None takes it back. Contacts that are gone are left out."""
    present = Contact.objects.filter(pk__in=list(said), present=True).order_by("pk").values_list("pk", flat=True)
    events = [
        IncomingEvent(
            index=index,
            message_id=mint_message_id(),
            kind=UNPINNED if said[contact_id] is None else PINNED,
            occurred_at=now,
            id=contact_id,
            properties=dict(said[contact_id] or {}),
        )
        for index, contact_id in enumerate(present)
    ]
    if not events:
        return {}
    source = internal_source()
    record_events(source=source, events=events, received_at=now, by=by, system=True)
    facts = Event.objects.filter(source=source, dedupe_id__in=[event.message_id for event in events])
    return dict(facts.values_list("contact_id", "pk"))
