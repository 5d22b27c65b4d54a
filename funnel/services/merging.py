"""What becomes of handoffs when their contacts become one, and when they part again."""

from collections.abc import Iterable

from django.db.models import BigIntegerField, F, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf

from contacts.models import Merge
from contacts.registry import Merging
from funnel.enums import OPEN_STATES, HandoffState
from funnel.models import Handoff
from funnel.moves import GIVE_UP, RESUMES, SUSPEND
from funnel.services.consequences import restate_owners
from funnel.services.making import make_moves


def merge_handoffs(merging: Merging) -> None:
    """Give the loser's handoffs to the winner. Of two open ones the claimed stays open, else the older."""
    both = [merging.winner_id, merging.loser_id]
    rows = sorted(_held(both).filter(state__in=SUSPEND.sources), key=_preference)
    for handoff in rows[1:]:
        _suspend(handoff, merging.merge_id, merging)
    Handoff.objects.filter(contact=merging.loser_id).update(
        contact=merging.winner_id,
        origin_contact_id=Coalesce("origin_contact_id", "contact_id", output_field=BigIntegerField()),
    )
    restate_owners(contact_ids=[merging.winner_id])


def part_handoffs(merging: Merging) -> None:
    """Give handoffs back to whom they belong, and let come back what the merge suspended.

    Where one was opened meanwhile that still stands, the claimed stays open, else the older; the other is given up.
    """
    both = [merging.winner_id, merging.loser_id]
    suspended = [row.pk for row in _held(both) if row.suspended_by_id == merging.merge_id]
    Handoff.objects.filter(contact=merging.winner_id, origin_contact_id__in=merging.members).update(
        contact=merging.loser_id, origin_contact_id=NullIf(F("origin_contact_id"), Value(merging.loser_id))
    )
    for handoff in Handoff.objects.filter(pk__in=suspended).order_by("pk"):
        _resume(handoff, merging)
    restate_owners(contact_ids=both)


def _held(contact_ids: Iterable[int]) -> "QuerySet[Handoff]":
    """All handoffs of these contacts, locked in id order: a rep's move on one of them is waited for."""
    return Handoff.objects.filter(contact__in=contact_ids).order_by("pk").select_for_update(no_key=True)


def _preference(handoff: Handoff) -> tuple[object, ...]:
    state = handoff.suspended_from or handoff.state
    return state == HandoffState.OFFERED, handoff.offered_at, handoff.pk


def _suspend(handoff: Handoff, merge_id: int, merging: Merging) -> None:
    make_moves(
        SUSPEND,
        Handoff.objects.filter(pk=handoff.pk),
        now=merging.now,
        changes={"suspended_by_id": merge_id, "suspended_from": handoff.state},
    )


def _resume(handoff: Handoff, merging: Merging) -> None:
    rival = Handoff.objects.filter(contact=handoff.contact_id, state__in=OPEN_STATES).first()
    if rival is None:
        move = RESUMES[HandoffState(handoff.suspended_from)]
        make_moves(move, Handoff.objects.filter(pk=handoff.pk), now=merging.now)
        return
    between = _merge_between(handoff)
    stays, goes = sorted([handoff, rival], key=_preference)
    if between is not None:
        # Its own contact is still part of another, by that merge: it waits for that one to be undone.
        if goes is handoff:
            Handoff.objects.filter(pk=handoff.pk).update(suspended_by=between)
            return
        _suspend(rival, between, merging)
    else:
        make_moves(GIVE_UP, Handoff.objects.filter(pk=goes.pk), now=merging.now)
    if stays is handoff:
        _resume(handoff, merging)


def _merge_between(handoff: Handoff) -> int | None:
    """The merge in force by which the handoff came to its contact, None where it was made for that very contact."""
    found, contact_id = None, handoff.origin_contact_id or handoff.contact_id
    while contact_id != handoff.contact_id:
        merge = Merge.objects.get(loser=contact_id, undone_at=None)
        found, contact_id = merge.pk, merge.winner_id
    return found
