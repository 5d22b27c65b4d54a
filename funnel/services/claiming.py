"""Whoever takes a handoff: a rep claims it or the next, a leader gives it to somebody or takes it over.

Locks: what every move locks, then the rep who takes it (capacity.py).
"""

from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext

from contacts.audit import AuditAct, AuditThing
from contacts.permissions import SELLERS, roles_of
from contacts.services.auditing import audited
from funnel.errors import (
    HandoffConflict,
    HandoffTaken,
    KeptForAnother,
    LimitReached,
    NotClaimable,
    NothingToClaim,
    OthersClaiming,
    WrongState,
)
from funnel.models import Handoff
from funnel.moves import CLAIM, HELD_STATES, REASSIGN, TAKE_OVER, Move
from funnel.permissions import check_claim, check_lead_handoffs, leads_sales
from funnel.selectors.people import name_of
from funnel.selectors.queue import QUEUE_ORDER
from funnel.selectors.stages import handoff_stages, stage_label
from funnel.services.capacity import lock_capacities
from funnel.services.making import Moved, Which, make_moves


def claim_handoff(*, handoff_id: int, by: User, now: datetime) -> None:
    """Claim an offered handoff: ``by`` becomes its rep and the contact's owner.

    Raises ``PermissionDenied`` (role), ``Handoff.DoesNotExist``, ``HandoffTaken`` naming the winner,
    ``KeptForAnother``, ``LimitReached``, or ``NotClaimable`` when the contact has left the stages that are handed to
    Sales.
    """
    check_claim(by)
    condition, values = _claimable(by)
    rows = Which(f"id = %s AND {condition}", [handoff_id, *values])
    with transaction.atomic():
        moved = make_moves(CLAIM, rows, now=now, by=by, to_rep=by.pk)
        if not moved:
            raise _claim_refused(handoff_id, by=by)
        _check_room(by, moved[0], by=by)


def claim_next(*, by: User, only_kept: bool = False, now: datetime) -> int:
    """Claim the first offer of the queue that ``by`` may claim and that nobody else is taking; return its id.

    However many do so at once, nobody waits for another's claim and each gets one of their own. ``only_kept``: only of
    those that are kept for ``by``; so it is, too, where their limit leaves room for no others. Raises
    ``PermissionDenied`` (role), ``NothingToClaim``, ``OthersClaiming`` or ``LimitReached``.
    """
    check_claim(by)
    try:
        return _claim_first(by, only_kept=only_kept, now=now)
    except LimitReached:
        if only_kept or (kept := _try_first(by, only_kept=True, now=now)) is None:
            raise
        return kept


def _claim_first(by: User, *, only_kept: bool, now: datetime) -> int:
    # What others had locked at the first look may be free again, or the only ones that are left.
    for _ in range(2):
        if (found := _try_first(by, only_kept=only_kept, now=now)) is not None:
            return found
        if not _is_any_claimable(by, only_kept=only_kept):
            raise NothingToClaim(only_kept=only_kept)
    raise OthersClaiming


def _try_first(by: User, *, only_kept: bool, now: datetime) -> int | None:
    condition, values = _claimable(by, only_kept=only_kept)
    with transaction.atomic():
        moved = make_moves(
            CLAIM, Which(condition, values, first_by=QUEUE_ORDER), now=now, by=by, to_rep=by.pk, skip_locked=True
        )
        if not moved:
            return None
        _check_room(by, moved[0], by=by)
        return moved[0].handoff_id


_IS_ANY: Final = "SELECT EXISTS (SELECT FROM funnel_handoff WHERE {condition} AND state = ANY(%s))"


def _is_any_claimable(by: User, *, only_kept: bool) -> bool:
    """Tell whether an offer waits that ``by`` may claim, whoever is at it."""
    condition, values = _claimable(by, only_kept=only_kept)
    with connection.cursor() as cursor:
        cursor.execute(_IS_ANY.format(condition=condition), [*values, list(CLAIM.sources)])
        (found,) = cursor.fetchone()
    return bool(found)


@audited(AuditAct.HANDOFF_REASSIGNED, "handoff_id", thing=AuditThing.HANDOFF, keep=["to", "override"])
def reassign_handoff(
    *, handoff_id: int, by: User, to: User, override: bool = False, note: str = "", now: datetime
) -> None:
    """Give an open handoff to another rep: an offer is claimed by them, a claimed one changes hands as it is.

    Within their claim limit, unless ``override`` says otherwise. Raises ``PermissionDenied`` (leaders only),
    ``ValidationError`` where ``to`` does not work handoffs, ``Handoff.DoesNotExist``, ``LimitReached``,
    ``NotClaimable`` (an offer whose contact has left) or ``WrongState``.
    """
    check_lead_handoffs(by)
    if not roles_of(to) & SELLERS:
        raise ValidationError({"to": [gettext("%(to)s does not work handoffs.") % {"to": name_of(to)}]})
    with transaction.atomic():
        moved = _take(REASSIGN, handoff_id, by=by, to=to, note=note, now=now)
        if not override:
            _check_room(to, moved, by=by)


