"""How the handing over goes: figures for the overview."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.db.models import Min

from funnel.analytics import Period, Segment
from funnel.enums import OPEN_STATES, HandoffState, ReturnReason
from funnel.models import Handoff
from funnel.selectors.clock_figures import Attainment, claim_clock
from funnel.selectors.handoff_figures import Offers, offers

TOP_REASONS = 3
# From so many offers on the figures of the days cost more than a page may take; they are then kept for a minute.
KEPT_FROM: Final = 5_000
_KEPT: Final = timedelta(minutes=1)


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
    """Tell how the handing over goes; six queries, or three of them where many offers made it keep what it found."""
    today = now.astimezone(UTC).date()
    made, claims = _lately(Period(today - timedelta(days=days - 1), today), now=now)
    waiting = Handoff.objects.filter(state=HandoffState.OFFERED)
    in_hand = Handoff.objects.filter(state__in=[state for state in OPEN_STATES if state != HandoffState.OFFERED])
    return HandoffHealth(
        days=days,
        # One by one, since an index answers each of them.
        waiting=waiting.count(),
        oldest_waiting=waiting.aggregate(at=Min("first_offered_at"))["at"],
        in_hand=in_hand.count(),
        offers=made,
        claims=claims,
        reasons=tuple((str(ReturnReason(reason).label), reason, times) for reason, times in made.reasons[:TOP_REASONS]),
    )


def _lately(period: Period, *, now: datetime) -> tuple[Offers, Attainment]:
    """The figures of the period; of a large one, as they were at most a minute ago."""
    name = f"handoff-health/{period.first}/{period.last}"
    kept: tuple[Offers, Attainment] | None = cache.get(name)
    if kept is not None:
        return kept
    found = offers(period, Segment()), claim_clock(period, Segment(), now=now)[0]
    if found[0].counts["offered"] >= KEPT_FROM:
        cache.set(name, found, _KEPT.total_seconds())
    return found
