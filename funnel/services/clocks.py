"""The rings of a handoff's two clocks, in business time; and what becomes of running clocks when hours change."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction
from django.db.models import Q, QuerySet

from funnel.enums import HandoffState
from funnel.models import Handoff, RepProfile, WorkingCalendar
from funnel.selectors.stages import sla_hours
from funnel.selectors.working import WorkingTimes, sales_settings, working_times
from funnel.working_time import NeverWorks, WorkingTime


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When a clock warns and when its time is up."""

    warn_at: datetime
    due_at: datetime


class Offer(Protocol):
    """What the clock of an offer goes by; a ``Handoff``, saved or not, is one."""

    @property
    def stage(self) -> str:
        """The stage it was offered for."""

    @property
    def assigned_to_id(self) -> int | None:
        """Whom it is kept for."""


def claim_deadlines(handoffs: Sequence[Offer], *, since: datetime) -> list[Deadlines]:
    """When each of these offers, waiting since ``since``, is to be claimed; in their order.

    By the calendar of the rep it is kept for, else the team's; within the ``sla_hours`` of its stage in the published
    definition, else the settings' ``claim_hours``. Three queries, whatever the number.
    """
    if not handoffs:
        return []
    settings = sales_settings()
    times = working_times(handoff.assigned_to_id for handoff in handoffs)
    agreed = sla_hours()
    return [
        _deadlines(
            times.of(handoff.assigned_to_id),
            since=since,
            hours=agreed.get(handoff.stage) or settings.claim_hours,
            warn_share=settings.warn_share,
        )
        for handoff in handoffs
    ]


def attempt_deadlines(rep_ids: Sequence[int], *, since: datetime) -> list[Deadlines]:
    """When each of these reps, who took a handoff at ``since``, is to have made the first attempt; in their order.

    By the rep's calendar, absences taken out; two queries, whatever the number.
    """
    if not rep_ids:
        return []
    settings = sales_settings()
    times = working_times(rep_ids)
    return [
        _deadlines(times.of(rep_id), since=since, hours=settings.attempt_hours, warn_share=settings.warn_share)
        for rep_id in rep_ids
    ]


def attempt_deadline(rep_id: int, *, since: datetime) -> Deadlines:
    """When this rep, who took a handoff at ``since``, is to have made the first attempt."""
    return attempt_deadlines([rep_id], since=since)[0]


@contextmanager
def restate_clocks(
    *, now: datetime, user_ids: Iterable[int] = (), calendar: WorkingCalendar | None = None
) -> Iterator[None]:
    """Change hours inside this block: running clocks that go by them are restated when it ends, in one transaction.

    The business time that has run by the old hours stays run; what was left goes by the new ones. ``user_ids``: whose
    calendar or absences change; ``calendar``: which one does, for everybody who works by it. A clock whose time was up
    is left alone: the sweep is about to see to it.
    """
    with transaction.atomic():
        running = _running(user_ids=list(user_ids), calendar=calendar)
        # The handoffs are locked before the hours are read: a claim that is just made waits, or was there already.
        rows = list(running.filter(due_at__gt=now).order_by("pk").select_for_update(no_key=True))
        before = working_times(map(_clock_of, rows))
        yield
        after = working_times(map(_clock_of, rows))
        restated = [row for row in rows if _restate(row, before, after, now=now)]
        Handoff.objects.bulk_update(restated, ["warn_at", "due_at"], batch_size=500)


def _running(*, user_ids: Sequence[int], calendar: WorkingCalendar | None) -> "QuerySet[Handoff]":
    """Handoffs with a running clock that goes by the hours of these people or of this calendar."""
    offered, claimed = Q(state=HandoffState.OFFERED), Q(state__in=[HandoffState.CLAIMED, HandoffState.ACCEPTED])
    whose = claimed & Q(claimed_by__in=user_ids) | offered & Q(assigned_to__in=user_ids)
    if calendar is not None and calendar.is_team:
        # Nobody's, and everybody's who has no calendar of their own; those of others are compared and left.
        whose |= offered | claimed
    elif calendar is not None:
        theirs = RepProfile.objects.filter(calendar=calendar).values("user")
        whose |= claimed & Q(claimed_by__in=theirs) | offered & Q(assigned_to__in=theirs)
    return Handoff.objects.filter(whose).only("state", "claimed_by", "assigned_to", "warn_at", "due_at")


def _clock_of(handoff: Handoff) -> int | None:
    """By whose hours the clock runs; None is the team's."""
    return handoff.assigned_to_id if handoff.state == HandoffState.OFFERED else handoff.claimed_by_id


def _restate(handoff: Handoff, before: WorkingTimes, after: WorkingTimes, *, now: datetime) -> bool:
    """Move the rings of a running clock from the old hours to the new ones; tell whether they moved."""
    old, new = before.of(_clock_of(handoff)), after.of(_clock_of(handoff))
    if old.hours == new.hours or handoff.due_at is None:
        return False
    handoff.due_at = _add(new, now, old.between(now, handoff.due_at))
    if handoff.warn_at is not None and handoff.warn_at > now:
        handoff.warn_at = _add(new, now, old.between(now, handoff.warn_at))
    return True


def _deadlines(time: WorkingTime, *, since: datetime, hours: float, warn_share: float) -> Deadlines:
    return Deadlines(
        warn_at=_add(time, since, timedelta(hours=hours * warn_share)),
        due_at=_add(time, since, timedelta(hours=hours)),
    )


def _add(time: WorkingTime, since: datetime, amount: timedelta) -> datetime:
    """Add business time; by the wall clock where the calendar never works, so that no handoff waits for ever."""
    try:
        return time.add(since, amount)
    except NeverWorks:
        return since + amount
