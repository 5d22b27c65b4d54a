"""The demo's handoffs: rows that go with the facts, the chain of their owners, and clocks that can be believed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from django.contrib.auth.models import User

from funnel.demo.content import Content
from funnel.demo.timeline import Handoffs
from funnel.enums import HandoffState, InterimOutcome, MoveName
from funnel.models import Handoff, HandoffMove, SalesSettings
from funnel.moves import HELD_STATES
from funnel.selectors.stages import sla_hours
from funnel.selectors.working import sales_settings, working_times
from funnel.services.demo.lines import Places, return_note, win_note
from funnel.services.expiring import expire_offers
from funnel.working_time import WorkingTime

HANDOFF_STAGE: Final = "sales_prospect"
# How conversations go that are under way, and for how many days before and after today something was agreed.
_OUTCOMES: Final = (
    InterimOutcome.IN_TALKS,
    InterimOutcome.MEETING_AGREED,
    InterimOutcome.PROPOSAL_SENT,
    InterimOutcome.WAITING,
    InterimOutcome.LATER,
)
_AGREED_DAYS: Final = (-1, 1, 2, 4, 7, 12)
_WITH_OUTCOME: Final = 0.75
_ESCALATED: Final = 4


def hand_over(made: Handoffs, content: Content, *, places: Places, reps: Sequence[User], now: datetime) -> None:
    """Write a chunk's handoffs and their moves; their evidence follows once there is a judgement to take it from."""
    clocks = _Clocks(now)
    rows, moves = [], []
    for place in range(len(made.person)):
        row = _row(made, place, content, places, reps)
        chain = list(_chain(row, made, place, clocks))
        row.moves_made = len(chain) - 1
        clocks.wind(row, share=made.note[place] % 997 / 997)
        rows.append(row)
        moves += chain
    Handoff.objects.bulk_create(rows, batch_size=2_000)
    HandoffMove.objects.bulk_create(moves, batch_size=2_000)


def _row(made: Handoffs, place: int, content: Content, places: Places, reps: Sequence[User]) -> Handoff:
    outcome, claimed_at, accepted_at = made.outcome[place], made.claimed_at[place], made.accepted_at[place]
    reason = content.reasons[made.reason[place]] if outcome == HandoffState.RETURNED else ""
    note = return_note(reason, made.note[place]) if reason else ""
    offered_at = datetime.fromtimestamp(made.offered_at[place], UTC)
    active = max(claimed_at, accepted_at, made.active_at[place], made.closed_at[place] if claimed_at else 0)
    return Handoff(
        id=places.first_handoff + place,
        contact_id=places.first_contact + made.person[place],
        state=outcome or _open_state(claimed_at, accepted_at),
        stage=HANDOFF_STAGE,
        offered_at=offered_at,
        first_offered_at=offered_at,
        claimed_by=reps[made.rep[place]] if claimed_at else None,
        claimed_at=_moment_or_never(claimed_at),
        attempted_at=_moment_or_never(made.attempted_at[place]),
        accepted_at=_moment_or_never(accepted_at),
        closed_at=_moment_or_never(made.closed_at[place]),
        last_activity_at=_moment_or_never(active),
        reason=reason,
        note=note or (win_note(made.note[place]) if made.by_hand[place] else ""),
    )


