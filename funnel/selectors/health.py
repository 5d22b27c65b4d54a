"""How the handing over goes: figures for the overview."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q

from funnel.enums import HandoffState, ReturnReason
from funnel.models import Handoff

TOP_REASONS = 3


@dataclass(frozen=True, slots=True)
class HandoffHealth:
    """Handoffs of the last ``days`` days.

    ``waiting`` and ``in_hand`` are counts as of now (offered and unclaimed; claimed or accepted); the others count what
    happened in the period. ``reasons`` are the commonest reasons of return: (label, key, count), most frequent first.
    """

    days: int
    waiting: int
    oldest_waiting: datetime | None
    in_hand: int
    offered: int
    claimed: int
    won: int
    returned: int
    withdrawn: int
    reasons: tuple[tuple[str, str, int], ...]


def handoff_health(*, now: datetime, days: int = 30) -> HandoffHealth:
    """Count what happened to handoffs in the last ``days`` days, with the top reasons of return; two queries."""
    since = now - timedelta(days=days)
    in_period = Handoff.objects.filter(
        Q(offered_at__gte=since)
        | Q(closed_at__gte=since)
        | Q(claimed_at__gte=since)
        | Q(state__in=[HandoffState.OFFERED, HandoffState.CLAIMED, HandoffState.ACCEPTED])
    )
    closed = Q(closed_at__gte=since)
    figures = in_period.aggregate(
        waiting=Count("id", filter=Q(state=HandoffState.OFFERED)),
        oldest_waiting=Min("offered_at", filter=Q(state=HandoffState.OFFERED)),
        in_hand=Count("id", filter=Q(state__in=[HandoffState.CLAIMED, HandoffState.ACCEPTED])),
        offered=Count("id", filter=Q(offered_at__gte=since)),
        claimed=Count("id", filter=Q(claimed_at__gte=since)),
        won=Count("id", filter=closed & Q(state=HandoffState.WON)),
        returned=Count("id", filter=closed & Q(state=HandoffState.RETURNED)),
        withdrawn=Count("id", filter=closed & Q(state=HandoffState.WITHDRAWN)),
    )
    reasons = (
        Handoff.objects.filter(closed, state=HandoffState.RETURNED)
        .values_list("reason")
        .annotate(times=Count("id"))
        .order_by("-times", "reason")[:TOP_REASONS]
    )
    return HandoffHealth(
        days=days,
        **figures,
        reasons=tuple((ReturnReason(reason).label, reason, times) for reason, times in reasons),
    )
