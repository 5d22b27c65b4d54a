"""What becomes of the handoffs of reps who are away, or who work handoffs no more."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from contacts.models import Contact
from contacts.permissions import SELLERS
from funnel.enums import OPEN_STATES, HandoffState, ReleaseReason
from funnel.models import Handoff
from funnel.moves import ASSIGN, HELD_STATES, RELEASE
from funnel.selectors.working import working_times
from funnel.services.consequences import lock_contacts
from funnel.services.making import make_moves
from funnel.services.routing import route

_GONE: Final = "works handoffs no more"
_AWAY: Final = "is away"


@dataclass(frozen=True, slots=True)
class Absent:
    """Reps with open handoffs who cannot work them now, by id: ``gone`` for good, ``away`` since a moment, for days."""

    gone: frozenset[int]
    away: Mapping[int, datetime]

    def why(self, rep_id: int) -> str:
        """Why one of them is passed over."""
        return _GONE if rep_id in self.gone else _AWAY

    def __bool__(self) -> bool:
        return bool(self.gone or self.away)


def find_absent(*, now: datetime) -> Absent:
    """Find who holds open handoffs, or has offers kept for them, and is away or works handoffs no more; six queries."""
    rows = Handoff.objects.filter(state__in=OPEN_STATES).order_by()
    people = {
        person
        for column in ("claimed_by", "assigned_to")
        for person in rows.filter(**{f"{column}__isnull": False}).values_list(column, flat=True).distinct()
    }
    roles = [role.value for role in SELLERS]
    at_work = User.objects.filter(Q(is_superuser=True) | Q(groups__name__in=roles), pk__in=people, is_active=True)
    there = set(at_work.values_list("pk", flat=True))
    times = working_times(there)
    away = {person: times.of(person) for person in there if times.is_away(person, now)}
    return Absent(
        gone=frozenset(people - there),
        away={
            person: min(
                time.start_of(first) for first, last in time.hours.absences if first <= time.day_of(now) <= last
            )
            for person, time in away.items()
        },
    )


def hand_on(*, now: datetime, limit: int = 200) -> int:
    """Put back into the queue, or keep for others, what the absent would have to work; return how many handoffs moved.

    Of those who are gone all they hold; of those who are away what they claimed before that and have not tried yet: a
    conversation waits for them, and who claims while away has come back for it. Offers that are kept for one of them
    are routed anew.
    """
    absent = find_absent(now=now)
    if not absent:
        return 0
    return _release(absent, now=now, limit=limit) + _route_anew(absent, now=now, limit=limit)


def _release(absent: Absent, *, now: datetime, limit: int) -> int:
    theirs = Q(claimed_by__in=absent.gone)
    for person, since in absent.away.items():
        theirs |= Q(claimed_by=person, claimed_at__lt=since, attempted_at=None)
    held = Handoff.objects.filter(theirs, state__in=HELD_STATES)
    with transaction.atomic():
        contact_ids = lock_contacts(Contact.objects.filter(id__in=held.values("contact_id")), limit=limit)
        rows = held.filter(contact_id__in=contact_ids)
        return len(make_moves(RELEASE, rows, now=now, reason=ReleaseReason.REP_AWAY, skip_locked=True))


def _route_anew(absent: Absent, *, now: datetime, limit: int) -> int:
    kept = Handoff.objects.filter(state=HandoffState.OFFERED, assigned_to__in=absent.gone | absent.away.keys())
    with transaction.atomic():
        contact_ids = lock_contacts(Contact.objects.filter(id__in=kept.values("contact_id")), limit=limit)
        locked = kept.filter(contact_id__in=contact_ids).order_by("pk")
        offers = list(locked.select_for_update(no_key=True, skip_locked=True))
        routed = route(offers, now=now, not_to=_passed_over(offers, absent))
        kept_for = {offer.pk: one for offer, one in zip(offers, routed, strict=True)}
        return len(make_moves(ASSIGN, Handoff.objects.filter(pk__in=list(kept_for)), now=now, kept_for=kept_for))


def _passed_over(offers: Collection[Handoff], absent: Absent) -> Mapping[int, Mapping[int, str]]:
    return {
        offer.contact_id: {offer.assigned_to_id: absent.why(offer.assigned_to_id)}
        for offer in offers
        if offer.assigned_to_id is not None
    }