def _chain(row: Handoff, made: Handoffs, place: int, clocks: "_Clocks") -> Iterator[HandoffMove]:
    """The moves that led to the row, in order, as they would have been made."""
    step = _Steps(row)
    yield step.to(MoveName.OFFER, HandoffState.OFFERED, row.offered_at)
    rep, attempted = row.claimed_by, row.attempted_at
    due: datetime | None = clocks.until_claim(row.offered_at)
    if row.claimed_at is not None:
        yield step.to(MoveName.CLAIM, HandoffState.CLAIMED, row.claimed_at, by=rep, rep=rep, due_at=due)
        due = clocks.until_attempt(row.claimed_at)
    if row.accepted_at is not None:
        running = due if attempted is None or attempted > row.accepted_at else None
        yield step.to(MoveName.ACCEPT, HandoffState.ACCEPTED, row.accepted_at, by=rep, rep=rep, due_at=running)
    drawn = made.note[place] // 997
    if row.state == HandoffState.ACCEPTED and attempted is not None and drawn % 100 < _WITH_OUTCOME * 100:
        row.outcome = _OUTCOMES[drawn % len(_OUTCOMES)]
        row.next_at = clocks.agreed_for(_AGREED_DAYS[drawn // 100 % len(_AGREED_DAYS)], hour=9 + drawn % 7)
        at = row.last_activity_at or row.offered_at
        yield step.to(MoveName.OUTCOME, HandoffState.ACCEPTED, at, by=rep, rep=rep, reason=row.outcome)
    if row.closed_at is not None:
        due = None if attempted is not None else due
        if row.state == HandoffState.RETURNED:
            yield step.to(
                MoveName.RETURN,
                HandoffState.RETURNED,
                row.closed_at,
                by=rep,
                due_at=due,
                reason=row.reason,
                note=row.note,
            )
        elif made.by_hand[place]:
            yield step.to(MoveName.WIN, HandoffState.WON, row.closed_at, by=rep, rep=rep, due_at=due, note=row.note)
        else:
            yield step.to(MoveName.CLOSE_AS_WON, HandoffState.WON, row.closed_at, rep=rep, due_at=due)


def escalate_oldest(*, now: datetime) -> int:
    """Let the offers that wait longest expire when they would have, again and again until now; return how many times.

    A few only: each is explained anew every time.
    """
    clocks, times = _Clocks(now), 0
    waiting = Handoff.objects.filter(state=HandoffState.OFFERED).order_by("offered_at", "pk")[:_ESCALATED]
    for row in waiting:
        due = clocks.until_claim(row.offered_at)
        if due < now:
            Handoff.objects.filter(pk=row.pk, state=HandoffState.OFFERED).update(
                waiting_since=row.offered_at, warn_at=None, warned_at=None, due_at=due
            )
    overdue = Handoff.objects.filter(state=HandoffState.OFFERED, due_at__lt=now).order_by("due_at")
    while (moment := overdue.values_list("due_at", flat=True).first()) is not None:
        expired = expire_offers(now=moment)
        if not expired:
            break
        times += expired
    return times


class _Steps:
    """Numbers a handoff's moves, each beginning where the last one ended."""

    def __init__(self, row: Handoff) -> None:
        self._row = row
        self._number = 0
        self._state: str = ""
        self._rep: User | None = None

    def to(
        self,
        name: MoveName,
        state: HandoffState,
        at: datetime,
        *,
        by: User | None = None,
        rep: User | None = None,
        due_at: datetime | None = None,
        reason: str = "",
        note: str = "",
    ) -> HandoffMove:
        """The next move."""
        move = HandoffMove(
            handoff_id=self._row.pk,
            number=self._number,
            name=name,
            from_state=self._state,
            to_state=state,
            by=by,
            from_rep=self._rep,
            to_rep=rep,
            at=at,
            due_at=due_at,
            reason=reason,
            note=note,
        )
        self._number, self._state, self._rep = self._number + 1, state, rep
        return move


class _Clocks:
    """The clocks of open handoffs. Where one would have run out, it is as if it had been started again of late."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._settings: SalesSettings = sales_settings()
        self._time: WorkingTime = working_times().team
        self._claim = timedelta(hours=sla_hours().get(HANDOFF_STAGE) or self._settings.claim_hours)
        self._attempt = timedelta(hours=self._settings.attempt_hours)

    def until_claim(self, since: datetime) -> datetime:
        """When an offer of then would have expired."""
        return self._time.add(since, self._claim)

    def until_attempt(self, since: datetime) -> datetime:
        """When a claim of then would have lapsed."""
        return self._time.add(since, self._attempt)

    def agreed_for(self, days: int, *, hour: int) -> datetime:
        """A full hour so many days from today."""
        return (self._now + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)

    def wind(self, row: Handoff, *, share: float) -> None:
        """Start the clock of an open handoff; where it were up by now, ``share`` of it has run instead."""
        if row.state == HandoffState.OFFERED:
            since, whole = row.offered_at, self._claim
        elif row.state in HELD_STATES and row.attempted_at is None and row.claimed_at is not None:
            since, whole = row.claimed_at, self._attempt
        else:
            row.waiting_since = row.claimed_at or row.offered_at
            return
        run = min(self._time.between(since, self._now), whole)
        # Nothing runs out within the first minutes.
        if whole - run < whole / 20:
            run = whole * share * 0.95
            since = max(since, self._now - run)
        left = whole - run
        ahead = left - whole * (1 - self._settings.warn_share)
        row.waiting_since, row.due_at = since, self._time.add(self._now, left)
        if ahead > timedelta(0):
            row.warn_at = self._time.add(self._now, ahead)
        else:
            row.warn_at = row.warned_at = max(since, self._now + ahead)


def _open_state(claimed_at: int, accepted_at: int) -> HandoffState:
    if accepted_at:
        return HandoffState.ACCEPTED
    return HandoffState.CLAIMED if claimed_at else HandoffState.OFFERED


def _moment_or_never(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
