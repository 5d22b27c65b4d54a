"""From judgement to consequence: offers open, are withdrawn and close by where contacts stand now.

Two ways find the contacts to look at: unconsumed transitions (the outbox that the judgement writes with its verdict)
and the state itself (a publication that marks another stage as ``handoff``, a rebuild, a failure that was repaired).
Both apply the same rules to the *current* standing, so the order and number of drains make no difference.

Locks: the contact first (as the judgement does), then handoffs, and those without waiting: a person who is just
claiming holds the handoff and waits for the contact.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, When

from contacts.models import Contact, Due, Standing
from funnel.enums import OPEN_STATES, HandoffState
from funnel.models import Handoff
from funnel.moves import CLOSE_AS_WON, WITHDRAW
from funnel.selectors.stages import handoff_stages
from funnel.services.announcing import announce_stage_changes
from funnel.services.evidence import freeze_evidence
from funnel.services.making import Moved, make_moves, make_offers
from funnel.services.routing import route
from funnel.services.sequences.steering import steer_sequences
from scoring.announcing import announces
from scoring.models import Publication, Transition
from scoring.selectors.moves import with_notice_facts

CUSTOMER = "customer"
# Several drains at once look at the same oldest transitions; a wider window lets each find contacts of its own.
WINDOW = 4

_OPEN = Exists(Handoff.objects.filter(contact=OuterRef("contact"), state__in=OPEN_STATES))
# A return or win that is not judged yet: until it is, the standing still shows what it took away, and offering on
# that would open the same handoff again.
_UNJUDGED = Exists(
    Handoff.objects.filter(
        Exists(Due.objects.filter(contact=OuterRef("contact"), occurred_at__lte=OuterRef("closed_at"))),
        contact=OuterRef("contact"),
        state__in=[HandoffState.RETURNED, HandoffState.WON],
    )
)
_HELD = Handoff.objects.filter(state__in=[HandoffState.CLAIMED, HandoffState.ACCEPTED])
# Whoever won a contact stays its owner.
_KEEPS = [HandoffState.CLAIMED, HandoffState.ACCEPTED, HandoffState.WON]


def draw_consequences(*, now: datetime, limit: int = 1000) -> int:
    """Consume the transitions of up to ``limit`` contacts and bring their handoffs in line with their standing.

    Returns the number of contacts done; 0 means that nothing is left (or that others are at it). Safe with any number
    of drains at once: a contact is locked while its transitions are consumed, and the standing is read after that.
    """
    with transaction.atomic():
        window = (
            Transition.objects.filter(consumed_at=None).order_by("id").values("contact_id")[: max(limit * WINDOW, 1)]
        )
        contact_ids = lock_contacts(Contact.objects.filter(id__in=window), limit=limit)
        if contact_ids:
            _follow_standings(contact_ids, now=now)
            if fresh := _newly_standing(contact_ids):
                restate_owners(contact_ids=fresh)
            announce_stage_changes(contact_ids)
            steer_sequences(contact_ids=contact_ids, now=now)
            Transition.objects.filter(contact_id__in=contact_ids, consumed_at=None).update(consumed_at=now)
        return len(contact_ids)


def reconcile_standings(*, now: datetime, limit: int = 1000) -> int:
    """Find up to ``limit`` contacts whose handoffs do not follow from where they stand, and put that right.

    Returns the number of changes made. In normal flow that is none; it is what makes a consequence that no transition
    announced (a stage newly marked ``handoff``, a rebuilt standing) come true all the same.
    """
    with transaction.atomic():
        contact_ids = lock_contacts(Contact.objects.filter(id__in=_out_of_line(limit)), limit=limit)
        if not contact_ids:
            return 0
        return _follow_standings(contact_ids, now=now) + restore_owners(contact_ids=contact_ids)


def restore_owners(*, contact_ids: Sequence[int]) -> int:
    """Copy the rep of each contact's claimed handoff to its standing; return how many copies were out of date."""
    _lock_standings(contact_ids)
    held = _HELD.filter(contact=OuterRef("contact")).values("claimed_by")[:1]
    return (
        Standing.objects.filter(contact_id__in=list(contact_ids))
        .annotate(rep=Subquery(held))
        .filter(rep__isnull=False)
        .filter(Q(owner=None) | ~Q(owner=F("rep")))
        .update(owner=Subquery(held))
    )


