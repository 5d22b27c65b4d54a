"""Pinning contacts to a stage: a person's word, kept as a fact, that replaces the stage shown and nothing else."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext

from contacts.ingest.incoming import IncomingEvent, mint_message_id
from contacts.models import Contact, Event
from contacts.permissions import check_pin_stage
from contacts.selectors.pins import PINNED, UNPINNED, Pin, last_pin_fact, pins_in_force, pins_of
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
    return _record(contact_ids, PINNED, {"stage": stage, "note": note, "until": until.isoformat()}, by=by, now=now)


def unpin_stage(*, contact_ids: Sequence[int], by: User, now: datetime) -> dict[int, int]:
    """Take back the pins that hold; contacts without one are left alone. Returns contact id -> id of the fact.

    Raises:
        PermissionDenied: ``by`` may not pin.
    """
    check_pin_stage(by)
    held = pins_in_force(contact_ids, at=now)
    return _record(list(held), UNPINNED, {}, by=by, now=now)


def undo_pin(*, contact_id: int, event_id: int, by: User, now: datetime) -> Pin | None:
    """Put the pin back to what it was before the fact ``event_id``, which must be the latest one; return what holds.

    Raises:
        PermissionDenied: ``by`` may not pin.
        CannotPin: somebody has said something else since.
    """
    check_pin_stage(by)
    with transaction.atomic():
        # One after the other for each contact: what was the latest fact stays it until this is recorded.
        Contact.objects.select_for_update(no_key=True).filter(pk=contact_id).first()
        latest = last_pin_fact(contact_id)
        if latest is None or latest.pk != event_id:
            raise CannotPin("", gettext("The pin was changed meanwhile; look at it again."))
        before = next((pin for pin in pins_of(contact_id, at=now) if pin.event_id != event_id), None)
        held_then = before is not None and (before.ended_at is None or before.ended_at >= latest.occurred_at)
        if before is not None and held_then and before.until > now:
            said = {"stage": before.stage, "note": before.note, "until": before.until.isoformat()}
            _record([contact_id], PINNED, said, by=by, now=now)
        else:
            _record([contact_id], UNPINNED, {}, by=by, now=now)
    return pins_in_force([contact_id], at=now).get(contact_id)


def _record(contact_ids: Sequence[int], kind: str, said: dict[str, str], *, by: User, now: datetime) -> dict[int, int]:
    present = Contact.objects.filter(pk__in=list(contact_ids), present=True).order_by("pk").values_list("pk", flat=True)
    events = [
        IncomingEvent(
            index=index, message_id=mint_message_id(), kind=kind, occurred_at=now, id=contact_id, properties=dict(said)
        )
        for index, contact_id in enumerate(present)
    ]
    if not events:
        return {}
    source = internal_source()
    record_events(source=source, events=events, received_at=now, by=by, system=True)
    facts = Event.objects.filter(source=source, dedupe_id__in=[event.message_id for event in events])
    return dict(facts.values_list("contact_id", "pk"))
