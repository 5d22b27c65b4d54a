"""Handoffs whose rep cannot see to them go to others: whoever has left, and what is not begun by whoever is away.

Somebody has left when their account is deactivated or they no longer have a role in Sales. All that they held goes. Of
somebody who is away it is what they have not begun: offers kept for them, and claimed ones without an attempt; a
conversation that is under way stays theirs, for a manager to reassign.

Locks: contacts first (as the judgement and the drains do), then handoffs, then reps.
"""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from contacts.models import Contact
from contacts.permissions import SELLERS
from funnel.enums import OPEN_STATES, HandoffState, ReleaseReason
from funnel.models import Handoff
from funnel.moves import ASSIGN, HELD_STATES, RELEASE
from funnel.selectors.working import away_since
from funnel.services.consequences import lock_contacts
from funnel.services.making import make_moves
from funnel.services.routing import route


def release_all_of(user: User, *, by: User | None = None, now: datetime) -> int:
    """Let go of everything that ``user``, who leaves, holds or is to claim; return how many handoffs that were.

    ``by``: who saw to their leaving. The sweep does the same a moment later for whoever was forgotten.
    """
    theirs = Q(claimed_by=user, state__in=HELD_STATES) | Q(assigned_to=user, state=HandoffState.OFFERED)
    return _pass_on(theirs, {user.pk}, by=by, now=now)


def release_stranded(*, now: datetime, limit: int = 500) -> int:
    """Pass on up to ``limit`` handoffs whose rep has left or is away; return how many were.

    Safe with any number at once: what somebody else is moving at this moment is left for the next time. Two queries
    where nobody has left and nobody is away.
    """
    left, away = _left(), away_since(now=now)
    if not left and not away:
        return 0
    stranded = Q(claimed_by__in=left, state__in=HELD_STATES)
    stranded |= Q(assigned_to__in=left | set(away), state=HandoffState.OFFERED)
    for user_id, since in away.items():
        # Who takes one while away is there for it.
        stranded |= Q(claimed_by=user_id, state=HandoffState.CLAIMED, attempted_at=None, claimed_at__lt=since)
    return _pass_on(stranded, left | set(away), now=now, limit=limit)


def _left() -> set[int]:
    """Who has left Sales with open handoffs in their hands."""
    gone = Q(is_active=False) | ~Q(groups__name__in=[role.value for role in SELLERS]) & Q(is_superuser=False)
    held = Handoff.objects.filter(claimed_by=OuterRef("pk"), state__in=HELD_STATES)
    kept = Handoff.objects.filter(assigned_to=OuterRef("pk"), state=HandoffState.OFFERED)
    return set(User.objects.filter(gone, Exists(held) | Exists(kept)).values_list("pk", flat=True))


def _pass_on(stranded: Q, rep_ids: Iterable[int], *, now: datetime, by: User | None = None, limit: int = 500) -> int:
    """Release what of ``stranded`` is held, and find somebody else for all of it."""
    with transaction.atomic():
        found = Handoff.objects.filter(stranded, state__in=OPEN_STATES)
        # What others are moving at this moment is left to the next sweep.
        contact_ids = lock_contacts(Contact.objects.filter(id__in=found.values("contact_id")), limit=limit)
        rows = found.filter(contact_id__in=contact_ids)
        ids = list(rows.order_by("pk").select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
        if not ids:
            return 0
        rows = Handoff.objects.filter(pk__in=ids)
        make_moves(RELEASE, rows, now=now, by=by, reason=ReleaseReason.REP_AWAY)
        offers = list(rows.filter(state=HandoffState.OFFERED).order_by("pk"))
        not_to = dict.fromkeys(rep_ids, "is not there for it")
        routed = route(offers, now=now, not_to={one.contact_id: not_to for one in offers})
        changes = {
            offer.pk: whose
            for offer, whose in zip(offers, routed, strict=True)
            # What was released is nobody's already, and its release was told.
            if whose.rep_id is not None or offer.assigned_to_id is not None
        }
        make_moves(ASSIGN, rows.filter(pk__in=changes), now=now, by=by, kept_for=changes)
        return len(ids)
