"""The conversation with a contact, as people log it: one place that records it, whatever page or call it comes from."""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Greatest
from django.utils.translation import gettext

from contacts.models import Contact
from contacts.permissions import check_log_activity
from contacts.services.record import record_fact
from funnel.conversation import ATTEMPTS, Said, problems_of
from funnel.enums import OPEN_STATES
from funnel.errors import WrongState
from funnel.models import Handoff
from funnel.moves import HELD_STATES
from funnel.permissions import check_work_handoff
from funnel.services.releasing import note_attempt


def log_activity(*, contact_id: int, said: Said, by: User, now: datetime, message_id: str | None = None) -> None:
    """Record an activity as a fact of the contact; where a rep holds the contact, it also counts for their handoff.

    An attempt to reach them ends the clock of the first attempt at once. A ``message_id`` that was used before changes
    nothing.

    Raises:
        PermissionDenied: a rep logs only on what is theirs.
        ValidationError: by field, what is missing or contradicts itself.
        Contact.DoesNotExist: nobody of that id is here any more.
        ValueError: it could not be recorded.
    """
    contact = Contact.objects.select_related("standing").get(pk=contact_id, present=True)
    check_log_activity(by, contact)
    _check(said)
    with transaction.atomic():
        held = _lock_held(contact_id)
        _record(said, contact_id=contact_id, handoff=held, by=by, now=now, message_id=message_id)


def log_on_handoff(*, handoff_id: int, said: Said, by: User, now: datetime, message_id: str | None = None) -> None:
    """Record an activity from its handoff.

    Raises:
        PermissionDenied: it is neither theirs nor do they lead Sales.
        Handoff.DoesNotExist: there is none of this id.
        WrongState: it is closed; what happens now is logged on the contact.
        ValidationError, ValueError: as ``log_activity``.
    """
    _check(said)
    with transaction.atomic():
        handoff = Handoff.objects.select_for_update(no_key=True).get(pk=handoff_id)
        check_work_handoff(by, handoff)
        if handoff.state not in OPEN_STATES:
            closed = handoff.get_state_display()
            raise WrongState(
                gettext("This handoff is %(closed)s: log what happens now on the contact's page.") % {"closed": closed}
            )
        # Of two that were merged, the one whose handoff it is.
        contact_id = handoff.origin_contact_id or handoff.contact_id
        _record(said, contact_id=contact_id, handoff=handoff, by=by, now=now, message_id=message_id)


def _check(said: Said) -> None:
    if problems := problems_of(said):
        raise ValidationError({name: [text] for name, text in problems.items()})


def _lock_held(contact_id: int) -> Handoff | None:
    """Lock the handoff that a rep holds of this contact: before the contact, as every move does."""
    rows = Handoff.objects.filter(contact_id=contact_id, state__in=HELD_STATES)
    return rows.select_for_update(no_key=True).first()


def _record(
    said: Said, *, contact_id: int, handoff: Handoff | None, by: User, now: datetime, message_id: str | None
) -> None:
    known_since = Contact.objects.values_list("source_at", flat=True).get(pk=contact_id)
    claimed_at = handoff.claimed_at if handoff is not None else None
    at = min(_after(said.occurred_at, known_since, claimed_at), now)
    record_fact(
        contact_id=contact_id,
        kind=said.activity.value,
        by=by,
        occurred_at=at,
        properties=said.properties(),
        message_id=message_id,
        now=now,
    )
    if handoff is None:
        return
    Handoff.objects.filter(pk=handoff.pk).update(last_activity_at=Greatest("last_activity_at", at))
    if said.activity.value in ATTEMPTS and claimed_at is not None and at >= claimed_at:
        note_attempt([handoff.pk], at=at)


def _after(moment: datetime, *marks: datetime | None) -> datetime:
    """Put what was written down as a whole minute behind the marks in that minute.

    People write down minutes. A call in the minute in which a contact turned to us, or was claimed, came after that; as
    the contact's earliest fact it would make us those who found them.
    """
    if moment.second or moment.microsecond:
        return moment
    within = [mark for mark in marks if mark is not None and moment <= mark < moment + timedelta(minutes=1)]
    return max(within) + timedelta(milliseconds=1) if within else moment