def restate_owners(*, contact_ids: Iterable[int]) -> int:
    """Set the owner's copy on these standings to what their handoffs say; return how many were otherwise.

    The rep of the handoff that was claimed last, unless it went back to Marketing: for contacts whose handoffs changed
    hands (merged, parted) or whose standing was made anew.
    """
    contact_ids = list(contact_ids)
    _lock_standings(contact_ids)
    claimed = Handoff.objects.filter(contact=OuterRef("contact"), claimed_by__isnull=False)
    latest = claimed.exclude(state=HandoffState.SUSPENDED).order_by("-claimed_at", "-id")
    said = latest.annotate(rep=Case(When(state__in=_KEEPS, then=F("claimed_by")))).values("rep")[:1]
    standings = Standing.objects.filter(contact_id__in=list(contact_ids)).annotate(said=Subquery(said))
    another = Q(owner__isnull=True, said__isnull=False) | Q(owner__isnull=False, said__isnull=True)
    another |= Q(owner__isnull=False, said__isnull=False) & ~Q(owner=F("said"))
    return standings.filter(another).update(owner=Subquery(said))


def _lock_standings(contact_ids: Sequence[int]) -> None:
    """Lock these standings, so that the next statement sees every move that has written its owner's copy there."""
    rows = Standing.objects.filter(contact_id__in=contact_ids).order_by("contact_id")
    list(rows.select_for_update(no_key=True).values_list("contact_id", flat=True))


def _out_of_line(limit: int) -> list[int]:
    """Ids of contacts whose handoffs do not follow from where they stand, at most ``limit`` of each sort."""
    stages = handoff_stages()
    standing = Standing.objects.filter(contact=OuterRef("contact"))
    misplaced = Handoff.objects.filter(Exists(standing.exclude(stage__in=stages)), state=HandoffState.OFFERED)
    finished = _HELD.filter(Exists(standing.filter(stage=CUSTOMER)))
    unowned = _HELD.filter(Exists(standing.exclude(owner=OuterRef("claimed_by"))))
    found = (_unoffered(stages), misplaced, finished, unowned)
    return sorted({contact_id for rows in found for contact_id in rows.values_list("contact_id", flat=True)[:limit]})


def _newly_standing(contact_ids: Sequence[int]) -> list[int]:
    """Those of these contacts that were just judged for the first time, or again after a merge was undone."""
    first = Transition.objects.filter(contact_id__in=contact_ids, consumed_at=None, superseded_at=None, from_stage="")
    held = Exists(Handoff.objects.filter(contact=OuterRef("contact"), claimed_by__isnull=False))
    return list(first.filter(held).values_list("contact_id", flat=True))


def lock_contacts(contacts: "QuerySet[Contact]", *, limit: int) -> list[int]:
    """Lock up to ``limit`` of ``contacts`` in id order, leaving out those that others hold."""
    # NO KEY: inserting an event takes a share lock on the contact's key, which must not wait for us.
    locked = contacts.order_by("id").select_for_update(no_key=True, skip_locked=True)
    return list(locked.values_list("id", flat=True)[:limit])


def _unoffered(stages: frozenset[str]) -> "QuerySet[Standing]":
    """Standings in a handoff stage without an open handoff, as far as returns and wins are judged."""
    return Standing.objects.filter(~_OPEN, ~_UNJUDGED, stage__in=stages, contact__present=True)