@audited(AuditAct.HANDOFF_TAKEN_OVER, "handoff_id", thing=AuditThing.HANDOFF)
def take_over_handoff(*, handoff_id: int, by: User, note: str = "", now: datetime) -> None:
    """Take an open handoff over: it becomes the leader's own, whatever they hold already.

    Raises ``PermissionDenied`` (leaders only), ``Handoff.DoesNotExist``, ``NotClaimable`` or ``WrongState``.
    """
    check_lead_handoffs(by)
    with transaction.atomic():
        _take(TAKE_OVER, handoff_id, by=by, to=by, note=note, now=now)


def _check_room(rep: User, moved: Moved, *, by: User) -> None:
    """Raise ``LimitReached`` where what the rep has just been given was too much; it is undone with the transaction.

    Asked after the change and under the rep's lock, so that several claims at once do not pass the limit together.
    """
    room = lock_capacities([rep.pk])[rep.pk]
    # What is kept for somebody has its room already.
    over = room.held > room.limit if moved.from_rep == rep.pk else room.is_over
    if over:
        raise LimitReached(name_of(rep), room.limit, themselves=rep == by)


def _claimable(by: User, *, only_kept: bool = False) -> tuple[str, list[Any]]:
    """What an offer must be for ``by`` to claim it beside being one, and the values of that."""
    stages = list(handoff_stages())
    if only_kept:
        return f"{_READY} AND assigned_to_id = %s", [stages, by.pk]
    # What is kept for somebody is theirs, or a leader's.
    if leads_sales(by):
        return _READY, [stages]
    return f"{_READY} AND (assigned_to_id IS NULL OR assigned_to_id = %s)", [stages, by.pk]


# The contact still stands where Sales may claim it; its value: the stages that are handed over. Written so that it is
# asked of one offer after the other, in the queue's order, and not of all of them before they are sorted.
_READY: Final = """(
    SELECT standing.stage FROM contacts_standing AS standing
    WHERE standing.contact_id = funnel_handoff.contact_id) = ANY(%s)"""


def _take(move: Move, handoff_id: int, *, by: User, to: User, note: str, now: datetime) -> Moved:
    # An offer is claimed by this, so it asks what a claim asks; what somebody works on stays in Sales' hands.
    rows = Which(
        f"id = %s AND CASE WHEN state = ANY(%s) THEN claimed_by_id <> %s ELSE {_READY} END",
        [handoff_id, list(HELD_STATES), to.pk, list(handoff_stages())],
    )
    moved = make_moves(move, rows, now=now, by=by, to_rep=to.pk, note=note.strip(), properties={"to": str(to.pk)})
    if not moved:
        raise _taking_refused(move, handoff_id, to)
    return moved[0]


def _taking_refused(move: Move, handoff_id: int, to: User) -> HandoffConflict:
    """Say why ``to`` could not be given the handoff, by what its row says now."""
    handoff = Handoff.objects.select_related("contact__standing").get(pk=handoff_id)
    if handoff.state not in move.sources:
        return WrongState(
            gettext("This handoff is %(state)s and cannot change hands any more.")
            % {"state": handoff.get_state_display()}
        )
    if handoff.state in HELD_STATES and handoff.claimed_by_id == to.pk:
        return WrongState(gettext("%(to)s has it already.") % {"to": name_of(to)})
    return _not_ready(handoff)


def _not_ready(handoff: Handoff) -> NotClaimable:
    standing = getattr(handoff.contact, "standing", None)
    where = stage_label(standing.stage) if standing else "unjudged"
    name = handoff.contact.display_name
    return NotClaimable(
        gettext("%(name)s stands at %(where)s now, and only contacts handed to Sales can be claimed.")
        % {"name": name, "where": where}
    )


def _claim_refused(handoff_id: int, *, by: User) -> HandoffConflict:
    """Say why a claim changed nothing, from what the row says now."""
    # Mostly somebody was faster; what the other answers need is loaded where they are given.
    handoff = Handoff.objects.select_related("claimed_by").get(pk=handoff_id)
    if handoff.claimed_by is not None:
        return HandoffTaken(name_of(handoff.claimed_by), themselves=handoff.claimed_by == by)
    if handoff.state not in CLAIM.sources:
        return NotClaimable(
            gettext("This offer is %(state)s and cannot be claimed any more.") % {"state": handoff.get_state_display()}
        )
    kept = handoff.assigned_to
    if kept is not None and kept != by and not leads_sales(by):
        return KeptForAnother(name_of(kept))
    return _not_ready(handoff)
