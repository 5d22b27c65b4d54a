"""How the handing over goes: figures for the overview."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Min, Q

from funnel.analytics import Period, Segment
from funnel.enums import OPEN_STATES, HandoffState, ReturnReason
from funnel.models import Handoff
from funnel.selectors.clock_figures import Attainment, claim_clock
from funnel.selectors.handoff_figures import Offers, offers

TOP_REASONS = 3


@dataclass(frozen=True, slots=True)
class HandoffHealth:
    """How handoffs stand now, and what became of those of the last ``days`` days (whole days in UTC, today's too).

    ``waiting`` (unclaimed) and ``in_hand`` (claimed or accepted) count all that are open, however old;
    ``oldest_waiting`` is since when the longest waiting is offered, counted over expiries. ``offers`` and ``claims``
    are the figures of docs/handoff-figures.md; ``reasons`` the commonest of return: (label, key, count).
    """

    days: int
    waiting: int
    oldest_waiting: datetime | None
    in_hand: int
    offers: Offers
    claims: Attainment
    reasons: tuple[tuple[str, str, int], ...]


def handoff_health(*, now: datetime, days: int = 30) -> HandoffHealth:
    """Tell how the handing over goes; four queries."""
    today = now.astimezone(UTC).date()
    period = Period(today - timedelta(days=days - 1), today)
    waiting = Q(state=HandoffState.OFFERED)
    now_open = Handoff.objects.filter(state__in=OPEN_STATES).aggregate(
        waiting=Count("pk", filter=waiting),
        oldest_waiting=Min("first_offered_at", filter=waiting),
        in_hand=Count("pk", filter=~waiting),
    )
    made = offers(period, Segment())
    return HandoffHealth(
        days=days,
        **now_open,
        offers=made,
        claims=claim_clock(period, Segment(), now=now)[0],
        reasons=tuple((str(ReturnReason(reason).label), reason, times) for reason, times in made.reasons[:TOP_REASONS]),
    )