def _follow_standings(contact_ids: Sequence[int], *, now: datetime) -> int:
    """Open, withdraw and close the handoffs of these (locked) contacts by where each stands now; count the changes."""
    stages = handoff_stages()
    # Standings are read after their contacts were locked, so they are the latest and stay so.
    standings = list(Standing.objects.filter(contact_id__in=contact_ids).values_list("contact_id", "stage"))
    outside = [contact_id for contact_id, stage in standings if stage not in stages]
    customers = [contact_id for contact_id, stage in standings if stage == CUSTOMER]
    changes = 0
    if outside:
        # Of most of them there is nothing to close.
        open_ = Handoff.objects.filter(contact_id__in=outside, state__in=OPEN_STATES)
        if held := list(open_.values_list("contact_id", flat=True)):
            news = _news_among(held)
            # What somebody is moving at this moment is left to them; the sweep by state looks again.
            won = open_.filter(contact_id__in=customers)
            changes += len(make_moves(CLOSE_AS_WON, won, now=now, told=news, skip_locked=True))
            changes += len(make_moves(WITHDRAW, open_, now=now, told=news, skip_locked=True))
    # One statement, so one snapshot: an offer seen as closed comes with the due row of what closed it.
    if ready := list(_unoffered(stages).filter(contact_id__in=contact_ids)):
        news = _news_among([standing.contact_id for standing in ready])
        changes += _open_handoffs(ready, now=now, told=news)
    return changes


def _news_among(contact_ids: Sequence[int]) -> frozenset[int]:
    """Those of these contacts of whose handoffs people are told: where they stand now is news to them.

    It is none where it comes from a quiet publication, or happened so long ago that it is history by now
    (scoring/announcing.py). What follows without a change of stage follows from the definition in force.
    """
    latest = latest_transitions(contact_ids)
    published = Publication.objects.filter(retracted_at=None).order_by("-effective_at").first()
    return frozenset(
        change.contact_id
        for change in with_notice_facts(Transition.objects.filter(pk__in=[row.pk for row in latest.values()]))
        if announces(
            change,
            is_in_force=True,
            # What becomes of a handoff is said once, however often the change is recorded.
            is_first=True,
            is_quiet=change.is_quiet  # type: ignore[attr-defined]  # annotated
            or (published is not None and published.quiet and change.effective_at < published.effective_at),
        )
    )


def latest_transitions(contact_ids: Sequence[int]) -> dict[int, Transition]:
    """The transition in force by which each of these contacts came where it stands."""
    rows = Transition.objects.filter(contact_id__in=contact_ids, superseded_at=None)
    latest = rows.order_by("contact_id", "-effective_at").distinct("contact_id")
    return {transition.contact_id: transition for transition in latest}


def _open_handoffs(standings: Sequence[Standing], *, now: datetime, told: Collection[int]) -> int:
    """Offer these contacts to Sales, each with the evidence of this moment; return how many were offered."""
    latest = latest_transitions([standing.contact_id for standing in standings])
    evidence = freeze_evidence(stages={standing.contact_id: standing.stage for standing in standings}, at=now)
    offers = [
        Handoff(
            contact_id=standing.contact_id,
            stage=standing.stage,
            transition=latest.get(standing.contact_id),
            evidence=evidence[standing.contact_id],
            offered_at=now,
            first_offered_at=now,
        )
        for standing in standings
        if standing.contact_id in evidence
    ]
    return len(open_offers(offers, now=now, told=told))


def open_offers(
    offers: Sequence[Handoff],
    *,
    now: datetime,
    told: Collection[int] | None = None,
    not_to: Mapping[int, Mapping[int, str]] | None = None,
) -> list[Moved]:
    """Decide for whom each of these unsaved offers is kept, and open them.

    ``told`` as for ``make_moves``; ``not_to`` as for ``route``, which is to be called once in a transaction, and last.
    """
    if not offers:
        return []
    for offer, routed in zip(offers, route(offers, now=now, not_to=not_to), strict=True):
        offer.assigned_to_id, offer.routing = routed.rep_id, routed.stored
    return make_offers(offers, now=now, told=told)
