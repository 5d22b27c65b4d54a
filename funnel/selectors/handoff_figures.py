"""How the handing over went: what became of offers, whether clocks were met, and how long nobody in Sales was at it.

Offers are followed by when they were made: what a period tells is what became, by now, of those that were offered in
it. Clocks are measured by when they began to run. Everything comes from the handoffs' moves, so that a handoff that
was released, reassigned or offered again tells of every turn. Defined in docs/handoff-figures.md.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from funnel.analytics import Period, Segment
from funnel.enums import HandoffState, MoveName
from funnel.models import Handoff, HandoffMove
from funnel.selectors.clock_figures import Attainment, RepFigures, ask, claim_clock, hold_figures
from funnel.selectors.handoff_scope import of_segment, share

# The rep's word that it qualifies: they accepted it, or had it when the contact bought.
ACCEPTED: Final = Q(accepted_at__isnull=False) | Q(state=HandoffState.WON, claimed_by__isnull=False)
RETURNED: Final = Q(state=HandoffState.RETURNED)
DECIDED: Final = ACCEPTED | RETURNED
_CLAIMED: Final = Exists(
    HandoffMove.objects.filter(handoff=OuterRef("pk"), name__in=[MoveName.CLAIM, MoveName.TAKE_OVER, MoveName.REASSIGN])
)
# What can be asked of the offers of a period; the figure's name is what the list of handoffs behind it is asked by.
FIGURES: Final[dict[str, Q]] = {
    "offered": Q(),
    "claimed": Q(_CLAIMED),
    "accepted": ACCEPTED,
    "decided": DECIDED,
    "won": Q(state=HandoffState.WON),
    "returned": RETURNED,
    "expired": Q(state=HandoffState.EXPIRED),
    "withdrawn": Q(state=HandoffState.WITHDRAWN),
    "waiting": Q(state=HandoffState.OFFERED),
    "in_hand": Q(state__in=[HandoffState.CLAIMED, HandoffState.ACCEPTED]),
}


@dataclass(frozen=True, slots=True)
class Offers:
    """What became of the handoffs that were offered in a period, one count for each of ``FIGURES``.

    ``reasons``: why those were returned that were, (code, how many), most frequent first.
    """

    counts: dict[str, int]
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def acceptance(self) -> float | None:
        """The share of those with a rep's verdict that was accepted; None where there is no verdict yet."""
        return share(self.counts["accepted"], self.counts["decided"])


@dataclass(frozen=True, slots=True)
class Unowned:
    """How long ready contacts were without anybody in Sales, in seconds of the wall clock.

    ``median`` and ``p90``: from the first offer, over expiries, to the claim. ``total``: all waits that began in the
    period together, those that go on until now. ``oldest``: since when the longest waiting of all offers waits.
    """

    median: float | None
    p90: float | None
    total: float
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class HandoffFigures:
    """All of a period and segment; ``released`` counts the times that a handoff went back to the queue."""

    offers: Offers
    released: int
    claims: Attainment
    attempts: Attainment
    unowned: Unowned
    reps: tuple[RepFigures, ...]


def offered_in(period: Period, segment: Segment) -> "QuerySet[Handoff]":
    """The handoffs that were offered in the period, of the segment's contacts."""
    return Handoff.objects.filter(of_segment(segment), offered_at__gte=period.start, offered_at__lt=period.end)


def offers(period: Period, segment: Segment) -> Offers:
    """Count what became of the offers of the period; two queries."""
    cohort = offered_in(period, segment)
    counts = cohort.aggregate(**{name: Count("pk", filter=asked or None) for name, asked in FIGURES.items()})
    reasons = cohort.filter(RETURNED).values_list("reason").annotate(times=Count("pk")).order_by("-times", "reason")
    return Offers(counts, tuple(reasons))


def handoff_figures(period: Period, segment: Segment, *, now: datetime) -> HandoffFigures:
    """Everything about the handing over in a period; seven queries."""
    claims, total = claim_clock(period, segment, now=now)
    attempts, released, reps = hold_figures(period, segment, now=now)
    return HandoffFigures(
        offers=offers(period, segment),
        released=released,
        claims=claims,
        attempts=attempts,
        unowned=_unowned(period, segment, total=total),
        reps=reps,
    )


def oldest_waiting(segment: Segment | None = None) -> datetime | None:
    """Since when the offer that waits longest waits, counted from its first offer; one query."""
    waiting = Handoff.objects.filter(of_segment(segment or Segment()), state=HandoffState.OFFERED)
    found: datetime | None = waiting.aggregate(oldest=Min("first_offered_at"))["oldest"]
    return found


_UNOWNED: Final = """
WITH claimed AS (
    SELECT date_part('epoch', (
        SELECT min(claim.at) FROM funnel_handoffmove AS claim
        WHERE claim.handoff_id = handoff.id AND claim.from_state = 'offered' AND claim.to_state = 'claimed'
    ) - handoff.first_offered_at) AS seconds
    FROM funnel_handoff AS handoff WHERE handoff.offered_at >= %(begin)s AND handoff.offered_at < %(end)s {segment}
)
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds)
FROM claimed
"""


def _unowned(period: Period, segment: Segment, *, total: float) -> Unowned:
    (median, p90), *_ = ask(_UNOWNED, period, segment)
    return Unowned(median, p90, total, oldest_waiting(segment))
