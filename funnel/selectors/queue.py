"""The queue: offers that nobody has claimed, the closest deadline first, and which of them wait too long."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db.models import Count, F, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan
from django.db.models.functions import Coalesce

from funnel.enums import HandoffState
from funnel.models import Handoff
from funnel.selectors.cards import HandoffCard, handoffs_for_cards, make_cards
from funnel.selectors.marks import read_mark, write_mark
from funnel.selectors.working import sales_settings, working_times

# The queue's order over ``funnel_handoff``, for what is written in SQL; an index has it (handoff_by_due).
QUEUE_ORDER: Final = "coalesce(due_at, first_offered_at), id"
PAGE_SIZE = 50
COUNT_CAP = 1000
# Beyond so many the alarm says "200 or more".
STARVING_CAP = 200
# The usual time between two offers is that of the latest few, where there were enough to speak of.
LATELY = 20
ENOUGH = 5


@dataclass(frozen=True, slots=True)
class Starving:
    """Offers that have waited longer than they may: how many (up to ``STARVING_CAP``), since when the first waits.

    ``hours``: how long an offer may wait, in business hours; ``waited``: the business time that the first has waited.
    """

    count: int
    more: bool
    oldest: datetime
    hours: float
    waited: timedelta

    @property
    def waited_hours(self) -> int:
        """The business time that the first has waited, in whole hours."""
        return int(self.waited / timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of the queue; ``next`` is the ``after`` of the following page, empty on the last one.

    ``gone`` are those that an open page still shows and that are no offers of this page any more; what became of them
    is on their cards. ``waiting`` and ``kept`` (for the person who looks) are counted up to ``COUNT_CAP``.
    """

    cards: tuple[HandoffCard, ...]
    gone: tuple[HandoffCard, ...]
    next: str
    waiting: int
    kept: int
    starving: Starving | None


@dataclass(frozen=True, slots=True)
class OffersLately:
    """What an empty queue can expect: when the last offer came, and the usual time between two (None: unknown)."""

    last: datetime
    usual_gap: timedelta | None


def queue(
    *,
    user: User,
    now: datetime,
    after: str = "",
    only_kept: bool = False,
    shown: Sequence[int] = (),
    limit: int = PAGE_SIZE,
) -> QueuePage:
    """Unclaimed offers, the closest deadline first; one whose clock has yet to be set goes by when it was first made.

    ``after`` is the ``next`` of the page before; an unreadable one gives the first page. ``only_kept``: only those that
    are kept for ``user``. ``shown``: ids of the handoffs that an open page shows.
    """
    settings = sales_settings()
    offered = (
        handoffs_for_cards().filter(state=HandoffState.OFFERED).annotate(by=Coalesce("due_at", "first_offered_at"))
    )
    if only_kept:
        offered = offered.filter(assigned_to=user)
    if (mark := read_mark(after)) is not None:
        offered = offered.filter(TupleGreaterThan(Tuple(F("by"), F("id")), mark))
    rows = list(offered.order_by("by", "id")[: limit + 1])
    more, rows = len(rows) > limit, rows[:limit]
    gone = set(shown) - {row.pk for row in rows}
    was = list(handoffs_for_cards().filter(pk__in=gone).order_by("id")) if gone else []
    cards = make_cards([*rows, *was], user=user, now=now, stale_days=settings.stale_days)
    return QueuePage(
        cards=cards[: len(rows)],
        gone=cards[len(rows) :],
        next=write_mark(rows[-1].by, rows[-1].pk) if more else "",
        waiting=_count(_waiting()),
        kept=_count(_waiting().filter(assigned_to=user)),
        starving=starving(now=now, hours=settings.starving_hours),
    )


def offers_lately() -> OffersLately | None:
    """How the latest few offers came, for whoever looks at an empty queue; None where there was never one."""
    made = list(Handoff.objects.order_by("-id").values_list("offered_at", flat=True)[:LATELY])
    if not made:
        return None
    gap = (max(made) - min(made)) / (len(made) - 1) if len(made) >= ENOUGH else None
    return OffersLately(max(made), gap)


def starving(*, now: datetime, hours: float) -> Starving | None:
    """Offers that have waited for ``hours`` business hours of the team or more since they were first made."""
    since = list(_waiting().order_by("first_offered_at").values_list("first_offered_at", flat=True)[:STARVING_CAP])
    if not since:
        return None
    team, limit = working_times().team, timedelta(hours=hours)
    # The earlier it was made the longer it has waited, so those that starve come first.
    count = bisect_right(since, -limit, key=lambda moment: -team.between(moment, now))
    if not count:
        return None
    return Starving(
        count=count,
        more=count == STARVING_CAP,
        oldest=since[0],
        hours=hours,
        waited=team.between(since[0], now),
    )


def _waiting() -> "QuerySet[Handoff]":
    return Handoff.objects.filter(contact__erased_at=None, state=HandoffState.OFFERED)


def _count(rows: "QuerySet[Handoff]") -> int:
    counted: int = rows.order_by()[:COUNT_CAP].aggregate(n=Count("id"))["n"]
    return counted
