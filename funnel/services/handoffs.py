"""What people do with a handoff: claim, accept, return, win.

Each is one conditional UPDATE whose row count decides, and the fact that it leaves behind, in one transaction. Nothing
is read first and written later, so of any number of people at once exactly one succeeds.

Locks: the handoff, then the contact (by the fact), then its standing; the judgement takes contact, then standing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Coalesce

from contacts.enums import Answer
from contacts.models import Standing
from contacts.services.record import record_fact
from funnel.enums import HandoffState, ReturnReason
from funnel.errors import HandoffConflict, HandoffTaken, NotClaimable, WrongState
from funnel.models import Handoff
from funnel.moves import ACCEPT, CLAIM, RETURN, WIN, Move, fact_id
from funnel.permissions import check_claim, check_work_handoff, check_work_handoffs, leads_sales
from funnel.selectors.people import name_of
from funnel.selectors.stages import handoff_stages, stage_label

# What a return says about the contact: the gate it sets keeps the contact out of Sales' stages (PRODUCT.md, rule 5).
GATES_SET_BY_RETURN: dict[str, dict[str, str]] = {
    ReturnReason.NO_AUTHORITY: {"authority": Answer.NO.value},
    ReturnReason.NO_MEANS: {"means": Answer.NO.value},
}


def claim_handoff(*, handoff_id: int, by: User, now: datetime) -> Handoff:
    """Claim an offered handoff: ``by`` becomes its rep and the contact's owner.

    Raises ``PermissionDenied`` (role), ``Handoff.DoesNotExist``, ``HandoffTaken`` naming the winner, or
    ``NotClaimable`` when the contact has left the stages that are handed to Sales.
    """
    check_claim(by)
    ready = Exists(Standing.objects.filter(contact=OuterRef("contact"), stage__in=handoff_stages()))
    with transaction.atomic():
        # The state is compared on the row itself: having waited for another claim, PostgreSQL compares it again.
        claimed = Handoff.objects.filter(ready, pk=handoff_id, state__in=CLAIM.sources).update(
            state=CLAIM.target, claimed_by=by, claimed_at=now
        )
        if not claimed:
            raise _claim_refused(handoff_id, by=by)
        handoff = _record_move(CLAIM, handoff_id, by=by, now=now)
        _set_owner(handoff, by)
    return handoff


def accept_handoff(*, handoff_id: int, by: User, now: datetime) -> Handoff:
    """Accept a claimed handoff: its rep is in conversation with the contact.

    Raises ``PermissionDenied``, ``Handoff.DoesNotExist`` or ``WrongState``.
    """
    with transaction.atomic():
        _move(ACCEPT, handoff_id, by=by, changes={"accepted_at": now})
        return _record_move(ACCEPT, handoff_id, by=by, now=now)


def return_handoff(*, handoff_id: int, by: User, reason: str, note: str = "", now: datetime) -> Handoff:
    """Hand the contact back to Marketing for ``reason`` (a ``ReturnReason``), with an optional note.

    The fact carries the reason; the judgement does the cool-down. No authority and no means close that gate.
    Raises ``ValidationError`` (unknown reason), ``PermissionDenied``, ``Handoff.DoesNotExist`` or ``WrongState``.
    """
    if reason not in ReturnReason.values:
        raise ValidationError({"reason": f"Choose one of: {', '.join(ReturnReason.values)}."})
    said = {"reason": reason, "note": note.strip()}
    with transaction.atomic():
        _move(RETURN, handoff_id, by=by, changes={"closed_at": now, **said})
        handoff = _record_move(
            RETURN, handoff_id, by=by, now=now, properties=said, traits=GATES_SET_BY_RETURN.get(reason, {})
        )
        _set_owner(handoff, None)
    return handoff


def win_handoff(*, handoff_id: int, by: User, note: str, now: datetime) -> Handoff:
    """Close a handoff as won; the ``converted`` fact makes the contact a customer, as any other evidence would.

    ``note`` says what was won and is required. The rep stays the contact's owner. Raises ``ValidationError``,
    ``PermissionDenied``, ``Handoff.DoesNotExist`` or ``WrongState``.
    """
    if not note.strip():
        raise ValidationError({"note": "Say in a word what was won."})
    # Whoever wins has accepted, even where nobody pressed that button.
    changes = {"closed_at": now, "note": note.strip(), "accepted_at": Coalesce("accepted_at", Value(now))}
    with transaction.atomic():
        _move(WIN, handoff_id, by=by, changes=changes)
        return _record_move(WIN, handoff_id, by=by, now=now, properties={"note": note.strip()})


def _claim_refused(handoff_id: int, *, by: User) -> HandoffConflict:
    """Say why a claim changed nothing, from what the row says now."""
    handoff = Handoff.objects.select_related("claimed_by", "contact__standing").get(pk=handoff_id)
    if handoff.claimed_by is not None:
        return HandoffTaken(name_of(handoff.claimed_by), themselves=handoff.claimed_by == by)
    if handoff.state in CLAIM.sources:
        where = stage_label(handoff.contact.standing.stage) if hasattr(handoff.contact, "standing") else "unjudged"
        return NotClaimable(
            f"{handoff.contact.display_name} stands at {where} now, and only contacts handed to Sales can be claimed."
        )
    return NotClaimable(f"This offer is {handoff.get_state_display()} and cannot be claimed any more.")


def _move(move: Move, handoff_id: int, *, by: User, changes: dict[str, Any]) -> None:
    """Make ``move`` on a handoff that ``by`` may work, or raise why not."""
    check_work_handoffs(by)
    theirs = Q() if leads_sales(by) else Q(claimed_by=by)
    moved = Handoff.objects.filter(theirs, pk=handoff_id, state__in=move.sources).update(state=move.target, **changes)
    if not moved:
        handoff = Handoff.objects.get(pk=handoff_id)
        check_work_handoff(by, handoff)
        needed = " or ".join(HandoffState(state).label for state in move.sources)
        raise WrongState(f"This handoff is {handoff.get_state_display()}; to {move.name} it, it must be {needed}.")


def _record_move(
    move: Move,
    handoff_id: int,
    *,
    by: User,
    now: datetime,
    properties: Mapping[str, str] | None = None,
    traits: Mapping[str, str] | None = None,
) -> Handoff:
    """Record the fact that ``move`` leaves behind and return the handoff as it is now."""
    handoff = Handoff.objects.select_related("contact__company", "claimed_by").get(pk=handoff_id)
    record_fact(
        # Of two that were merged, the one whose handoff it is.
        contact_id=handoff.origin_contact_id or handoff.contact_id,
        kind=move.fact,
        by=by,
        occurred_at=now,
        properties={**(properties or {}), "handoff": str(handoff_id)},
        traits=dict(traits or {}),
        message_id=fact_id(move, handoff_id),
        system=True,
    )
    return handoff


def _set_owner(handoff: Handoff, owner: User | None) -> None:
    """Write the owner's copy on the standing; None gives the contact back to Marketing."""
    Standing.objects.filter(contact_id=handoff.contact_id).update(owner=owner)
