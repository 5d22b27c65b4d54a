"""The consent ledger: the one place that appends to it, and the states that its readers act on."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import ConsentAction, ConsentBasis
from contacts.ingest.consent import State
from contacts.ingest.incoming import Refused, mint_message_id, name_uuid
from contacts.models import Contact, Purpose, Source, Suppression
from contacts.permissions import check_record_consent
from contacts.selectors.consent import ledger_states
from contacts.services.auditing import is_by_hand, record_act
from contacts.services.rows import as_json
from contacts.services.suppression import suppressed_among

_MESSAGES: Final = uuid.UUID("3f0e2a7c-5a35-5c86-9a0e-2b6a3d1c9f54")

INSERT_ENTRIES: Final = """
INSERT INTO contacts_consententry
    (contact_id, origin_contact_id, purpose_id, action, basis, at, recorded_at, proof, source_id, by_id, message)
SELECT r.contact_id, nullif(r.origin_id, r.contact_id), r.purpose_id, r.action, r.basis, r.at, %(now)s, r.proof,
    %(source)s, %(by)s, r.message
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(contact_id bigint, origin_id bigint, purpose_id bigint, action text,
    basis text, at timestamptz, proof jsonb, message uuid)
ON CONFLICT (message, purpose_id, action) DO NOTHING
"""
# What waits to be sent for a purpose that somebody has just withdrawn.
DROP_MAILS: Final = """
UPDATE contacts_mail m SET state = 'dropped', address = '', subject = '', body = '', headers = '{}', error = ''
FROM jsonb_to_recordset(%s::jsonb) AS r(contact_id bigint, purpose_id bigint, action text)
WHERE m.state = 'waiting' AND m.contact_id = r.contact_id AND m.purpose_id = r.purpose_id AND r.action = 'withdrawn'
"""
TOUCH: Final = "UPDATE contacts_contact SET updated_at = %s WHERE id = ANY(%s)"


class Entry(msgspec.Struct):
    """One row to append. ``origin_id`` is the contact whose word it was, where a merge made it another's."""

    contact_id: int
    origin_id: int
    purpose_id: int
    action: str
    basis: str
    at: datetime
    proof: dict[str, Any]
    message: str


class ConsentOf(msgspec.Struct, frozen=True):
    """What holds for one contact: by purpose what was said, and why nothing at all may be sent to its address."""

    states: Mapping[str, State]
    suppression: Suppression | None

    def state(self, purpose: str) -> State | None:
        """Return what holds for a purpose; a suppressed address holds no consent, whatever was granted before."""
        state = self.states.get(purpose)
        if state is not None and state.is_granted and self.suppression is not None:
            return State(ConsentAction.WITHDRAWN, state.basis, max(state.at, self.suppression.at))
        return state

    def rows(self) -> list[dict[str, Any]]:
        """Return what the contact JSON shows: purpose, state, basis and time of all that anything was said about."""
        known = ((purpose, self.state(purpose)) for purpose in sorted(self.states))
        return [
            {"purpose": purpose, "state": state.action, "basis": state.basis, "at": state.at}
            for purpose, state in known
            if state is not None
        ]


def consents_of(contacts: Sequence[Contact]) -> dict[int, ConsentOf]:
    """Return what holds for each of ``contacts``; three queries at most, however many they are."""
    states = ledger_states([contact.pk for contact in contacts])
    suppressed = suppressed_among({contact.email for contact in contacts})
    return {contact.pk: ConsentOf(states.get(contact.pk, {}), suppressed.get(contact.email)) for contact in contacts}


