"""What a message says: built once from what was announced, and frozen. A fixed number of queries for any number.

The least that a receiver needs to find the person in its own records and to act: docs/webhooks.md describes each type.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import uuid_utils
from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from contacts.enums import IdentityKind
from contacts.models import Contact, Identity
from contacts.services.suppression import suppressed_among
from funnel.enums import AnnouncementType
from funnel.models import Announcement, Handoff, HandoffMove, HookMessage
from funnel.selectors.people import name_of
from scoring.models import Transition
from scoring.selectors import stage_labels
from scoring.services.sentences import StageReason, recorded_reasons

log = logging.getLogger(__name__)

TEST: Final = "hook.test"
_EVIDENCE: Final = ("sentence", "stage", "engagement", "fit", "questions", "definition")
_PAIR: Final = frozenset({AnnouncementType.CONTACT_MERGED, AnnouncementType.CONTACT_PARTED})


def new_message(
    kind: str, *, at: datetime, data: Mapping[str, Any], contact_ids: Sequence[int] = (), about: int | None = None
) -> HookMessage:
    """Return an unsaved message with an id of its own; ``about`` is the announcement's id."""
    said = {"type": kind, "timestamp": at, "data": data}
    return HookMessage(
        uid=f"msg_{uuid_utils.uuid7().hex}",
        type=kind,
        announcement_id=about,
        contact_ids=list(contact_ids),
        body=json.dumps(said, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":")),
        at=at,
    )


def build_messages(announcements: Sequence[Announcement], *, now: datetime) -> list[HookMessage]:
    """Return the (unsaved) messages of these announcements, each as things are now; whose contact is gone has none."""
    world = _World(announcements, now=now)
    messages = []
    for one in announcements:
        data = world.data_of(one)
        if data is not None:
            messages.append(new_message(one.type, at=one.at, data=data, contact_ids=contacts_of(one), about=one.pk))
    return messages


def contacts_of(announcement: Announcement) -> list[int]:
    """Return the ids of all contacts that an announcement speaks of, for when one of them is erased."""
    ids = {announcement.contact_id} if announcement.contact_id is not None else set()
    if announcement.type in _PAIR:
        ids |= {int(announcement.data[name]) for name in ("winner", "loser")}
    return sorted(ids)