def record_consent(
    *,
    contact_id: int,
    purpose: str,
    action: str,
    proof: Mapping[str, Any],
    at: datetime,
    now: datetime,
    basis: str = "",
    by: User | None = None,
    source: Source | None = None,
    message: str = "",
    origin_id: int | None = None,
) -> bool:
    """Append what somebody said about a purpose to the ledger; tell whether it is new.

    Args:
        contact_id: whom it is about.
        purpose: the purpose's key.
        action: ``granted`` or ``withdrawn``.
        proof: how we know; never empty.
        at: when it was said.
        now: when it is recorded.
        basis: on which ground; without one, the purpose's own.
        by: the person who records it, where it is one.
        source: the integration or form that reports it, where it is one.
        message: what says it; the same message recorded again changes nothing.
        origin_id: whose word it was, where a merge has made that contact part of this one.

    Raises:
        PermissionDenied: ``by`` may not record consent of this contact.
        Refused: ``unknown_contact``, ``unknown_purpose``, ``invalid_choice``, ``required`` (proof), ``in_future``;
            ``suppressed``: nothing may be granted for an address that nothing is sent to.
    """
    if action not in ConsentAction.values:
        raise Refused("invalid_choice", "action", f"One of {', '.join(ConsentAction.values)}.")
    if basis and basis not in ConsentBasis.values:
        raise Refused("invalid_choice", "basis", f"One of {', '.join(ConsentBasis.values)}.")
    if not proof or not any(proof.values()):
        raise Refused("required", "proof", gettext("Say how you know: what they said, where and when."))
    if at > now:
        raise Refused("in_future", "at", gettext("That has not happened yet."))
    with transaction.atomic(), connection.cursor() as cursor:
        contact = Contact.objects.select_for_update(no_key=True).filter(pk=contact_id, present=True).first()
        if contact is None:
            raise Refused("unknown_contact", "contact", gettext("No contact has this id."))
        if by is not None:
            check_record_consent(by, contact)
        about = find_purpose(purpose)
        if action == ConsentAction.GRANTED and suppressed_among([contact.email]):
            raise Refused(
                "suppressed", "action", gettext("Nothing is sent to this address, so nothing can be granted for it.")
            )
        entry = Entry(
            contact.pk,
            origin_id or contact.pk,
            about.pk,
            action,
            basis or about.basis,
            at,
            dict(proof),
            message or mint_message_id(),
        )
        is_new = write_entries(cursor, entries=[entry], source=source, by=by, now=now) > 0
        if is_new and is_by_hand(by):
            record_act(AuditAct.CONSENT_RECORDED, by=by, about=contact, purpose=purpose, action=action)
        return is_new


def write_entries(
    cursor: CursorWrapper, *, entries: Sequence[Entry], source: Source | None, by: User | None, now: datetime
) -> int:
    """Append entries whose contacts are locked, and drop mails that wait for a withdrawn purpose; three statements.

    Returns how many entries are new.
    """
    if not entries:
        return 0
    rows = as_json(entries)
    given: dict[str, Any] = {
        "rows": rows,
        "now": now,
        "source": source.pk if source else None,
        "by": by.pk if by else None,
    }
    cursor.execute(INSERT_ENTRIES, given)
    appended: int = cursor.rowcount
    if appended:
        cursor.execute(DROP_MAILS, [rows])
        cursor.execute(TOUCH, [now, sorted({entry.contact_id for entry in entries})])
    return appended


def find_purpose(key: str) -> Purpose:
    """Return the purpose of that key.

    Raises:
        Refused: ``unknown_purpose``.
    """
    found = Purpose.objects.filter(key=key).first() if key and "\0" not in key else None
    if found is None:
        known = ", ".join(Purpose.objects.order_by("id").values_list("key", flat=True))
        raise Refused("unknown_purpose", "purpose", f"There is no such purpose; there are {known}.")
    return found


def message_uuid(source_id: int, message: str) -> str:
    """Return the id under which a source's message speaks in the ledger: its own is unique in its source only."""
    return name_uuid(_MESSAGES, f"{source_id}:{message}")


def permit_erasure(cursor: CursorWrapper) -> None:
    """Let the current transaction delete entries of the ledger, for a person who is erased; else none ever goes."""
    cursor.execute("SET LOCAL ripen.erasing = 'on'")