class _World:
    """Everything that these announcements name, read at once."""

    def __init__(self, announcements: Sequence[Announcement], *, now: datetime) -> None:
        contact_ids = {one.contact_id for one in announcements if one.contact_id is not None}
        self.contacts = Contact.objects.in_bulk(contact_ids)
        told_to_write = {one.contact_id for one in announcements if one.type == AnnouncementType.STEP_DUE}
        self.suppressed = suppressed_among({row.email for row in self.contacts.values() if row.pk in told_to_write})
        self.external: dict[int, list[str]] = {}
        names = Identity.objects.filter(contact__in=contact_ids, kind=IdentityKind.EXTERNAL_ID).order_by("id")
        for contact_id, value in names.values_list("contact_id", "value"):
            self.external.setdefault(contact_id, []).append(value)
        handoff_ids = {one.handoff_id for one in announcements if one.handoff_id is not None}
        handoffs = Handoff.objects.select_related("contact__company", "claimed_by", "assigned_to")
        self.handoffs = {row.pk: row for row in handoffs.filter(pk__in=handoff_ids)}
        moves = HandoffMove.objects.filter(handoff__in=handoff_ids).select_related("by", "from_rep", "to_rep")
        self.moves = {(move.handoff_id, move.number): move for move in moves}
        transition_ids = {one.transition_id for one in announcements if one.transition_id is not None}
        changes = Transition.objects.select_related("definition").filter(pk__in=transition_ids)
        self.changes = {row.pk: row for row in changes}
        self.labels = stage_labels() if handoff_ids or transition_ids else {}
        moved = {row.contact_id for row in self.changes.values()}
        self.reasons = _reasons(sorted(moved), now=now)

    def data_of(self, one: Announcement) -> dict[str, Any] | None:
        """What is said, None where there is nobody any more to speak of."""
        if one.type == AnnouncementType.CONTACT_ERASED:
            return {"contact": {"id": one.data["id"]}}
        contact = None
        if one.contact_id is not None:
            contact = self.contacts.get(one.contact_id)
            if contact is None or contact.erased_at is not None:
                return None
            if one.type == AnnouncementType.STEP_DUE and contact.email in self.suppressed:
                return None
        if one.type in _PAIR:
            return dict(one.data)
        if one.handoff_id is not None:
            handoff = self.handoffs.get(one.handoff_id)
            return None if handoff is None else self._handoff_data(one, handoff)
        if one.type == AnnouncementType.STAGE_CHANGED and contact is not None:
            change = self.changes.get(one.transition_id or 0)
            return None if change is None else self._change_data(contact, change)
        return {**({"contact": self._contact(contact)} if contact else {}), **one.data}

    def _contact(self, contact: Contact) -> dict[str, Any]:
        external_ids = self.external.get(contact.pk, [])
        return {"id": str(contact.pk), "email": contact.email, "external_ids": external_ids}

    def _stage(self, key: str) -> dict[str, str] | None:
        return {"key": key, "label": self.labels.get(key, key)} if key else None

    def _change_data(self, contact: Contact, change: Transition) -> dict[str, Any]:
        reason = self.reasons.get(contact.pk)
        # Where it has moved on since, the present reason is not that of this change.
        sentence = reason.sentence if reason is not None and reason.stage_key == change.to_stage else ""
        label = self.labels.get(change.to_stage, change.to_stage)
        return {
            "contact": self._contact(contact),
            "transition": str(change.pk),
            "from": self._stage(change.from_stage),
            "to": self._stage(change.to_stage),
            "cause": change.cause,
            "sentence": sentence or f"{label}: {change.get_cause_display()}.",
            "definition": f"{change.definition.key}@{change.definition.version}",
            "effective_at": change.effective_at,
            "recorded_at": change.recorded_at,
        }

    def _handoff_data(self, one: Announcement, handoff: Handoff) -> dict[str, Any]:
        if "number" not in one.data:
            # Of no move: that it waits. Who has it is in the handoff, by name.
            said = {name: value for name, value in one.data.items() if name != "rep"}
            return {"handoff": self._handoff(handoff), **said}
        move = self.moves.get((handoff.pk, one.data["number"]))
        return {"handoff": self._handoff(handoff), "move": None if move is None else _move(move)}

    def _handoff(self, handoff: Handoff) -> dict[str, Any]:
        """The handoff as the API tells it, of its evidence only what the offer was made on in words and sums."""
        contact = handoff.contact
        return {
            "id": str(handoff.pk),
            "contact": {
                "id": str(contact.pk),
                "name": contact.display_name,
                "email": contact.email,
                "phone": contact.phone,
                "job_title": contact.job_title,
                "company": str(contact.company) if contact.company_id else None,
                "external_ids": self.external.get(contact.pk, []),
            },
            "state": handoff.state,
            "stage": self._stage(handoff.stage),
            "evidence": {key: handoff.evidence[key] for key in _EVIDENCE if key in handoff.evidence},
            "offered_at": handoff.offered_at,
            "claimed_by": _person(handoff.claimed_by),
            "assigned_to": _person(handoff.assigned_to),
            "claimed_at": handoff.claimed_at,
            "accepted_at": handoff.accepted_at,
            "closed_at": handoff.closed_at,
            "due_at": handoff.due_at,
            "reason": handoff.reason,
            "note": handoff.note,
        }


def _move(move: HandoffMove) -> dict[str, Any]:
    return {
        "name": move.name,
        "number": move.number,
        "from": move.from_state or None,
        "to": move.to_state,
        "by": _person(move.by),
        "from_rep": _person(move.from_rep),
        "to_rep": _person(move.to_rep),
        "at": move.at,
        "reason": move.reason,
    }


def _person(user: User | None) -> dict[str, str] | None:
    return None if user is None else {"id": str(user.pk), "name": name_of(user), "email": user.email}


def _reasons(contact_ids: Sequence[int], *, now: datetime) -> dict[int, StageReason]:
    """Why each stands where it stands; nobody's explanation is worth that nobody is told."""
    if not contact_ids:
        return {}
    try:
        with transaction.atomic():
            return recorded_reasons(contact_ids=contact_ids, at=now)
    except Exception:
        log.exception("Webhooks go without sentences: they could not be made for %s contacts", len(contact_ids))
        return {}
